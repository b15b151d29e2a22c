"""Frames of tracks: chosen evenly, stitched without edges, scored song by song."""

import json

import numpy as np
import pytest
import soundfile
import torch

from layerscope import Dataset, load_encoder
from layerscope.data.splits import Part
from layerscope.encoders import Encoder
from layerscope.features.encoder_pass import Pass
from layerscope.features.stored_features import stored_features
from layerscope.features.windows import FRAME_RATE
from layerscope.probes.frame_targets import (
    MOST_TRAINING_FRAMES,
    averaged,
    context,
    counted_tracks,
    fill,
    frame_features,
    plan_tracks,
)
from layerscope.targets import KINDS, Labels
from layerscope.targets.beats import BeatTimes
from layerscope.targets.chords import CHORD_NAMES
from layerscope.targets.over_time import as_objects
from layerscope.targets.spans import Spans


class Clock(Encoder):
    """Says, at its own rate, when in its window a frame stands, and what is heard there."""

    name, sample_rate, layers, dim, window, fingerprint = "clock", 8000, (0, 1), 2, 8.0, "clock"
    minimum_samples = 100

    def __init__(self, rate):
        self.frame_rate = rate

    def encode(self, waveforms):
        frames = int(waveforms.shape[1] / self.sample_rate * self.frame_rate)
        times = (torch.arange(frames) + 0.5) / self.frame_rate
        heard = waveforms[:, (times * self.sample_rate).long()]
        states = torch.stack([times.expand_as(heard), heard], dim=-1)
        return torch.stack([states, 1e6 * states], dim=1)


