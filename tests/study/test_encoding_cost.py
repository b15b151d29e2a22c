import time
from types import SimpleNamespace

import pytest

from layerscope.study.encoding_cost import network_speed


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
