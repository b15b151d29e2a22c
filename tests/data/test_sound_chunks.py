"""Containers of chunks: what follows the samples, chunks that are not padded, and what calls itself one."""

import io
import struct

import numpy as np
import pytest
import soundfile
import soxr

from layerscope.data.audio import load, measure
from layerscope.errors import AudioError

RATE = 24_000
SAMPLES = np.round(0.3 * np.sin(np.arange(6001) / 9) * 32767) / 32768


def written(container, subtype="PCM_16", endian="FILE"):
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, RATE, format=container, subtype=subtype, endian=endian)
    return file.getvalue()


def chunk(name, content, padded=True):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2 and padded)


def wav(*chunks, mark=b"RIFF"):
    return mark + struct.pack("<I", 4 + sum(map(len, chunks))) + b"WAVE" + b"".join(chunks)


def form(channels=1, bits=16, width=2):
    return chunk(b"fmt ", struct.pack("<HHIIHH", 1, channels, RATE, RATE * width, width, bits))


PCM = np.round(SAMPLES * 32768).astype("<i2").tobytes()
RF64 = chunk(b"ds64", struct.pack("<QQQI", 0, len(PCM), len(SAMPLES), 0)) + form() + b"data" + b"\xff" * 4 + PCM
CONTAINERS = {
    "RIFX": written("WAV", endian="BIG"),
    "RF64": written("RF64"),
    "W64": written("W64"),
    "AIFF": written("AIFF"),
    "AIFC": written("AIFF", "FLOAT"),
    "CAF": written("CAF"),
    "AU": written("AU"),
    "AU, little": written("AU", endian="LITTLE"),
    "BW64": b"BW64" + b"\xff" * 4 + b"WAVE" + RF64,
}


def put(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", CONTAINERS)
def test_containers_are_decoded_whole_with_a_tag_behind_them(tmp_path, kind):
    for content in (CONTAINERS[kind], CONTAINERS[kind] + b"TAG" + b" " * 125):
        path = put(tmp_path, content)
        np.testing.assert_allclose(load(path, RATE), SAMPLES, atol=4e-5)
        assert measure(path) == (len(SAMPLES) / RATE, RATE)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_another_file_behind_the_samples_is_no_silent_loss(tmp_path, kind):
    with pytest.raises(AudioError, match=r"bytes follow its samples that are no whole chunk"):
        load(put(tmp_path, CONTAINERS[kind] * 2), RATE)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_container_that_lacks_its_last_sample_is_truncated(tmp_path, kind):
    # A CAF and an AIFF may end in a chunk or a byte of padding.
    data = CONTAINERS[kind]
    cut = data[: len(data) - 64]
    with pytest.raises(AudioError, match="truncated"):
        load(put(tmp_path, cut), RATE)


def test_a_caf_that_lacks_one_byte_is_truncated(tmp_path):
    with pytest.raises(AudioError, match="truncated: 12,005 bytes of samples where the header promises 12,006"):
        load(put(tmp_path, CONTAINERS["CAF"][:-1]), RATE)


def test_an_aiff_that_promises_more_samples_than_it_holds_is_truncated(tmp_path):
    content = bytearray(CONTAINERS["AIFF"])
    place = content.index(b"COMM") + 10
    content[place : place + 4] = struct.pack(">I", 9000)
    with pytest.raises(AudioError, match="truncated: 6,001 samples where its header promises 9,000"):
        load(put(tmp_path, bytes(content)), RATE)


@pytest.mark.parametrize("container", ["NIST", "VOC", "IRCAM", "PVF", "PAF", "SVX", "AVR", "MAT5"])
def test_what_libsndfile_reads_without_noticing_a_cut_is_refused_by_name(tmp_path, container):
    for content in (written(container), written(container)[:-1000]):
        with pytest.raises(AudioError, match=r"holds .*, which is not read; convert it to FLAC or WAV"):
            load(put(tmp_path, content), RATE)


@pytest.mark.parametrize("name", [b"LIST", b"bext", b"iXML"])
def test_a_chunk_of_odd_length_without_its_byte_of_padding_is_passed(tmp_path, name):
    for chunks in ((form(), chunk(name, b"x" * 33, False)), (chunk(name, b"x" * 33, False), form())):
        path = put(tmp_path, wav(*chunks, chunk(b"data", PCM)))
        np.testing.assert_allclose(load(path, RATE), SAMPLES, atol=4e-5)
    # Whose padding is no zero.
    path = put(tmp_path, wav(form(), chunk(name, b"x" * 33, False) + b"x", chunk(b"data", PCM)))
    np.testing.assert_allclose(load(path, RATE), SAMPLES, atol=4e-5)


def test_two_chunks_of_samples_are_refused_by_name(tmp_path):
    for between in (b"", chunk(b"LIST", b"INFO")):
        path = put(tmp_path, wav(form(), chunk(b"data", PCM[:6000]), between, chunk(b"data", PCM[6000:])))
        with pytest.raises(AudioError, match="holds its samples in two 'data' chunks"):
            load(path, RATE)


def test_a_wav_that_arecord_wrote_into_a_pipe_is_as_long_as_it_is(tmp_path):
    content = wav(form(), b"data" + struct.pack("<I", 1 << 31) + PCM)
    np.testing.assert_allclose(load(put(tmp_path, content), RATE), SAMPLES, atol=4e-5)


def test_frames_that_are_wider_than_their_samples_are_refused(tmp_path):
    with pytest.raises(AudioError, match="1 channels of 16 bits do not fill 4 bytes"):
        load(put(tmp_path, wav(form(width=4), chunk(b"data", PCM))), RATE)


@pytest.mark.parametrize("mark", ["fe7f0180", "7ffe8001", "ff1f00e8", "72f81f4e"])
def test_coded_sound_that_a_wav_calls_pcm_is_no_noise(tmp_path, mark):
    content = bytes(64) + bytes.fromhex(mark) + PCM
    with pytest.raises(AudioError, match="holds DTS or AC-3 in place of samples"):
        load(put(tmp_path, wav(form(), chunk(b"data", content))), RATE)


def test_a_riff_that_is_no_wav_is_named(tmp_path):
    content = wav(form(), chunk(b"data", PCM)).replace(b"WAVE", b"sfbk")
    with pytest.raises(AudioError, match="is a RIFF of 'sfbk', not a WAV"):
        load(put(tmp_path, content), RATE)


def test_an_alac_that_lost_its_last_packet_is_truncated(tmp_path):
    with pytest.raises(AudioError, match="truncated"):
        load(put(tmp_path, written("CAF", "ALAC_16")[:-3]), RATE)


def test_metadata_of_a_flac_that_are_not_right_cost_no_sound(tmp_path):
    flac = written("FLAC")
    frames = flac.index(b"\xff\xf8", 42)
    for kind, body in ((6, bytes(900)), (6, b"x" * 90 + b"fLaC\0\0\0\x22" + b"y" * 90), (5, bytes(432))):
        block = bytes([kind | 0x80]) + len(body).to_bytes(3, "big") + body
        path = put(tmp_path, b"fLaC\0" + flac[5:42] + block + flac[frames:])
        np.testing.assert_allclose(load(path, RATE), SAMPLES, atol=4e-5)


def test_a_file_that_is_read_in_blocks_is_resampled_as_at_once(tmp_path):
    samples = (0.2 * np.random.default_rng(0).standard_normal(300_001)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 44_100, subtype="FLOAT")
    np.testing.assert_array_equal(load(tmp_path / "a.wav", RATE), soxr.resample(samples, 44_100, RATE))
