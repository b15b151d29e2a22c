import io
import re

import av
import numpy as np
import pytest
import soundfile
from benchmarks.hostile.made_audio import RATE, ape, encoded, headerless, id3, id3v1, mp3, music
from benchmarks.mp3_lengths import DECODERS, kinds, ours

from layerscope.data.audio import load, measure
from layerscope.errors import AudioError

STEREO = music(4, channels=2)
CONSTANT, VARIABLE = mp3(STEREO), mp3(STEREO, mode="VARIABLE")
BARE, BARE_VARIABLE = headerless(CONSTANT), headerless(VARIABLE)
#: What FFmpeg decodes to all that is there, from end to end, by its own demuxer.
WHOLE = {
    "constant": CONSTANT,
    "variable": VARIABLE,
    "constant, no header": BARE,
    "variable, no header": BARE_VARIABLE,
    "2 kB of tag, no header": id3(2048) + BARE,
    "album art, no header": id3(1 << 20) + BARE,
    "album art, variable, no header": id3(1 << 20) + BARE_VARIABLE,
    "album art, header": id3(1 << 20) + VARIABLE,
    "ID3v1": BARE + id3v1(),
    "APE": BARE + ape(header=True),
    "APE and ID3v1": BARE_VARIABLE + ape(header=True) + id3v1(),
    "two joined": BARE + BARE_VARIABLE,
    "mono, then stereo": headerless(mp3(music(2))) + BARE,
    "low rate": headerless(mp3(music(3, 16_000), 16_000)),
}


def samples_of(content: bytes) -> int:
    """Return how many samples FFmpeg decodes from a file."""
    with av.open(io.BytesIO(content), format="mp3") as container:
        return sum(frame.samples for frame in container.decode(audio=0))


@pytest.mark.parametrize("kind", WHOLE)
def test_an_intact_mp3_is_as_long_as_a_reference_decoder_finds_it(tmp_path, kind):
    path = tmp_path / "a.mp3"
    path.write_bytes(WHOLE[kind])
    seconds, rate = measure(path)
    assert len(load(path, rate)) == round(seconds * rate) == samples_of(WHOLE[kind])


@pytest.mark.parametrize("content", [CONSTANT, VARIABLE, mp3(music(3, 16_000), 16_000)])
def test_samples_are_those_of_another_decoder(tmp_path, content):
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    # With a header libmpg123 decodes the same span, by floats of another order.
    expected, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    np.testing.assert_allclose(load(path, rate), expected.mean(axis=1), atol=5e-6)


