import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from conftest import write_tone
from layerscope.atomic_files import cache_directory
from layerscope.data.audio import load
from layerscope.data.dataset import Dataset
from layerscope.encoders import Encoder, load_encoder
from layerscope.errors import ModelError, UsageError
from layerscope.features.encoder_pass import Extraction, Pass, plan_shards
from layerscope.features.store import FeatureStore
from layerscope.features.stored_features import stored_features


def run(encoder, folder, window=30.0):
    dataset = Dataset.load(folder).survey()
    one_pass = Pass(encoder, window)
    store = one_pass.store(cache_directory())
    return one_pass.extract(dataset.clips, store), store, dataset


def test_every_clip_is_decoded_and_encoded_once_and_found_again(tones):
    first, _, _ = run(load_encoder("random:small"), tones)
    assert (first.decoded, first.encoded, first.cached, first.windows) == (30, 30, 0, 30)
    second, _, _ = run(load_encoder("random:small"), tones)
    assert (second.decoded, second.encoded, second.cached, second.windows) == (0, 0, 30, 0)


def test_what_sounds_the_same_by_its_bytes_is_encoded_once(tones):
    (tones / "high" / "copy.wav").write_bytes((tones / "high" / "0.wav").read_bytes())
    done, store, dataset = run(load_encoder("mel"), tones)
    assert done.encoded == 30
    assert len(stored_features(store, dataset.clips).read(0)) == 31


def test_stored_states_are_the_means_of_unpadded_windows(tmp_path):
    for number, seconds in enumerate((0.3, 1.0, 2.5)):
        write_tone(tmp_path / "a" / f"{number}.wav", 300 + 100 * number, seconds)
    encoder = load_encoder("random:small")
    done, store, dataset = run(encoder, tmp_path, window=1.0)
    features = stored_features(store, dataset.clips)
    assert features.window_clip.tolist() == [0, 1, 2, 2, 2]
    assert done.windows == 5
    for clip, path in enumerate(dataset.clips.path):
        samples = load(Path(path), 24_000)
        windows = np.stack([samples]) if clip < 2 else samples.reshape(3, -1)
        expected = encoder.encode(torch.from_numpy(windows)).mean(dim=2).numpy()
        for layer in range(5):
            # Batches of other sizes round differently.
            np.testing.assert_allclose(
                features.read(layer)[features.window_clip == clip], expected[:, layer], atol=1e-5
            )


def test_clips_of_different_lengths_do_not_touch_each_other():
    encoder = load_encoder("random:small")
    noise = np.random.default_rng(0)
    windows = [noise.normal(0, 0.1, size).astype(np.float32) for size in (4800, 9600, 4800, 24_000)]
    together = Pass(encoder, 30.0).states_of(dict(zip("abcd", windows, strict=True)))
    for states, window in zip(together, windows, strict=True):
        alone = Pass(encoder, 30.0).states_of({"a": window})[0].pooled
        for pooled, expected in zip(states.pooled, alone, strict=True):
            np.testing.assert_allclose(pooled, expected, atol=1e-5)


def test_files_that_cannot_be_used_are_reported_not_lost(hostile):
    import pandas as pd

    paths = sorted(hostile.glob("*.wav"))
    clips = pd.DataFrame({"clip": [path.name for path in paths], "path": [str(path) for path in paths]})
    dataset = Dataset("hostile", clips.assign(start=0.0, end=np.nan)).survey()
    encoder = load_encoder("random:small")
    one_pass = Pass(encoder, 30.0)
    done = one_pass.extract(dataset.clips, one_pass.store(cache_directory()))
    assert done.encoded + len(done.failed) == dataset.clips.clip_key.nunique()
    assert len(dataset.skipped) + len(dataset.clips) == len(paths)
    assert any("too short: 0.0000 s, random:small needs 0.0427 s" in reason for reason in done.failed.values())


def test_one_file_of_absurd_values_costs_itself_alone(tones):
    soundfile.write(tones / "low" / "0.wav", np.full(24_000, 1e20), 24_000, subtype="FLOAT")
    done, _, dataset = run(load_encoder("random:small"), tones)
    key = dataset.clips.set_index("clip").clip_key["low/0.wav"]
    assert done.failed.keys() == {key}
    assert "low/0.wav: holds values up to 1e+20" in done.failed[key]
    assert done.encoded == 29


