"""Memory does not grow with the number of clips."""

import subprocess
import sys

import pytest

from conftest import write_tone

SCRIPT = """
import resource, sys
from layerscope.data.dataset import Dataset
from layerscope.encoders import load_encoder
from layerscope.features.encoder_pass import Pass
from layerscope.atomic_files import cache_directory
encoder = load_encoder("random:small")
clips = Dataset.load(sys.argv[1]).survey().clips
Pass(encoder, 30.0).extract(clips, Pass(encoder, 30.0).store(cache_directory()))
print(len(clips), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(folder):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True, check=True, timeout=300
    )
    return list(map(int, done.stdout.split()))


@pytest.mark.slow
def test_four_times_the_clips_take_the_same_memory(tmp_path):
    for number in range(160):
        write_tone(tmp_path / "many" / "a" / f"{number}.wav", 200 + number, seconds=15, seed=number)
        if number < 40:
            write_tone(tmp_path / "few" / "a" / f"{number}.wav", 1000 + number, seconds=15, seed=number)
    few, many = peak(tmp_path / "few"), peak(tmp_path / "many")
    assert (few[0], many[0]) == (40, 160)
    # Both fill a shard and the one ahead of it; what differs is how the allocator happens to behave.
    assert many[1] < 1.1 * few[1]