@pytest.fixture
def songs(tmp_path):
    """A ramp over 20 s, so that a sample says where it is, and a short one."""
    for name, seconds in (("long", 20.0), ("short", 3.0)):
        ramp = np.linspace(0, seconds / 20, int(seconds * 8000), dtype=np.float32)
        soundfile.write(tmp_path / f"{name}.wav", ramp, 8000, subtype="FLOAT")
    rows = [{"path": f"{name}.wav", "beats": [[0.5], []]} for name in ("long", "short")]
    (tmp_path / "songs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return Dataset.load(tmp_path / "songs.jsonl").survey()


@pytest.mark.parametrize("rate", [25.0, 50.0, 75.0, 10.0])
def test_windows_are_stitched_where_they_belong(songs, tmp_path, rate):
    encoder = Clock(rate)
    store = Pass(encoder, 8.0, frames=True).store(tmp_path)
    done = Pass(encoder, 8.0, frames=True).extract(songs.clips, store)
    assert done.windows == 3 + 1  # 20 s in windows of 8 s that overlap by 2 s, a quarter of a window
    long, short = (store.clips([key]).kept_frames(0)[:] for key in songs.clips.clip_key)
    assert (len(long), len(short)) == (500, 75)
    # What is heard in a frame is what stands at its middle, to half a frame of the encoder or of the grid.
    tolerance = max(1 / rate, 1 / FRAME_RATE) / 2 + 1e-3
    np.testing.assert_allclose(20 * long[:, 1], (np.arange(500) + 0.5) / FRAME_RATE, atol=tolerance + 0.02)
    # No frame is read within a second of an inner edge of its window.
    inner = long[50:450, 0]
    assert inner.min() > 0.9
    assert inner.max() < 7.1


def test_large_states_survive_float16(songs, tmp_path):
    encoder = Clock(25.0)
    store = Pass(encoder, 8.0, frames=True).store(tmp_path)
    Pass(encoder, 8.0, frames=True).extract(songs.clips, store)
    small, large = (store.clips(list(songs.clips.clip_key)).kept_frames(layer)[:] for layer in (0, 1))
    np.testing.assert_allclose(large, 1e6 * small, rtol=2e-3)


def test_pooled_states_come_from_the_same_pass(songs, tmp_path):
    encoder = Clock(25.0)
    store = Pass(encoder, 8.0, frames=True).store(tmp_path)
    Pass(encoder, 8.0, frames=True).extract(songs.clips, store)
    pooled = stored_features(store, songs.clips)
    # Windows of pooled states do not overlap: 20 s are 3 of them.
    assert pooled.window_clip.tolist() == [0, 0, 0, 1]
    whole = np.average(20 * pooled.read(0)[:3][:, 1])
    assert whole == pytest.approx(10.0, abs=0.05)


def labels_of_tracks(tracks):
    values = np.empty(len(tracks), dtype=object)
    values[:] = tracks
    return Labels(KINDS["segments"], ("a", "b"), values)


def tracks_of(counts):
    spans = Spans(np.array([[0.0, 4.0], [4.0, 1e6]]), ("a", "b"))
    labels = labels_of_tracks([spans] * len(counts))
    rows = np.arange(len(counts))
    return plan_tracks(labels, counts, [Part(rows[:-2], rows[-2:-1], rows[-1:])])


def test_training_frames_are_bounded_and_even():
    tracks = tracks_of([30_000, 90_000, 300, 300])
    train = tracks.parts[0].train
    assert len(train) <= MOST_TRAINING_FRAMES
    shares = np.bincount(tracks.clip[train], minlength=4) / len(train)
    np.testing.assert_allclose(shares[:2], [0.25, 0.75], atol=0.01)
    # Validation and test keep every frame: 300 at 25 Hz are 100 at a third of it.
    assert (len(tracks.parts[0].valid), len(tracks.parts[0].test)) == (100, 100)


def test_frames_between_spans_are_neither_trained_nor_scored():
    spans = Spans(np.array([[0.0, 1.0], [3.0, 4.0]]), ("a", "b"))
    labels = labels_of_tracks([spans] * 3)
    tracks = plan_tracks(labels, [100] * 3, [Part(*(np.array([row]) for row in range(3)))])
    times = (tracks.frame + 0.5) / tracks.rate
    assert ((times < 1) | (times >= 3)).all()


def perfect(labels, seconds=20.0):
    """Return the scores of tracks whose estimates are the annotation that is heard, of 20 s of a song of a minute."""
    kind, kept = labels.kind, [int(seconds * 25)] * 3
    tracks = plan_tracks(labels, kept, [Part(*(np.array([row]) for row in range(3)))])
    whole = labels.values[2]
    if isinstance(whole, BeatTimes):
        answer = BeatTimes(whole.beats[whole.beats < seconds], whole.downbeats[whole.downbeats < seconds])
    else:
        kept_spans = whole.intervals[:, 0] < seconds
        answer = Spans(whole.intervals[kept_spans].clip(max=seconds), whole.labels[: kept_spans.sum()])
    scores = np.zeros((len(tracks.clip), len(labels.names)))
    return dict(zip(labels.metrics(), kind.score_track(tracks.labels.values[2], answer, np.zeros(0), scores[:0]),
                    strict=True))  # fmt: skip


def whole_songs(kind, names, track):
    values = np.empty(3, dtype=object)
    values[:] = [track] * 3
    return Labels(KINDS[kind], names, values)


def test_what_goes_on_after_the_clip_is_not_missed():
    beats = np.arange(0.25, 60.0, 0.5)
    scored = perfect(whole_songs("beats", ("beat", "downbeat"), BeatTimes(beats, beats[::4])))
    assert {name: value for name, (value, _) in scored.items()} == dict.fromkeys(scored, 1.0)
    edges = np.arange(0.0, 61.0, 6.0)
    spans = np.stack([edges[:-1], edges[1:]], axis=1)
    sections = perfect(whole_songs("segments", ("a", "b"), Spans(spans, tuple("ab" * 5))))
    assert sections["boundary_f_0.5s"] == sections["boundary_f_3s"] == (1.0, 1.0)
    chords = perfect(whole_songs("chords", CHORD_NAMES, Spans(spans, ("C:maj", "A:min") * 5)))
    assert chords["majmin"] == chords["root"] == (1.0, pytest.approx(20.0))


def test_a_clip_that_ends_before_its_annotation_begins_has_no_weight():
    spans = Spans(np.array([[30.0, 40.0], [40.0, 50.0]]), ("C:maj", "A:min"))
    heard = KINDS["chords"].heard(spans, 20.0)
    assert heard.labels == ()
    assert all(metric.measure(heard, spans) == (0.0, 0.0) for metric in KINDS["chords"].metrics[1:])


def test_context_is_means_of_neighbours():
    frames = np.arange(40, dtype=np.float32)[:, None]
    around = context(frames, 12.0)
    assert around.shape == (40, 7)
    # Reach 6, near 3: the frame, before, after, -3…-2, 2…3, -6…-4, 4…6.
    np.testing.assert_allclose(around[20], [20, 19, 21, 17.5, 22.5, 15, 25])
    np.testing.assert_allclose(around[0, :2], [0, 0])


def test_averaging_keeps_at_least_one_frame():
    np.testing.assert_allclose(averaged(np.arange(7.0)[:, None], 3)[:, 0], [1, 4])
    assert averaged(np.ones((2, 5)), 3).shape == (1, 5)


def test_frames_that_were_not_asked_about_repeat_the_one_before():
    scores = np.array([[1.0], [2.0]])
    assert fill(scores, np.array([1, 3]), 5)[:, 0].tolist() == [1, 1, 1, 2, 2]


def test_a_metronome_is_found_by_a_probe_on_mel(tmp_path):
    """The whole way: clicks, the mel feature, a closed-form probe, the bar-pointer model, mir_eval."""
    from layerscope import probe

    random = np.random.default_rng(0)
    rows = []
    for number in range(12):
        tempo, sound = random.uniform(80, 150), 0.01 * random.normal(size=10 * 24_000)
        beats = np.arange(random.uniform(0.1, 0.5), 9.9, 60 / tempo)
        for place, time in enumerate(beats):
            first = int(time * 24_000)
            click = np.sin(np.arange(1200) * (0.6 if place % 4 == 0 else 0.25)) * np.exp(-np.arange(1200) / 200)
            sound[first : first + 1200] += click[: len(sound) - first]
        soundfile.write(tmp_path / f"{number}.wav", 0.5 * sound, 24_000)
        split = "train" if number < 6 else "valid" if number < 8 else "test"
        rows.append(
            {"path": f"{number}.wav", "split": split, "rhythm": {"beat": list(beats), "downbeat": list(beats[::4])}}
        )
    (tmp_path / "clicks.jsonl").write_text("\n".join(map(json.dumps, rows)))
    dataset = Dataset.load(tmp_path / "clicks.jsonl")
    results = probe(load_encoder("mel"), dataset, target="rhythm", probes=["closed"])
    best = results.of(metric="beat_f", input="context").iloc[0]
    down = results.of(metric="downbeat_f", input="context").iloc[0]
    assert best.value > 0.95
    assert down.value > 0.9
    assert results.facts["tasks"]["clicks"]["chance"] < 0.8
    assert isinstance(dataset.labels("rhythm").values[0], BeatTimes)


def test_frames_of_a_feature_have_their_context(songs, tmp_path):
    encoder = load_encoder("mel")
    store = Pass(encoder, 30.0, frames=True).store(tmp_path)
    Pass(encoder, 30.0, frames=True).extract(songs.clips, store)
    labels = songs.labels("beats")
    tracks = plan_tracks(labels, [store.entry(key).frames for key in songs.clips.clip_key], [
        Part(np.array([0]), np.array([1]), np.array([1]))
    ])  # fmt: skip
    features = frame_features(store, songs.clips, tracks)
    assert features.read(0).shape == (575, 7 * 128)
    assert features.pooling == "context"


@pytest.mark.parametrize("rate", [25.0, 50.0])
@pytest.mark.parametrize("kind", ["beats", "chords"])
def test_some_frames_are_those_of_the_whole(songs, tmp_path, rate, kind):
    store = Pass(Clock(rate), 8.0, frames=True).store(tmp_path)
    clips = songs.clips
    Pass(Clock(rate), 8.0, frames=True).extract(clips, store)
    tracks = {"beats": BeatTimes(np.array([0.5]), np.array([])), "chords": Spans(np.array([[0.0, 20.0]]), ("N",))}
    values = np.empty(2, dtype=object)
    values[:] = [tracks[kind]] * 2
    labels = Labels(KINDS[kind], ("beat", "downbeat") if kind == "beats" else CHORD_NAMES, values)
    rows = np.array([0, 1])
    planned = plan_tracks(labels, [store.entry(key).frames for key in clips.clip_key], [Part(rows, rows, rows)])
    states = frame_features(store, clips, planned).read(1)
    divisor = KINDS[kind].divisor
    whole = np.concatenate([averaged(store.clips([key]).kept_frames(1)[:], divisor) for key in clips.clip_key])
    np.testing.assert_array_equal(states[:], whole[: len(planned.clip)])
    some = np.random.default_rng(0).permutation(len(planned.clip))[:40]
    np.testing.assert_array_equal(states[some], whole[some])


def test_tracks_count_by_their_labelled_frames_or_by_what_they_have():
    spans = [Spans(np.array([[0.0, seconds]]), ("C:maj",)) for seconds in (2.0, 8.0)]
    chords = Labels(KINDS["chords"], CHORD_NAMES, as_objects(spans))
    rows = np.arange(2)
    parts = [Part(rows, rows, rows)]
    assert counted_tracks(plan_tracks(chords, [250, 250], parts), rows).tolist() == [25, 100]
    times = [BeatTimes(np.array([0.5, 1.0]), down) for down in (np.array([0.5]), np.array([]))]
    beats = Labels(KINDS["beats"], ("beat", "downbeat"), as_objects(times))
    assert counted_tracks(plan_tracks(beats, [50, 500], parts), rows).tolist() == [1, 1]
    assert counted_tracks(plan_tracks(beats.by("downbeat_f"), [50, 500], parts), rows).tolist() == [1, 0]
