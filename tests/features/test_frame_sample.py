import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.features.frame_sample import FRAMES_A_CLIP, SAMPLE_BYTES, sampled_frames, sampled_of_clips

FULL_SIZE = 13 * 1024


def clips(count, seconds=30.0):
    return pd.DataFrame({"clip_key": [f"k{number}" for number in range(count)], "clip_seconds": seconds})


def test_a_sample_stays_within_its_budget_whatever_the_number_of_clips():
    size = 10 * FULL_SIZE  # for which a tenth of the clips have as many frames
    for count in (10, 100, 3000, 10_000):
        sampled = sampled_of_clips(clips(count), size)
        # Rounding by chance: a deviation of half the root of the number of clips.
        frames = SAMPLE_BYTES / (2 * size)
        assert sum(sampled.values()) <= frames + 3 * np.sqrt(count)
        assert sum(sampled.values()) >= min(FRAMES_A_CLIP * count, 0.45 * frames)


@given(st.integers(1, 3000), st.integers(0, 3000))
@settings(deadline=None, max_examples=20)
def test_what_a_larger_study_keeps_of_a_clip_is_the_beginning_of_what_a_smaller_one_keeps(few, more):
    small, large = sampled_of_clips(clips(few), FULL_SIZE), sampled_of_clips(clips(few + more), FULL_SIZE)
    assert all(large[key] <= count for key, count in small.items())


def test_the_frames_of_a_clip_follow_from_its_key():
    first = sampled_frames("a", 750, 100)
    assert sampled_frames("a", 750, 30).tolist() == first[:30].tolist()
    assert len(set(first)) == 100
    assert sampled_frames("b", 750, 100).tolist() != first.tolist()
    # An encoder of another rate may count a frame more: the others keep their order.
    longer = sampled_frames("a", 751, 100)
    assert [frame for frame in longer if frame != 750] == first[: 100 - (750 in longer)].tolist()
    assert len(sampled_frames("a", 7, 100)) == 7