class Broken(Encoder):
    name, sample_rate, frame_rate, layers, dim, fingerprint = "broken", 24_000, 1.0, (0, 1), 2, "f"

    def encode(self, waveforms):
        states = torch.ones(len(waveforms), 2, 1, 2)
        states[-1, 1] = float("inf")
        return states


def test_states_that_are_not_finite_name_clip_and_layer(tones):
    with pytest.raises(ModelError, match=r"broken: layer 1 is not finite for clip 'low/9\.wav'"):
        run(Broken(), tones)


def test_shards_do_not_depend_on_what_is_stored(tones, monkeypatch):
    monkeypatch.setattr("layerscope.features.encoder_pass.SHARD_SECONDS", 3.0)
    clips = Dataset.load(tones).survey().clips
    shards = list(plan_shards(clips))
    assert sum(map(len, shards)) == 30
    assert len(shards) == 4
    assert [list(rows["clip"]) for rows in plan_shards(clips)] == [list(rows["clip"]) for rows in shards]


def test_shards_encoded_by_the_same_decoders_in_turns_are_the_same(tones, monkeypatch, tmp_path):
    monkeypatch.setattr("layerscope.features.encoder_pass.SHARD_SECONDS", 2.0)
    _, store, dataset = run(load_encoder("random:small"), tones)
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "other"))
    one_pass = Pass(load_encoder("random:small"), 30.0)
    other, done = one_pass.store(cache_directory()), Extraction()
    missing, shards = one_pass.missing(dataset.clips, other), list(plan_shards(dataset.clips))
    with one_pass.decoders() as executor:
        for first in (0, 2, 4):
            one_pass.encode_shards(shards[first : first + 2], other, missing, done, executor=executor)
        assert executor.submit(len, "it still decodes").result() == 16
    assert (done.decoded, done.encoded, done.cached) == (30, 30, 0)
    files = [{path.name: path.read_bytes() for path in each.directory.glob("*.safetensors")} for each in (store, other)]
    assert len(files[0]) == 6
    assert files[0] == files[1]


def test_what_others_add_is_looked_for_in_a_small_share_of_the_time(tones, monkeypatch):
    monkeypatch.setattr("layerscope.features.encoder_pass.SHARD_SECONDS", 0.1)
    looked = []

    class Slow(FeatureStore):
        def refresh(self):
            time.sleep(0.1)
            looked.append(time.monotonic())
            super().refresh()

    dataset, one_pass = Dataset.load(tones).survey(), Pass(load_encoder("mel"), 30.0)
    usual = one_pass.store(cache_directory())
    store = Slow(usual.directory, usual.description)
    began = time.monotonic()
    one_pass.extract(dataset.clips, store)
    assert len(list(store.directory.glob("*.safetensors"))) == 30
    # Once where the store is opened, once at the first shard, and then after each five seconds.
    assert 2 <= len(looked) <= 3 + (time.monotonic() - began) // 5


def test_an_interrupted_pass_ends_with_the_same_bytes(tones, monkeypatch, tmp_path):
    monkeypatch.setattr("layerscope.features.encoder_pass.SHARD_SECONDS", 2.0)
    _, undisturbed, _ = run(load_encoder("random:small"), tones)
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "other"))
    seen = []

    def interrupt(clips, _):
        seen.append(clips)
        if sum(seen) > 12:
            raise KeyboardInterrupt

    encoder, dataset = load_encoder("random:small"), Dataset.load(tones).survey()
    one_pass = Pass(encoder, 30.0)
    store = one_pass.store(cache_directory())
    with pytest.raises(KeyboardInterrupt):
        one_pass.extract(dataset.clips, store, interrupt)
    assert 0 < len(list(store.directory.glob("*.safetensors"))) < 6
    resumed, store, _ = run(load_encoder("random:small"), tones)
    assert resumed.cached > 0
    for shard in undisturbed.directory.glob("*.safetensors"):
        assert (store.directory / shard.name).read_bytes() == shard.read_bytes()


