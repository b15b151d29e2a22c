import numpy as np
import pytest
from benchmarks.hostile.made_audio import encoded, music

from layerscope.data.audio import load, measure
from layerscope.errors import AudioError

RATE = 48_000
VORBIS, OPUS = (encoded("OGG", music(2, RATE), RATE, subtype=subtype) for subtype in ("VORBIS", "OPUS"))


def pages(content: bytes) -> list[bytes]:
    return [b"OggS" + page for page in content.split(b"OggS")[1:]]


@pytest.mark.parametrize("content", [VORBIS, OPUS])
def test_every_stream_of_a_chain_is_heard(tmp_path, content):
    path = tmp_path / "a.ogg"
    path.write_bytes(content)
    alone = load(path, RATE)
    path.write_bytes(content + encoded("OGG", music(1, RATE, seed=1), RATE, subtype="VORBIS"))
    samples = load(path, RATE)
    assert measure(path) == (3.0, RATE)
    assert len(samples) == 3 * RATE
    np.testing.assert_array_equal(samples[: 2 * RATE], alone)
    np.testing.assert_array_equal(load(path, RATE, 1.5, 2.5), samples[72_000:120_000])


@pytest.mark.parametrize("content", [VORBIS, OPUS])
def test_every_flipped_bit_is_noticed(tmp_path, content):
    path, random = tmp_path / "a.ogg", np.random.default_rng(0)
    for place in random.integers(0, len(content), 50):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(AudioError, match=r"damaged|truncated|not decodable"):
            load(path, RATE)


def test_a_page_that_is_missing_or_cut_is_noticed(tmp_path):
    path, parts = tmp_path / "a.ogg", pages(VORBIS)
    for content, reason in (
        (b"".join(parts[:3] + parts[4:]), "damaged: Ogg pages are missing before byte"),
        (b"".join(parts[:-1]), "truncated: no Ogg page says that it is the last"),
        (VORBIS[:-10], "truncated: its last Ogg page"),
        (VORBIS + b"something else", "damaged: at byte .* no Ogg page begins"),
    ):
        path.write_bytes(content)
        with pytest.raises(AudioError, match=reason):
            measure(path)
