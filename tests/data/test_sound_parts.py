import io
import os
import struct

import numpy as np
import pytest
import soundfile
from benchmarks.hostile.made_audio import ape, encoded, id3, id3v1, music, piped, unknown_length

from layerscope.data import sound_parts
from layerscope.data.audio import file_facts, load, measure
from layerscope.data.sound_parts import flac_starts
from layerscope.errors import AudioError

RATE = 24_000
MUSIC = music(2, RATE, channels=2)
CONTAINERS = ("WAV", "AIFF", "AU", "CAF", "W64", "RF64", "FLAC")


def sized(wav: bytes, riff: int, data: int) -> bytes:
    """Return a WAV whose header states other sizes."""
    place = wav.index(b"data") + 4
    return wav[:4] + struct.pack("<I", riff) + wav[8:place] + struct.pack("<I", data) + wav[place + 4 :]


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_are_read_whole_by_what_is_in_them_and_refused_where_cut(tmp_path, container):
    path, content = tmp_path / "a.mp3", encoded(container, MUSIC, RATE)
    path.write_bytes(content)
    np.testing.assert_allclose(load(path, RATE), MUSIC.mean(axis=1), atol=2**-15)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match=r"truncated|not decodable|damaged"):
        load(path, RATE)


@pytest.mark.parametrize(
    ("riff", "data"),
    [
        (0, 0),
        (36, 0),
        (len(encoded("WAV", MUSIC, RATE)) - 8, 0),
        (0xFFFF_FFFF, 0xFFFF_FFFF),
        (0x7FFF_F024, 0x7FFF_F000),
    ],
)
def test_a_wav_whose_writer_never_came_back_is_read_to_its_end(tmp_path, riff, data):
    path, content = tmp_path / "a.wav", encoded("WAV", MUSIC, RATE)
    path.write_bytes(sized(content, riff, data))
    assert measure(path)[0] == 2.0
    np.testing.assert_allclose(load(path, RATE), MUSIC.mean(axis=1), atol=2**-15)


def test_a_silent_wav_whose_header_counts_no_samples_is_silence(tmp_path):
    path, content = tmp_path / "a.wav", encoded("WAV", 0 * MUSIC, RATE)
    path.write_bytes(sized(content, len(content) - 8, 0))
    assert len(load(path, RATE)) == 2 * RATE


def test_a_wav_with_a_chunk_in_place_of_samples_holds_none(tmp_path):
    path, content = tmp_path / "a.wav", encoded("WAV", MUSIC[:0], RATE)
    path.write_bytes(sized(content + b"LIST" + struct.pack("<I", 4) + b"INFO", len(content) + 4, 0))
    with pytest.raises(AudioError, match="holds no samples"):
        load(path, RATE)


def test_a_wav_whose_header_counts_fewer_samples_than_there_are_is_refused(tmp_path):
    path, content = tmp_path / "a.wav", encoded("WAV", MUSIC, RATE)
    for riff in (len(content) - 8, len(content) // 2 - 8):
        path.write_bytes(sized(content, riff, 96_000))
        with pytest.raises(AudioError, match=r"promises 96,000 bytes of samples, and [\d,]+ bytes follow that are no"):
            measure(path)


@pytest.mark.parametrize("end", [b"LIST\4\0\0\0INFO", bytes(5000), id3v1(), id3(5000), b"\x9a" * 300])
def test_chunks_tags_and_padding_may_follow_the_samples_of_a_wav(tmp_path, end):
    path, content = tmp_path / "a.wav", encoded("WAV", MUSIC, RATE)
    path.write_bytes(content + end)
    np.testing.assert_allclose(load(path, RATE), MUSIC.mean(axis=1), atol=2**-15)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (2, 0, "says 0 channels at 24000 Hz"),
        (14, 17, "2 channels of 17 bits do not fit into 4 bytes"),
        (12, 2, "2 channels of 16 bits do not fit into 2 bytes"),
    ],
)
def test_a_wav_whose_header_cannot_be_true_is_refused_for_that(tmp_path, place, value, words):
    path, content = tmp_path / "a.wav", bytearray(encoded("WAV", MUSIC, RATE))
    place += content.index(b"fmt ") + 8
    content[place : place + 2] = struct.pack("<H", value)
    path.write_bytes(content)
    with pytest.raises(AudioError, match=words):
        measure(path)
    path.write_bytes(content.replace(b"fmt ", b"fm__"))
    with pytest.raises(AudioError, match="no 'fmt ' chunk"):
        measure(path)
    path.write_bytes(content[: content.index(b"data")])
    with pytest.raises(AudioError, match=r"without a 'data' chunk|says 0|do not fit"):
        measure(path)


