import tracemalloc
import wave

import numpy as np
import pytest
import soundfile

from layerscope.data.audio import file_facts, load, mixed, sound_digest
from layerscope.errors import AudioError

#: Every hostile file: the tone that must come out, in samples at 24 kHz, or the words of the refusal.
VERDICTS = {
    "antiphase_stereo.wav": "its channels cancel",
    "corrupt_middle.mp3": "damaged: after 0.91 s come bytes that are neither MPEG frames nor a tag",
    "empty.wav": r"the file is empty \(0 bytes\)",
    "hot_float_x40.wav": 48_000,
    "inf_float.wav": "non-finite samples",
    "mp3_named.wav": 48_000,
    "mpeg.mp3": 48_000,
    "mulaw_8k.wav": 48_000,
    "name with spaces, “quotes” & ünïcode.flac": 48_000,
    "nan_float.wav": "non-finite samples",
    "ok_mono24k.wav": 48_000,
    "one_sample.wav": 1,
    "opus.opus": 48_000,
    "silence.wav": 48_000,
    "six_channels.wav": 48_000,
    "stereo_96k_24bit.flac": 24_000,
    "text.wav": "not decodable as audio",
    "tiny_50ms.wav": 1200,
    "truncated_body.wav": "truncated: 31970 bytes of samples where the header promises 96000",
    "truncated_header.wav": "not decodable as audio",
    "u8_8k.wav": 48_000,
    "vorbis.ogg": 48_000,
    "zero_samples.wav": "holds no samples",
    "README.md": "not decodable as audio",
}


def test_every_hostile_file_has_a_verdict(hostile):
    assert {path.name for path in hostile.iterdir()} == set(VERDICTS)


@pytest.mark.parametrize("name", VERDICTS)
def test_hostile_files_are_decoded_rightly_or_refused_by_name(hostile, name):
    path, verdict = hostile / name, VERDICTS[name]
    if isinstance(verdict, str):
        with pytest.raises(AudioError, match=verdict) as refusal:
            load(path, 24_000)
        assert name in str(refusal.value)
    else:
        samples = load(path, 24_000)
        assert samples.dtype == np.float32
        assert len(samples) == verdict
        assert np.isfinite(samples).all()


@pytest.mark.parametrize(
    "name",
    ["mpeg.mp3", "opus.opus", "vorbis.ogg", "mulaw_8k.wav", "u8_8k.wav", "six_channels.wav", "hot_float_x40.wav"],
)
def test_other_encodings_hold_the_same_tone(hostile, name):
    reference, samples = load(hostile / "ok_mono24k.wav", 24_000), load(hostile / name, 24_000)
    strongest = [np.abs(np.fft.rfft(signal)).argmax() for signal in (reference, samples)]
    assert strongest[0] == strongest[1]
    # 40 times hotter stays 40 times hotter: a level is part of the sound.
    assert np.abs(samples).max() / np.abs(reference).max() == pytest.approx(40 if "x40" in name else 1, rel=0.1)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"absent\.wav: cannot be read \(No such file"):
        load(tmp_path / "absent.wav", 24_000)
    with pytest.raises(AudioError, match=r"absent\.wav: cannot be read"):
        file_facts(tmp_path / "absent.wav")


def test_channels_are_averaged(tmp_path):
    left, right = np.full(100, 0.5), np.full(100, 0.1)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 24_000, subtype="FLOAT")
    np.testing.assert_allclose(load(tmp_path / "a.wav", 24_000), 0.3, atol=1e-7)


def test_a_span_is_what_a_slice_is(tmp_path):
    samples = np.random.default_rng(0).uniform(-1, 1, 24_000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 24_000, subtype="FLOAT")
    np.testing.assert_array_equal(load(tmp_path / "a.wav", 24_000, 0.25, 0.5), samples[6000:12_000])
    np.testing.assert_array_equal(load(tmp_path / "a.wav", 24_000, 0.9), samples[21_600:])
    np.testing.assert_array_equal(load(tmp_path / "a.wav", 24_000, 0.5, 1.05), samples[12_000:])


@pytest.mark.parametrize(("start", "end"), [(1.5, None), (0.0, 2.0), (1e308, None), (0.0, 1e308)])
def test_a_span_beyond_the_file_is_refused(tmp_path, start, end):
    soundfile.write(tmp_path / "a.wav", np.zeros(24_000), 24_000)
    with pytest.raises(AudioError, match=r"ends after the file \(1\.00 s\)"):
        load(tmp_path / "a.wav", 24_000, start, end)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
def test_resampling_keeps_a_tone(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate), rate)
    samples = load(tmp_path / "a.wav", 24_000)
    assert len(samples) == 48_000
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 24_000)
    # The edges ring; between them the error is that of 16 bits and of the filter's pass band.
    np.testing.assert_allclose(samples[2000:-2000], expected[2000:-2000], atol=1e-3)


def test_a_streamed_wav_of_unknown_length_is_not_called_truncated(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(np.ones(100, np.int16).tobytes())
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(content)
    assert len(load(tmp_path / "a.wav", 24_000)) == 100


def test_sound_digest_ignores_the_container(tmp_path):
    samples = np.random.default_rng(0).integers(-20_000, 20_000, 5000, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 24_000, subtype="PCM_16")
    soundfile.write(tmp_path / "a.flac", samples, 24_000, subtype="PCM_16")
    first, second = (load(tmp_path / name, 24_000) for name in ("a.wav", "a.flac"))
    assert sound_digest(first) == sound_digest(second)
    assert sound_digest(first) != sound_digest(first[:-1])
    assert file_facts(tmp_path / "a.wav").digest != file_facts(tmp_path / "a.flac").digest


def test_sound_digest_is_of_16_bits_and_beyond():
    quiet = np.array([0.25, 0.0, -3.0e5], np.float32)
    assert sound_digest(quiet) == sound_digest(quiet + np.array([1e-6, -1e-6, 0.0], np.float32))
    assert sound_digest(quiet) != sound_digest(quiet + np.array([0.0, 0.0, 1.0], np.float32))


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("order", ["C", "F"])
def test_channels_are_mixed_as_numpy_averages_them(channels, order):
    block = np.asarray(np.random.default_rng(0).normal(0, 0.1, (4096, channels)), np.float32, order=order)
    np.testing.assert_array_equal(mixed(block), block.mean(axis=1))


@pytest.mark.parametrize("value", [1e20, 2e6, -3e38])
def test_values_that_are_no_sound_are_refused_by_what_they_are(tmp_path, value):
    samples = np.zeros(1000)
    samples[500] = value
    soundfile.write(tmp_path / "a.wav", samples, 24_000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav: holds values up to .*where sound lies within"):
        load(tmp_path / "a.wav", 24_000)


def test_memory_holds_a_block_of_many_channels(tmp_path):
    # As floats these channels are 92 MB, mixed they are 1.4 MB.
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 8000, 64, subtype="PCM_U8") as sound:
        for _ in range(45):
            sound.write(np.full((8000, 64), 0.25))
    tracemalloc.start()
    try:
        assert len(load(tmp_path / "a.wav", 8000)) == 45 * 8000
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()
