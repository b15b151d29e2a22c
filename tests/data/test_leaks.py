import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.data.leaks import clips_beside_tested, disputed_sounds, find_leaks, group_codes, remark_on_groups


def table(count, **columns):
    return pd.DataFrame({"clip": [f"c{row}" for row in range(count)], **columns})


def test_clips_are_joined_by_group_file_and_sound():
    clips = table(
        6,
        group=["x", "x", None, None, None, None],
        clip_key=["f1@0-1", "f2@0-1", "f2@1-2", "f3@0-1", "f4@0-1", "f5@0-1"],
        clip_sound=["s1", "s2", "s3", "s4", "s4", "s5"],
    )
    codes = group_codes(clips)
    # 0 and 1 by group, 1 and 2 by file, 3 and 4 by sound; 5 alone.
    assert codes[0] == codes[1] == codes[2]
    assert codes[3] == codes[4]
    assert len(set(codes)) == 3


def test_leaks_by_group_file_and_sound_are_found_and_said():
    clips = table(
        6,
        split=["train", "test", "train", "valid", "train", "test"],
        group=["a", "a", "b", "c", "d", "e"],
        clip_key=["1@0-1", "2@0-1", "3@0-1", "3@1-2", "4@0-1", "5@0-1"],
        clip_sound=["p", "q", "r", "s", "t", "t"],
    )
    assert [str(leak) for leak in find_leaks(clips)] == [
        "group 'a' is in train and test",
        "the same audio (c2, c3) is in train and valid",
        "the same audio (c4, c5) is in train and test",
    ]


def test_the_same_sound_with_different_labels_is_named():
    clips = table(6, clip_key=["1@0-1", "2@0-1", "3@0-1", "3@0-1", "3@0-1", "3@1-2"])
    assert disputed_sounds(clips, np.array([0, 1, 0, 1, 0, 2])) == ["c2 and c3"]
    assert disputed_sounds(clips, np.array([0, 1, 0, 0, 0, 2])) == []
    # Decoding shows copies that bytes do not.
    decoded = clips.assign(clip_sound=["p", "p", "q", "r", "s", "t"])
    assert disputed_sounds(decoded, np.array([[0.0, 1.0], [0.0, 2.0]] + [[0.0, 1.0]] * 4)) == ["c0 and c1"]
    long = np.arange(3000.0)
    assert disputed_sounds(clips, [long, 0, 0, 0, 0, 0]) == []
    assert disputed_sounds(decoded, [long, np.where(long == 1500, 0, long), 0, 0, 0, 0]) == ["c0 and c1"]
    assert disputed_sounds(table(2), [0, 1]) == []


def test_leaks_are_looked_for_in_the_splits_that_are_used():
    clips = table(4, split=["train", "train", "valid", "test"], fold=["0", "1", "2", "3"], group=["a", "a", "b", "c"])
    assert find_leaks(clips) == []
    clips["split"] = ["train", "valid", "valid", "test"]
    assert [str(leak) for leak in find_leaks(clips)] == ["group 'a' is in train and valid"]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40)), min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_joined_clips_are_components_numbered_by_their_first_row(pairs):
    """Held against spreading numbers until nothing changes."""
    expected = list(range(len(pairs)))
    while True:
        spread = [min(expected[b] for b, q in enumerate(pairs) if q[0] == p[0] or q[1] == p[1]) for p in pairs]
        if spread == expected:
            break
        expected = spread
    clips = table(len(pairs), group=[str(p[0]) for p in pairs], clip_sound=[str(p[1]) for p in pairs])
    assert group_codes(clips).tolist() == np.unique(expected, return_inverse=True)[1].tolist()


def test_what_is_joined_to_tested_clips_is_named_and_nothing_then_crosses():
    clips = table(
        7,
        split=["train", "train", "train", "valid", "valid", "test", "test"],
        group=["a", "b", None, "b", "c", "c", None],
        clip_sound=["s1", "s2", "s3", "s4", "s5", "s6", "s3"],
    )
    beside = clips_beside_tested(clips)
    tested = "shares its group, file or sound with a clip that is tested"
    assert beside == {"c1": tested.replace("is tested", "validates"), "c2": tested, "c4": tested}
    assert find_leaks(clips[~clips["clip"].isin(beside)]) == []
    assert clips_beside_tested(clips.drop(columns="split")) == {}


def test_clips_without_a_group_and_groups_that_may_be_none_are_counted():
    clips = pd.DataFrame({"clip": list("abcdef"), "group": ["x", None, np.nan, "Unknown", "Unknown", "y"]})
    assert remark_on_groups(clips) == (
        "2 of 6 clips have no 'group' and each stands alone; "
        "2 of 6 clips are of the group 'Unknown': if it is none, empty its cells"
    )
    assert len(set(group_codes(clips)[:3])) == 3
    assert remark_on_groups(clips[["clip"]]) == ""
    assert remark_on_groups(clips.iloc[[0, 5]]) == ""


def test_groups_in_two_spellings_are_named():
    clips = pd.DataFrame({"clip": list("abcd"), "group": ["The Beatles", "the beatles ", "Queen", None]})
    assert "groups taken as different: 'The Beatles', 'the beatles '" in remark_on_groups(clips)
