import numpy as np
import pytest
import torch

from layerscope.atomic_files import cache_directory
from layerscope.data.dataset import Dataset
from layerscope.encoders import Encoder, load_encoder
from layerscope.errors import ModelError, ResourceError
from layerscope.features.batches import BatchSize
from layerscope.features.encoder_pass import Pass


class Small(Encoder):
    """An encoder whose memory holds so many samples, and no more."""

    name, sample_rate, frame_rate, layers, dim, fingerprint = "small", 24_000, 25.0, (0, 1), 3, "small-1"
    minimum_samples = 960

    def __init__(self, holds, error):
        self.holds, self.error, self.sizes = holds, error, []

    def encode(self, waveforms):
        self.sizes.append(len(waveforms))
        if waveforms.numel() > self.holds:
            raise self.error
        frames = waveforms[:, : waveforms.shape[1] // 960 * 960].unflatten(1, (-1, 960))
        return torch.stack([frames[..., :3], frames[..., 3:6] - 7], dim=1)


FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    MemoryError(),
]


@pytest.mark.parametrize("error", FULL)
def test_a_batch_that_memory_does_not_hold_is_halved_and_that_is_remembered(error):
    noise = np.random.default_rng(0)
    clips = {str(number): noise.normal(0, 0.1, 9600).astype(np.float32) for number in range(20)}
    encoder = Small(6 * 9600, error)
    one_pass = Pass(encoder, 30.0)
    states = one_pass.states_of(clips)
    # 20, 10, then as many as it holds.
    assert encoder.sizes == [20, 10, 5, 5, 5, 5]
    one_pass.states_of(clips)
    assert encoder.sizes[6:] == [5, 5, 5, 5]
    whole = Pass(Small(10**9, error), 30.0).states_of(clips)
    for part, expected in zip(states, whole, strict=True):
        assert all(map(torch.equal, part.pooled, expected.pooled))


def test_it_is_remembered_from_shard_to_shard_and_for_windows_of_other_lengths(tones, monkeypatch):
    monkeypatch.setattr("layerscope.features.encoder_pass.SHARD_CLIPS", 15)
    encoder, clips = Small(4 * 9600, FULL[0]), Dataset.load(tones).survey().clips
    one_pass = Pass(encoder, 30.0)
    done = one_pass.extract(clips, one_pass.store(cache_directory()))
    assert (done.encoded, done.failed) == (30, {})
    assert encoder.sizes == [15, 7, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    assert one_pass.batch_size.windows(4800) == 6


def test_windows_of_a_clip_in_batches_that_failed_are_its_windows_all_the_same():
    samples = np.random.default_rng(0).normal(0, 0.1, 10 * 24_000).astype(np.float32)
    for frames in (False, True):
        parts = Pass(Small(3 * 24_000, FULL[0]), 1.0, frames=frames).states_of({"a": samples})[0]
        whole = Pass(Small(10**9, FULL[0]), 1.0, frames=frames).states_of({"a": samples})[0]
        assert all(map(torch.equal, parts.pooled, whole.pooled))
        assert [len(track) for track, _ in parts.frames] == [250, 250] * frames


def test_a_window_that_memory_does_not_hold_is_refused_with_the_way_out():
    clips = {name: np.zeros(9600, np.float32) for name in "ab"}
    words = r"small: out of memory at 'a'.*; choose a shorter --window, another --device, or free memory"
    with pytest.raises(ResourceError, match=words):
        Pass(Small(100, FULL[0]), 30.0).states_of(clips)


def test_other_errors_are_not_taken_for_full_memory():
    encoder = Small(100, RuntimeError("shapes do not match"))
    with pytest.raises(ModelError, match="its code raised RuntimeError: shapes do not match"):
        Pass(encoder, 30.0).states_of({name: np.zeros(9600, np.float32) for name in "ab"})
    assert encoder.sizes == [2]


def test_how_much_is_encoded_at_once_can_be_said():
    assert BatchSize(load_encoder("random:small", device="cpu")).windows(24_000) == 30
    assert BatchSize(load_encoder("random:small", batch_seconds=2.5)).windows(24_000) == 2
    assert BatchSize(load_encoder("mel")).windows(24_000) == 120
    gpu = Small(1, None)
    gpu.device = "cuda:0"
    assert BatchSize(gpu).windows(24_000) == 300
    # One at least, however long it is.
    assert BatchSize(gpu).windows(10**9) == 1


def test_states_depend_on_the_batch_by_rounding_alone():
    noise = np.random.default_rng(0)
    clips = {str(number): noise.normal(0, 0.1, 12_000).astype(np.float32) for number in range(7)}
    states = [
        Pass(load_encoder("random:small", batch_seconds=seconds), 30.0).states_of(clips) for seconds in (0.1, 2.0, 60.0)
    ]
    for several in zip(*states, strict=True):
        for layers in zip(*(clip.pooled for clip in several), strict=True):
            for layer in layers[1:]:
                np.testing.assert_allclose(layer, layers[0], atol=1e-5)
