from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from layerscope.atomic_files import cache_directory, read_tensors
from layerscope.data.audio import load
from layerscope.data.dataset import Dataset
from layerscope.encoders import Encoder
from layerscope.encoders.conformer import ConformerModel
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.model_names import UNTRAINED_SIZES
from layerscope.features.clip_states import Assembly, layers_together, sample_together, take_together
from layerscope.features.encoder_pass import Pass
from layerscope.features.frame_sample import sampled_frames
from layerscope.features.windows import Cutting, frame_count

RATE = 24_000
NONE = np.zeros(0, np.int64)


class Bands(Encoder):
    """Its frames are samples, so that no batch rounds them otherwise; layers of two widths and an offset."""

    name, sample_rate, frame_rate, layers, widths, fingerprint = "bands", RATE, 25.0, (0, 2), (5, 3), "bands-1"
    minimum_samples = 960

    def encode(self, waveforms):
        frames = waveforms[:, : waveforms.shape[1] // 960 * 960].unflatten(1, (-1, 960))
        return [3 * frames[..., :5], frames[..., 100:103] - 7]


class Wider(Bands):
    """A third layer, as wide as the first."""

    layers, widths = (0, 2, 3), (5, 3, 5)

    def encode(self, waveforms):
        first, second = super().encode(waveforms)
        return [first, second, first.square() - 1]


@pytest.fixture
def noises(tmp_path):
    for number, seconds in enumerate((0.4, 1.0, 1.0, 2.52, 7.3)):
        place = tmp_path / "noises" / "ab"[number % 2] / f"{number}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place, np.random.default_rng(number).normal(0, 0.1, round(seconds * RATE)), RATE)
    return tmp_path / "noises"


def test_a_store_holds_window_by_window_what_each_window_leaves(noises):
    """The bytes, against the same sums written out one window and one layer at a time."""
    clips = Dataset.load(noises).survey().clips
    encoder, one_pass = Bands(), Pass(Bands(), 1.0)
    store = one_pass.store(cache_directory())
    one_pass.extract(clips, store)
    (path,) = store.directory.glob("*.safetensors")
    names = [f"{what}.{layer}" for what in ("pooled", "sample") for layer in encoder.layers]
    arrays = read_tensors(path, [*names, "sample_scale", "sample_frame", "steps"])
    window = row = 0
    for number, (file, key) in enumerate(zip(clips.path, clips.clip_key, strict=True)):
        cut, spans = one_pass.cutting.cut(load(Path(file), RATE), RATE)
        rows = sampled_frames(key, frame_count(spans[-1][1]), 100)
        starts = np.array([first for first, _ in spans])
        for position, layer in enumerate(encoder.layers):
            states = [encoder.encode(torch.from_numpy(samples[None]))[position][0] for samples in cut]
            means = torch.stack([frames.mean(dim=0) for frames in states])
            assert np.array_equal(arrays[f"pooled.{layer}"][window : window + len(cut)], means)
            middles = (rows + 0.5) / 25
            owner = np.searchsorted(starts, middles, side="right") - 1
            place = ((middles - starts[owner]) * 25).astype(int)
            sample = torch.stack([states[a][min(b, len(states[a]) - 1)] for a, b in zip(owner, place, strict=True)])
            sample = sample - means[0]
            scale = sample.abs().max()
            assert arrays["sample_scale"][number, position] == scale
            assert np.array_equal(arrays[f"sample.{layer}"][row : row + len(rows)], (sample / scale).half())
            steps = np.concatenate([np.diff(frames.double().numpy(), axis=0) for frames in states])
            assert arrays["steps"][number, position] == pytest.approx(np.square(steps).sum(axis=1).mean(), rel=1e-6)
        assert np.array_equal(arrays["sample_frame"][row : row + len(rows)], rows)
        window, row = window + len(cut), row + len(rows)


def test_tracks_are_stitched_in_the_middle_of_overlaps():
    samples = np.random.default_rng(0).normal(0, 0.1, 10 * RATE).astype(np.float32)
    stitched = Pass(Bands(), 3.0, frames=True).states_of({"a": samples})[0]
    whole = Bands().encode(torch.from_numpy(samples[None]))
    for (halves, scale), states, pooled in zip(stitched.frames, whole, stitched.pooled, strict=True):
        assert scale == states[0].abs().max()
        assert torch.equal(halves, (states[0] / scale).half())
        assert len(pooled) == 4
        np.testing.assert_allclose(pooled.mean(dim=0), states[0].mean(dim=0), atol=0.02)


class NoForcedSteps(TorchDispatchMode):
    """Raises for what waits for a device, and for what MPS lacks."""

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        if function in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            raise AssertionError(f"{function} makes the CPU wait for every window")
        result = function(*arguments, **(named or {}))
        if isinstance(result, torch.Tensor) and result.dtype == torch.float64:
            raise AssertionError(f"{function} gives float64, which MPS lacks")
        return result


@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_all_is_done_on_the_device_and_nothing_waits(device, overlapping):
    encoder, cutting = Bands(), Cutting(1.0, overlapping=overlapping)
    samples = np.random.default_rng(0).normal(0, 0.1, 5 * RATE).astype(np.float32)
    cut, spans = cutting.cut(samples, RATE)
    clip = Assembly(encoder, cutting, "mean", spans, "a", sampled_frames("a", 125, 40))
    layers = [layer.to(device) for layer in encoder.encode(torch.from_numpy(cut))]
    with NoForcedSteps():
        take_together([(clip, number) for number in range(len(cut))], layers)
        states = clip.states
        sample = sample_together([clip], states.pooled, layers_together(encoder))
    tensors = [*states.pooled, *states.distances, *(part for halves in (*states.frames, *sample) for part in halves)]
    assert {tensor.device.type for tensor in tensors} == {device}
    assert [halves.shape for halves, _ in sample] == [(40, 5), (40, 3)]
    assert len(states.distances[0]) == (124 if overlapping else 5 * 24)
    assert clip.tracks == []  # what is not kept is let go


def test_layers_of_a_gpu_are_sampled_at_once_by_width_and_come_to_the_same():
    encoder, cutting = Wider(), Cutting(1.0)
    clips = []
    for number, (seconds, count) in enumerate(((3.2, 7), (0.4, 0), (1.0, 25))):
        samples = np.random.default_rng(number).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
        cut, spans = cutting.cut(samples, RATE)
        rows = sampled_frames(str(number), frame_count(seconds), count)
        clips.append(Assembly(encoder, cutting, "spread", spans, str(number), rows))
        take_together([(clips[-1], row) for row in range(len(cut))], encoder.encode(torch.from_numpy(cut)))
    pooled = [torch.cat(layer) for layer in zip(*(clip.states.pooled for clip in clips), strict=True)]
    assert layers_together(encoder) == [[0], [1], [2]]
    encoder.device = "cuda:0"
    assert layers_together(encoder) == [[0, 2], [1]]
    alone = sample_together(clips, pooled, [[0], [1], [2]])
    for one, other in zip(alone, sample_together(clips, pooled, layers_together(encoder)), strict=True):
        assert one[0].shape == (32, one[0].shape[1])
        assert one[1].shape == (3,)
        assert all(map(torch.equal, one, other))


def test_a_network_on_another_device_leaves_its_summaries_there():
    encoder = LayeredEncoder(ConformerModel(UNTRAINED_SIZES["small"]), "small", device="meta")
    one_pass = Pass(encoder, 1.0)
    cut, spans = one_pass.cutting.cut(np.zeros(3 * RATE, np.float32), RATE)
    clip = Assembly(encoder, one_pass.cutting, "mean", spans, "a", NONE)
    one_pass.encode([clip], [list(cut)], lambda _: None)
    assert [(layer.device.type, layer.shape) for layer in clip.states.pooled] == [("meta", (3, 64))] * 5