def test_wavs_that_were_joined_are_all_heard(tmp_path):
    path, content, other = tmp_path / "a.wav", encoded("WAV", MUSIC, RATE), encoded("WAV", MUSIC[:12_000], 12_000)
    for front in (b"", id3(3000)):
        path.write_bytes(front + content + other + content)
        assert measure(path) == (5.0, RATE)
        np.testing.assert_allclose(load(path, RATE, 0.0, 2.0), MUSIC.mean(axis=1), atol=2**-15)
        np.testing.assert_allclose(load(path, RATE, 3.0, 5.0), MUSIC.mean(axis=1), atol=2**-15)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s16le"), ("wav", "pcm_f32le"), ("aiff", "pcm_s16be"), ("au", "pcm_s16be"), ("caf", "pcm_s16be"),
     ("w64", "pcm_s16le"), ("flac", "flac"), ("ogg", "flac")],
)  # fmt: skip
def test_what_was_written_into_a_pipe_is_read_whole(tmp_path, container, codec):
    path, sound = tmp_path / "a.wav", music(2, RATE)
    path.write_bytes(piped(container, codec, sound, RATE))
    assert measure(path) == (2.0, RATE)
    np.testing.assert_allclose(load(path, RATE), sound[:, 0], atol=2**-15)
    np.testing.assert_array_equal(load(path, RATE, 0.5, 1.5), load(path, RATE)[12_000:36_000])


def test_a_flac_without_a_length_is_as_long_as_it_is(tmp_path):
    path, content = tmp_path / "a.flac", unknown_length(encoded("FLAC", MUSIC, RATE))
    path.write_bytes(content)
    assert file_facts(path).duration == 2.0
    whole = load(path, RATE)
    np.testing.assert_allclose(whole, MUSIC.mean(axis=1), atol=2**-15)
    np.testing.assert_array_equal(load(path, RATE, 0.5, 1.5), whole[12_000:36_000])
    path.write_bytes(content[:-1000])
    with pytest.raises(AudioError, match="damaged"):
        load(path, RATE)


def test_comments_in_another_encoding_are_not_minded(tmp_path):
    content = encoded("FLAC", MUSIC, RATE)
    assert b"libFLAC" in content[:200]
    (tmp_path / "a.flac").write_bytes(content.replace(b"libFLAC", b"lib\xe9\xff\xe4C", 1))
    assert len(load(tmp_path / "a.flac", RATE)) == 2 * RATE


def test_a_flac_that_holds_more_than_its_header_says_is_refused(tmp_path):
    path, content = tmp_path / "a.flac", encoded("FLAC", MUSIC, RATE)
    path.write_bytes(content[:22] + (1000).to_bytes(4, "big") + content[26:])
    with pytest.raises(AudioError, match="damaged: its header promises 1000 samples where its frames hold 48000"):
        measure(path)


def test_flacs_that_were_joined_are_all_heard(tmp_path):
    path, content = tmp_path / "a.flac", encoded("FLAC", MUSIC, RATE)
    path.write_bytes(content + unknown_length(content) + content)
    assert measure(path)[0] == 6.0
    np.testing.assert_allclose(load(path, RATE)[48_000:96_000], MUSIC.mean(axis=1), atol=2**-15)


@pytest.mark.parametrize("cut", range(10))
def test_a_flac_is_found_whose_mark_two_reads_share(cut, monkeypatch):
    content = encoded("FLAC", MUSIC, RATE)
    monkeypatch.setattr(sound_parts, "SEARCHED", len(content) + cut)
    assert flac_starts(io.BytesIO(content + content), 0) == [0, len(content)]


@pytest.mark.parametrize("container", ["WAV", "FLAC", "AIFF", "OGG", "MP3"])
def test_tags_in_front_and_behind_are_passed_over(tmp_path, container):
    path = tmp_path / "a.bin"
    for tail in (b"", id3v1(), ape(header=True)):
        path.write_bytes(id3(3000) + encoded(container, MUSIC, RATE) + tail)
        assert len(load(path, RATE)) == 2 * RATE


