import struct

import numpy as np
import pytest
from benchmarks.hostile.made_audio import encoded, music

from layerscope.data.audio import load, measure
from layerscope.data.ogg_pages import FIXED, checksum
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


@pytest.mark.parametrize("content", [VORBIS, OPUS])
def test_an_end_at_no_place_is_noticed(tmp_path, content):
    path, parts = tmp_path / "a.ogg", pages(content)
    path.write_bytes(b"".join(parts[:-1]) + summed(parts[-1][:6] + b"\xff" * 8 + parts[-1][14:]))
    with pytest.raises(AudioError, match="last Ogg page does not say where the sound ends"):
        measure(path)


def page_of(flags, serial, number, body, position=0):
    head = b"OggS\0" + struct.pack("<BqIIIB", flags, position, serial, number, 0, 1) + bytes([len(body)]) + body
    return summed(head)


def summed(page):
    return page[:22] + checksum(page[:22] + bytes(4) + page[26:]).to_bytes(4, "little") + page[26:]


def test_a_skeleton_or_a_picture_beside_the_sound_is_passed(tmp_path):
    path, parts = tmp_path / "a.ogg", pages(VORBIS)
    path.write_bytes(VORBIS)
    alone = load(path, RATE)
    for head in (b"fishead\0\3\0\0\0" + bytes(52), b"\x80theora" + bytes(40)):
        path.write_bytes(page_of(2, 99, 0, head) + parts[0] + page_of(4, 99, 1, b"") + b"".join(parts[1:]))
        np.testing.assert_array_equal(load(path, RATE), alone)
        assert measure(path) == (2.0, RATE)


def test_two_sounds_side_by_side_are_refused_since_one_would_be_lost(tmp_path):
    path, parts = tmp_path / "a.ogg", pages(VORBIS)
    others = [summed(part[:14] + b"\1\2\3\4" + part[18:]) for part in parts]
    for beside in (others, pages(OPUS)):
        path.write_bytes(parts[0] + beside[0] + b"".join(parts[1:]) + b"".join(beside[1:]))
        with pytest.raises(AudioError, match="holds 2 sounds side by side"):
            measure(path)


def test_an_opus_that_does_not_say_its_sources_rate_keeps_all_of_its_sound(tmp_path):
    path, parts = tmp_path / "a.opus", pages(OPUS)
    path.write_bytes(OPUS)
    said = load(path, RATE)
    place = FIXED + parts[0][FIXED - 1] + 12
    path.write_bytes(summed(parts[0][:place] + bytes(4) + parts[0][place + 4 :]) + b"".join(parts[1:]))
    assert measure(path) == (2.0, RATE)
    np.testing.assert_array_equal(load(path, RATE), said)