def test_progress_adds_up(tones):
    told = []
    encoder, dataset = load_encoder("mel"), Dataset.load(tones).survey()
    one_pass = Pass(encoder, 30.0)
    store = one_pass.store(cache_directory())
    for _ in range(2):  # once by encoding, once by finding
        told.clear()
        one_pass.extract(dataset.clips, store, lambda clips, seconds: told.append((clips, seconds)))
        assert sum(clips for clips, _ in told) == 30
        assert sum(seconds for _, seconds in told) == pytest.approx(12.0)


def test_disk_is_what_is_said(tones):
    encoder = load_encoder("random:small")
    _, store, dataset = run(encoder, tones)
    size = sum(shard.stat().st_size for shard in store.directory.glob("*.safetensors"))
    estimated = Pass(encoder, 30.0).stored_bytes(dataset.clips)
    assert estimated == 30 * sum(encoder.widths) * (4 + 10 * 2)  # a window in float32, ten frames in float16
    # The rest is the header: a key and a digest for each clip, and one for each array.
    assert estimated < size < estimated + 30 * 500 + 4000


def test_spans_of_one_file_are_clips_of_their_own(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 48_000), 24_000)
    (tmp_path / "c.csv").write_text("path,start,end,label\na.wav,0,1,x\na.wav,1,2,y\n")
    done, store, dataset = run(load_encoder("mel"), tmp_path / "c.csv")
    assert done.encoded == 2
    first, second = stored_features(store, dataset.clips).read(0)
    assert not np.allclose(first, second)


class OwnOnce(Encoder):
    """Somebody's own: it keeps the contract but for the clips after the first twenty."""

    name, sample_rate, frame_rate, layers, dim, fingerprint = "own", 24_000, 25.0, (0, 1), 2, "own-1"
    good, heard = 20, 0

    def fault(self, states):
        return states

    def encode(self, waveforms):
        states = waveforms[:, : waveforms.shape[1] // 960 * 960].unflatten(1, (-1, 960)).square().mean(-1)
        states = torch.stack([states, -states], dim=1)[..., None].repeat(1, 1, 1, 2)
        self.heard += len(waveforms)
        return states if self.heard <= self.good else self.fault(states)


def raise_it(_):
    raise ValueError("nothing\nlearnt")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (raise_it, r"own, given 'low.* more: its code raised ValueError: nothing learnt \(.*encoder_pass.py, line \d+"),
        (lambda _: sys.exit(3), r"its code raised SystemExit: 3 \("),
        (lambda states: states[0], r"given 'low.*encode returned shape \(2, 10, 2\); expected"),
        (lambda states: states[:1], r"expected \(batch, layer, frame, dim\) = \(5, 2, 'frame', 2\)"),
        (lambda states: states.double(), "encode returned torch.float64"),
        (lambda states: states[:, :, :4], r"0.4 s gave 4 frames; frame_rate 25 says 10"),
        (lambda states: [states[:, 0, :0], states[:, 1]], "9600 samples gave no frame"),
        (lambda _: None, "encode returned nothing"),
        (lambda states: states * torch.nan, r"layer 0 is not finite for clip 'low"),
    ],
)
def test_an_encoder_of_ones_own_that_fails_in_mid_run_keeps_what_it_had_encoded(fault, words, tones, monkeypatch):
    # Two shards, the first of which is whole.
    monkeypatch.setattr("layerscope.features.encoder_pass.SHARD_CLIPS", 15)
    monkeypatch.setattr("layerscope.features.batches.BATCH_SECONDS", 2.0)
    encoder = type("Own", (OwnOnce,), {"fault": staticmethod(fault)})()
    with pytest.raises(ModelError, match=words):
        run(encoder, tones)
    encoder.good = 1000
    done, _, _ = run(encoder, tones)
    assert (done.cached, done.encoded) == (15, 15)


@pytest.mark.parametrize("seconds", [1e-9, 5e-4])
def test_a_window_that_is_shorter_than_the_encoder_needs_is_refused(seconds):
    with pytest.raises(UsageError, match=r"is shorter than the 0.0427 s that random:small needs; give a longer one"):
        Pass(load_encoder("random:small"), seconds)