def test_flipped_bits_of_a_flac_are_noticed(tmp_path):
    path, content, random = tmp_path / "a.flac", encoded("FLAC", MUSIC, RATE), np.random.default_rng(0)
    for place in random.integers(9000, len(content), 30):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(AudioError):
            load(path, RATE)


@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "device.wav").symlink_to("/dev/zero")
    for name in ("pipe.wav", "folder.wav", "device.wav"):
        for look in (file_facts, lambda path: load(path, RATE)):
            with pytest.raises(AudioError, match=rf"{name}: not a regular file"):
                look(tmp_path / name)


def test_odd_names_are_errors_or_names(tmp_path):
    content = encoded("WAV", MUSIC, RATE)
    for name in ("x.raw", "x", os.fsdecode(b"caf\xe9.wav")):
        (tmp_path / name).write_bytes(content)
        assert len(load(tmp_path / name, RATE)) == 2 * RATE
    for name in ("a" * 300 + ".wav", "nul\0.wav"):
        with pytest.raises(AudioError, match="cannot be read"):
            load(tmp_path / name, RATE)
    (tmp_path / "y.raw").write_bytes(b"\1\2\3" * 5000)
    with pytest.raises(AudioError, match=r"y\.raw: not decodable as audio"):
        load(tmp_path / "y.raw", RATE)


@pytest.mark.parametrize("rate", [1, 50, 999, 2_000_000])
def test_a_rate_of_no_music_is_refused_before_anything_is_planned(tmp_path, rate):
    content = encoded("WAV", MUSIC, RATE)
    (tmp_path / "a.wav").write_bytes(content[:24] + struct.pack("<I", rate) + content[28:])
    for look in (file_facts, lambda path: load(path, RATE)):
        with pytest.raises(AudioError, match=f"its header says {rate} Hz"):
            look(tmp_path / "a.wav")


@pytest.mark.parametrize("tag", [b"", b"ID3\x03\0\0\0\0\1\0" + bytes(128)])
@pytest.mark.parametrize(
    ("mark", "name"),
    [
        (b"\0\0\0\x1cftypM4A ", "MP4"),
        *((bytes([0xFF, second]) + b"\x50\x80", "AAC") for second in (0xF0, 0xF1, 0xF8, 0xF9)),
        (b"ADIF", "AAC"),
        (b"\x0b\x77", "AC-3"),
        (b"MPCK", "Musepack"),
        (b"FLV\1", "a film"),
        (b"MThd\0\0\0\6", "MIDI"),
        (b"\x1a\x45\xdf\xa3", "WebM"),
    ],
)
def test_sound_that_is_not_read_is_called_what_it_is_behind_a_tag_too(tmp_path, tag, mark, name):
    (tmp_path / "a.wav").write_bytes(tag + mark + bytes(500))
    with pytest.raises(AudioError, match=rf"holds {name}|holds .*{name}.*, which is not read; convert it"):
        measure(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS, .*`git lfs pull`"),
        ("<!DOCTYPE html>\n<html></html>", "is a web page, not sound"),
        ("\ufeff\n <HTML lang='en'>", "is a web page, not sound"),
    ],
)
def test_a_text_in_place_of_sound_is_called_what_it_is(tmp_path, text, words):
    (tmp_path / "a.wav").write_text(text)
    with pytest.raises(AudioError, match=words):
        measure(tmp_path / "a.wav")


def test_a_caf_whose_chunk_is_longer_than_any_file_is_refused(tmp_path):
    content = encoded("CAF", music(1), 44_100)
    place = content.index(b"desc") + 4
    (tmp_path / "a.caf").write_bytes(content[:place] + b"\xff" * 8 + content[place + 8 :])
    with pytest.raises(AudioError, match=r"a\.caf"):
        load(tmp_path / "a.caf", 24_000)


def test_an_mp3_in_free_format_is_called_that(tmp_path):
    (tmp_path / "a.mp3").write_bytes(bytes.fromhex("fffb0064") + bytes(5000))
    with pytest.raises(AudioError, match="free format"):
        load(tmp_path / "a.mp3", 24_000)


