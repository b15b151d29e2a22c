import time
from types import SimpleNamespace

import pytest
import torch

from layerscope.data.dataset import Dataset
from layerscope.encoders import Encoder, load_encoder
from layerscope.features.encoder_pass import Pass
from layerscope.study.encoding_cost import few_clips_speed, network_speed, seconds_of


class Eager:
    """A network that runs its front end when it is asked for states, and not when for the first of them."""

    def states(self, sound, last):
        time.sleep(0.05)
        return self.blocks(sound, last)

    def blocks(self, sound, last):
        yield sound
        for _ in range(last):
            time.sleep(0.02)
            yield sound


class Lazy(Eager):
    """One that does so when it is asked for the first state."""

    def states(self, sound, last):
        time.sleep(0.05)
        yield from self.blocks(sound, last)


@pytest.mark.parametrize("network", [Eager(), Lazy()])
def test_the_front_end_is_timed_wherever_a_network_runs_it(network):
    sketch = SimpleNamespace(
        device="cpu", minimum_samples=1, sample_rate=1000, precision="float32", layers=tuple(range(13)),
        first_block=lambda _: network,
    )  # fmt: skip
    # Sleeps last as long as they say at least, and on a busy machine somewhat longer.
    assert 0.05 + 12 * 0.02 <= network_speed(None, sketch, window=1.0) < 2 * (0.05 + 12 * 0.02)


class ByTheCall(Encoder):
    """An encoder that takes as long for many windows as for one."""

    name, sample_rate, frame_rate, layers, dim, fingerprint = "by the call", 24_000, 25.0, (0,), 2, "by the call"

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        time.sleep(0.3)
        return torch.randn(len(waveforms), 1, 10, 2)


def test_short_clips_are_timed_a_batch_at_a_time(tones):
    clips = Dataset.load(tones).survey().clips
    # Thirty clips of 0.4 s make one batch, and one call; by four of them a pass would be said to make seven.
    assert few_clips_speed(Pass(ByTheCall(), 30.0), clips) * clips.clip_seconds.sum() < 3 * 0.3


class FreeCores(Pass):
    """As where a GPU encodes."""

    on_gpu = True


def test_the_start_of_processes_that_decode_is_not_taken_for_the_speed_of_a_pass(tones):
    clips = Dataset.load(tones).survey().clips
    encoder = load_encoder("mel")

    def start():
        with FreeCores(encoder, 30.0).decoders() as executor:
            executor.submit(len, "begun").result()

    began, speed = seconds_of(start), few_clips_speed(FreeCores(encoder, 30.0), clips)
    # A study of 55,000 clips would take as long as so many starts.
    assert speed * clips.clip_seconds.sum() < began