def test_delay_and_padding_are_cut_off_each_of_two_joined_files(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(id3(2048) + CONSTANT + id3v1() + id3(2048) + VARIABLE + ape(header=False) + id3v1())
    samples = load(path, RATE)
    assert len(samples) == 2 * 4 * RATE
    for half in (samples[: 4 * RATE], samples[4 * RATE :]):
        assert np.corrcoef(half, STEREO.mean(axis=1))[0, 1] > 0.9


def test_parts_of_two_rates_last_as_long_as_they_last(tmp_path):
    path = tmp_path / "a.mp3"
    slow = headerless(mp3(music(2, 32_000), 32_000))
    path.write_bytes(BARE + slow)
    seconds = samples_of(BARE) / RATE + samples_of(slow) / 32_000
    assert measure(path) == (pytest.approx(seconds), RATE)
    samples = load(path, 24_000)
    assert len(samples) == pytest.approx(24_000 * seconds, abs=2)
    spectrum = np.abs(np.fft.rfft(samples[-24_000:]))
    assert spectrum.argmax() == 440  # the tone of the second part keeps its pitch


def test_a_span_is_what_a_slice_is_without_a_header_too(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(BARE_VARIABLE)
    whole = load(path, RATE)
    for start, end in [(0.5, 1.0), (3.1, 3.9), (2.0, 4.0)]:
        np.testing.assert_array_equal(load(path, RATE, start, end), whole[round(start * RATE) : round(end * RATE)])


def test_an_mp3_in_a_wav_is_decoded(tmp_path):
    form = b"fmt " + (30).to_bytes(4, "little") + (0x55).to_bytes(2, "little") + bytes(28)
    data = b"data" + len(BARE).to_bytes(4, "little") + BARE
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + (4 + len(form + data)).to_bytes(4, "little") + b"WAVE" + form + data)
    assert len(load(path, RATE)) == samples_of(BARE)


HOLES = {
    "garbage between frames": (BARE[:20_000] + b"\x5a" * 500 + BARE[20_000:], "damaged: after 1.02 s"),
    "a hole": (BARE[:20_000] + BARE[24_000:], "damaged: after 1.02 s"),
    "zeros within": (BARE[:20_000] + bytes(4096) + BARE[24_096:], "damaged: after 1.02 s"),
    "zeros at the end": (BARE[:-4096] + bytes(4096), "damaged: after 3.87 s"),
    "its last bytes lost": (BARE[:-100], r"truncated: its last MPEG frame, at 4.02 s, has 423 bytes of 523"),
    "frames lost that its header counts": (VARIABLE[:30_000], "truncated"),
    "its first bytes lost": (BARE[5000:], "damaged: begins with [1-9][0-9]* bytes that are no MPEG frame"),
    "behind junk": (b"\x5a" * 3012 + BARE, "begins with 3,012 bytes that are no MPEG frame"),
    "behind junk with a frame's mark": (BARE[:4] + b"words " * 500 + BARE, "begins with 3,004 bytes"),
    "zeros behind all, as far as one knows": (BARE + bytes(4096), "damaged: after 4.0"),
    "a text with the mark of a frame": (b"\xff\xfb\x90\x64" + b"words " * 500, "no two MPEG frames"),
    "what no format begins with": (b"\xff\xe8\x50\x80" + bytes(300), "not decodable as audio"),
}


@pytest.mark.parametrize("kind", HOLES)
def test_a_damaged_mp3_is_refused_with_what_is_true_of_it(tmp_path, capfd, kind):
    content, reason = HOLES[kind]
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    for look in (measure, lambda path: load(path, RATE)):
        with pytest.raises(AudioError, match=reason):
            look(path)
    # Decoders' own notes stay off the terminal.
    assert capfd.readouterr() == ("", "")


def test_zeros_behind_all_frames_that_a_header_counts_are_padding(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(VARIABLE)
    whole = load(path, RATE)
    for end in (bytes(5000), bytes(300) + id3v1()):
        path.write_bytes(VARIABLE + end)
        np.testing.assert_array_equal(load(path, RATE), whole)


def test_a_frame_that_cannot_be_decoded_is_placed(tmp_path):
    content = bytearray(BARE)
    # Behind the four bytes of its header: side information that no decoder can follow.
    place = content.index(content[:2], 40_000)
    content[place + 4 : place + 36] = b"\xff" * 32
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    assert measure(path)[0] == samples_of(BARE) / RATE
    with pytest.raises(AudioError, match=r"an MPEG frame between (\S+) and (\S+) s cannot be decoded") as caught:
        load(path, RATE)
    begin, end = map(float, re.findall(r"\d+\.\d+", str(caught.value).rpartition("between")[2]))
    assert begin <= place / len(BARE) * samples_of(BARE) / RATE <= end


def test_whole_frames_that_are_fewer_than_promised_are_called_so(tmp_path):
    content = encoded("MP3", music(1), bitrate_mode="CONSTANT", compression_level=0.5)
    marks = [place for place in range(len(content)) if content.startswith(content[:2], place)]
    path = tmp_path / "a.mp3"
    path.write_bytes(content[: next(place for place in marks if place > len(content) // 2)])
    with pytest.raises(AudioError, match=r"truncated: \d+ MPEG frames where its header promises 40"):
        measure(path)


#: Kinds of which the reference is not right, and what is: the delay of a second part is its encoder's, not sound; tags
#: at the end that FFmpeg does not know end no file; a frame at a change of rate is of its own rate.
OTHERWISE = {
    "two, joined": 2 * 4 * 44_100,
    "tagged and joined": 2 * 4 * 44_100,
    "APE without a header at the end": 155 * 1152,
    "Lyrics3 at the end": 155 * 1152,
    "44.1 kHz, then 48 kHz": round(155 * 1152 + 168 * 1152 * 44_100 / 48_000),
}
REFUSED = {"its header tells of twice as many": "truncated", "free format": "free format"}


@pytest.fixture(scope="module")
def files():
    return kinds()


@pytest.mark.parametrize("kind", kinds())
def test_an_mp3_is_as_long_as_a_reference_decoder_finds_it(kind, files):
    if kind in REFUSED:
        with pytest.raises(AudioError, match=REFUSED[kind]):
            ours(files[kind])
        return
    expected = OTHERWISE[kind] if kind in OTHERWISE else DECODERS["FFmpeg"](files[kind])
    assert ours(files[kind]) == pytest.approx(expected, abs=1)