@pytest.mark.parametrize(
    ("beginning", "words"),
    [
        (b'{"error": "not found"}', "is a text, not sound; download the file again"),
        (b"<?xml version='1.0'?><Error/>", "is a text, not sound"),
        ("<Hinweis>Zugriff für Gäste verweigert. Bitte melden Sie sich an, um zu hören.".encode(), "is a text, not"),
        (b"PK\3\4" + bytes(60), "is an archive or compressed, not sound; unpack it"),
        (b"\x1f\x8b" + bytes(60), "is an archive or compressed, not sound; unpack it"),
        (b"\x89PNG\r\n" + bytes(60), "is a picture or a document, not sound"),
        (b"\x93NUMPY" + bytes(60), "is an array of NumPy, not sound"),
        (b"ID3\x03\0\0\0\0\1\0" + bytes(128), "holds tags or zeros alone, and no sound"),
        (bytes(500), "holds tags or zeros alone, and no sound"),
    ],
)
def test_what_holds_no_sound_is_called_what_it_is(tmp_path, beginning, words):
    (tmp_path / "a.wav").write_bytes(beginning)
    with pytest.raises(AudioError, match=words):
        measure(tmp_path / "a.wav")


@pytest.mark.parametrize("first", [b"{", b"<"])
def test_sound_that_begins_with_the_letter_of_a_text_is_no_text(tmp_path, first):
    """The rest of a frame of an MP3 that was cut out of a stream."""
    (tmp_path / "a.mp3").write_bytes(first + encoded("MP3", MUSIC, RATE)[300:])
    with pytest.raises(AudioError, match=r"damaged: begins with [1-9][0-9,]* bytes that are no MPEG frame"):
        measure(tmp_path / "a.mp3")


@pytest.mark.parametrize("spoilt", ["removed", "zeros", "cut", "header alone"])
def test_a_flac_with_a_hole_is_damaged_in_plain_words(tmp_path, spoilt):
    path, content = tmp_path / "a.flac", encoded("FLAC", MUSIC, RATE)
    middle = len(content) // 2
    path.write_bytes(
        {
            "removed": content[:middle] + content[middle + 2000 :],
            "zeros": content[:middle] + bytes(2000) + content[middle + 2000 :],
            "cut": content[:middle],
            "header alone": content[:42],
        }[spoilt]
    )
    with pytest.raises(AudioError, match=r"a\.flac: damaged: a piece inside is missing, or is no sound \(\w"):
        load(path, RATE)


@pytest.mark.parametrize("codec", ["GSM610", "MS_ADPCM"])
def test_what_fills_the_last_block_of_a_codec_is_no_sound(tmp_path, codec):
    soundfile.write(tmp_path / "a.wav", 0.4 * np.sin(np.arange(RATE + 17) / 20), RATE, subtype=codec)
    assert soundfile.info(tmp_path / "a.wav").frames > RATE + 17
    assert len(load(tmp_path / "a.wav", RATE)) == RATE + 17
    content = (tmp_path / "a.wav").read_bytes()
    place = content.index(b"fact") + 8
    # A count that leaves out more than a block is not one of what was encoded.
    (tmp_path / "a.wav").write_bytes(content[:place] + (9).to_bytes(4, "little") + content[place + 4 :])
    assert len(load(tmp_path / "a.wav", RATE)) > RATE + 17


def test_a_codec_in_which_libsndfile_finds_no_place_although_it_says_so_is_named(tmp_path):
    soundfile.write(tmp_path / "a.aiff", MUSIC[:, 0], RATE, subtype="DWVW_16")
    with pytest.raises(AudioError, match="holds DWVW, which is not read; convert it to FLAC or WAV"):
        load(tmp_path / "a.aiff", RATE)


@pytest.mark.parametrize("codec", ["GSM610", "G721_32", "NMS_ADPCM_16"])
def test_codecs_in_which_no_place_is_found_are_read_whole_and_by_spans(tmp_path, codec):
    """The decoder cannot go to a sample in them, which is no damage."""
    samples = 0.4 * np.sin(2 * np.pi * 300 * np.arange(2 * RATE) / RATE)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype=codec)
    whole = load(tmp_path / "a.wav", RATE)
    assert len(whole) == pytest.approx(len(samples), abs=RATE // 50)
    assert np.corrcoef(whole[: len(samples)], samples)[0, 1] > 0.95
    np.testing.assert_array_equal(load(tmp_path / "a.wav", RATE, 0.5, 1.0), whole[RATE // 2 : RATE])
