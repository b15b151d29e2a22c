import numpy as np
import pandas as pd
import pytest
import soundfile
from test_acoustic_fingerprint import melody

from layerscope.data.acoustic_fingerprint import RATE
from layerscope.data.dataset import Dataset
from layerscope.data.leaks import clips_beside_tested, find_leaks, group_codes
from layerscope.data.near_duplicates import join_near_duplicates


@pytest.fixture
def table(tmp_path):
    """Five clips, of which the second is the first at another level and the third a part of it; one is too short."""
    sounds = [melody(0), melody(0) / 3, melody(0)[RATE : 5 * RATE], melody(1), melody(2, 1.0)]
    for number, samples in enumerate(sounds):
        soundfile.write(tmp_path / f"{number}.wav", samples, RATE)
    return tmp_path


def surveyed(place, **columns):
    names = [f"{number}.wav" for number in range(5)]
    pd.DataFrame({"path": names, "label": list("ababa"), **columns}).to_csv(place / "clips.csv", index=False)
    return Dataset.load(place / "clips.csv").survey().clips


def test_near_duplicates_stay_together_in_a_split_that_is_made(table):
    heard = []
    clips, said = join_near_duplicates(surveyed(table), lambda count, seconds: heard.append((count, seconds)))
    codes = group_codes(clips)
    assert codes[0] == codes[1] == codes[2]
    assert len(set(codes)) == 3
    assert len(heard) == 5
    assert sum("stay together" in line for line in said) == 3
    assert said[-1] == "clips too short or too quiet to be compared by their sound: 1"


def test_pairs_on_both_sides_of_a_given_split_are_named_first_and_refuse_nothing(table):
    clips, said = join_near_duplicates(
        surveyed(table, split=["train", "train", "test", "valid", "test"]), lambda *_: None
    )
    assert said[0].startswith("0.wav and 2.wav share a recording (")
    assert "1.0 s apart), in train and test" in said[0]
    assert "both in train" in said[2]
    assert find_leaks(clips) == []
    assert set(clips_beside_tested(clips)) == {"0.wav", "1.wav"}


def test_a_clip_that_cannot_be_decoded_is_left_to_the_pass(table):
    clips = surveyed(table)
    (table / "0.wav").write_bytes(b"RIFF")
    joined, said = join_near_duplicates(clips, lambda *_: None)
    assert joined.clip_alike.isna().tolist() == [True, False, False, True, True]
    assert said[-1].endswith("their sound: 2")
    assert np.isclose(clips.clip_seconds.sum(), joined.clip_seconds.sum())
