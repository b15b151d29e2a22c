import numpy as np
import pytest

from layerscope.data.deformations import DEFAULT_DEFORMATIONS, Deformation, read_deformations
from layerscope.errors import AudioError, UsageError

RATE = 44_100


def tone(hertz, seconds=1.0):
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def loudness(samples):
    """Decibels of the middle, away from what filters do at the ends."""
    middle = samples[len(samples) // 4 : -len(samples) // 4].astype(np.float64)
    return 10 * np.log10(np.mean(middle**2))


def loudest_frequency(samples):
    window = samples * np.hanning(len(samples))
    return np.argmax(np.abs(np.fft.rfft(window))) * RATE / len(samples)


def clicks(seconds=3.0):
    """Bursts at 0.5, 1.0, 1.5 … s."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    random = np.random.default_rng(0)
    for time in np.arange(0.5, seconds, 0.5):
        first = round(time * RATE)
        samples[first : first + 400] = 0.3 * random.standard_normal(400)
    return samples


def first_loud(samples, near):
    """When, within 0.2 s of a time, the sound first rises to half of its peak there."""
    first = round((near - 0.2) * RATE)
    stretch = np.abs(samples[first : round((near + 0.2) * RATE)])
    return (first + np.argmax(stretch > 0.5 * stretch.max())) / RATE


def test_gain_and_noise_are_as_many_decibels_as_they_say():
    sound = tone(440)
    assert loudness(Deformation("gain", -12).of(sound, RATE)) - loudness(sound) == pytest.approx(-12, abs=1e-3)
    noise = Deformation("noise", 20).of(sound, RATE) - sound
    assert loudness(noise) - loudness(sound) == pytest.approx(-20, abs=0.2)
    # As loud below as above.
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    assert spectrum[: RATE // 4].sum() / spectrum[RATE // 4 :].sum() == pytest.approx(1, abs=0.05)


def test_a_lowpass_lets_pass_what_is_below_and_is_6_decibels_down_at_its_corner():
    lowpass = Deformation("lowpass", 3000)
    lost = {hertz: loudness(tone(hertz)) - loudness(lowpass.of(tone(hertz), RATE)) for hertz in (500, 3000, 6000)}
    assert lost[500] < 0.01
    assert lost[3000] == pytest.approx(6.02, abs=0.05)
    assert lost[6000] > 45


@pytest.mark.parametrize(("semitones", "hertz"), [(1, 466.16), (-1, 415.30), (12, 880.0)])
def test_pitch_is_shifted_to_the_next_note_and_times_stay(semitones, hertz):
    shifted = Deformation("pitch", semitones).of(tone(440, 2.0), RATE)
    assert loudest_frequency(shifted) == pytest.approx(hertz, rel=2e-3)
    assert len(shifted) == 2 * RATE
    assert loudness(shifted) == pytest.approx(loudness(tone(440)), abs=1)


def test_tempo_moves_times_and_leaves_pitch():
    faster = Deformation("tempo", 1.25)
    assert loudest_frequency(faster.of(tone(440, 2.0), RATE)) == pytest.approx(440, rel=2e-3)
    sound = faster.of(clicks(), RATE)
    assert len(sound) == pytest.approx(3 * RATE / 1.25, abs=1)
    assert [first_loud(sound, near) for near in (0.4, 1.2, 2.0)] == pytest.approx([0.4, 1.2, 2.0], abs=0.02)


@pytest.mark.parametrize("text", ["gain:-12", "noise:20", "lowpass:3000", "mp3:64", "reverb:0.5", "pitch:1"])
def test_times_stay_where_the_tempo_does(text):
    sound = read_deformations([text])[0].of(clicks(), RATE)
    assert len(sound) == len(clicks())
    assert [first_loud(sound, near) for near in (0.5, 1.5, 2.5)] == pytest.approx([0.5, 1.5, 2.5], abs=0.02)


def test_reverberation_dies_away_by_60_decibels_in_its_time():
    click = np.zeros(2 * RATE, np.float32)
    click[1000] = 1.0
    wet = Deformation("reverb", 0.5).of(click, RATE).astype(np.float64)
    power = [np.mean(wet[1000 + round(t * RATE) : 1000 + round((t + 0.05) * RATE)] ** 2) for t in (0.05, 0.3)]
    # A half of 60 dB in a half of the time.
    assert 10 * np.log10(power[0] / power[1]) == pytest.approx(30, abs=1)
    straight, tail = wet[1000] ** 2, np.sum(wet[1001:] ** 2)
    assert tail / straight == pytest.approx(1, abs=0.01)
    assert np.sum(wet**2) == pytest.approx(1, rel=1e-5)


def test_an_mp3_loses_what_is_high_and_little_else():
    noise = (0.1 * np.random.default_rng(0).standard_normal(3 * RATE)).astype(np.float32)
    sound = Deformation("mp3", 64).of(noise, RATE)
    power = np.abs(np.fft.rfft(sound)) ** 2 / np.abs(np.fft.rfft(noise)) ** 2
    bin_of = len(noise) / RATE
    assert np.median(power[round(200 * bin_of) : round(5000 * bin_of)]) > 0.3
    assert np.median(power[round(18_000 * bin_of) : round(20_000 * bin_of)]) < 1e-3


@pytest.mark.parametrize("rate", [8000, 44_100, 96_000])
@pytest.mark.parametrize("text", DEFAULT_DEFORMATIONS)
def test_the_same_clip_is_deformed_alike_at_any_rate(text, rate):
    sound = np.random.default_rng(1).normal(0, 0.1, rate // 5).astype(np.float32)
    deformation = read_deformations([text])[0]
    first, second = deformation.of(sound, rate), deformation.of(sound.copy(), rate)
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert len(first) == pytest.approx(len(sound) / deformation.tempo, abs=1)
    assert np.isfinite(first).all()


@pytest.mark.parametrize("text", DEFAULT_DEFORMATIONS)
def test_a_clip_of_two_samples_is_deformed_or_refused(text):
    deformation, sound = read_deformations([text])[0], np.array([0.1, -0.1], np.float32)
    if deformation.semitones or deformation.tempo != 1:
        with pytest.raises(AudioError, match="a phase vocoder needs"):
            deformation.of(sound, RATE)
    else:
        assert len(deformation.of(sound, RATE)) == 2


def test_silence_has_no_level_for_noise_and_all_else_leaves_it_silent():
    silence = np.zeros(RATE, np.float32)
    with pytest.raises(AudioError, match="it is silent"):
        Deformation("noise", 20).of(silence, RATE)
    for text in ("gain:-12", "lowpass:3000", "mp3:64", "reverb:0.5", "pitch:1", "tempo:1.1"):
        assert not read_deformations([text])[0].of(silence, RATE).any()


def test_all_is_every_sort_and_strengths_are_named_alike_however_they_are_written():
    assert [str(each) for each in read_deformations(["all"])] == list(DEFAULT_DEFORMATIONS)
    assert read_deformations(["pitch:+1", "noise:20.0"]) == read_deformations(["pitch:1", "noise:20"])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["nois:20"], "noise"),
        (["noise"], "it has no strength; write its dB .* such as noise:30"),
        (["noise:loud"], "'loud' is no number"),
        (["noise:nan"], "choose from -20 to 80"),
        (["lowpass:30000"], "choose from 50 to 20000 Hz"),
        (["mp3:65"], "MP3 has no 65 kbit/s; choose one of 32, 40"),
        (["pitch:0"], "changes nothing"),
        (["tempo:1"], "changes nothing"),
        (["pitch:1", "all"], "'pitch:1' is given twice"),
    ],
)
def test_what_is_no_deformation_is_refused_with_the_way_out(texts, message):
    with pytest.raises(UsageError, match=message):
        read_deformations(texts)
