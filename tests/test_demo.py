import numpy as np
import pandas as pd
import soundfile

from layerscope.dataset import Dataset
from layerscope.demo import PITCHES, TIMBRES, make_tones


def test_tones_are_the_same_to_the_byte(tmp_path):
    for name in "ab":
        make_tones(tmp_path / name)
    first = sorted((tmp_path / "a").iterdir())
    assert len(first) == len(TIMBRES) * len(PITCHES) + 1
    assert all(path.read_bytes() == (tmp_path / "b" / path.name).read_bytes() for path in first)
    assert make_tones(tmp_path / "c", seed=1).with_name("organ-60.wav").read_bytes() != (
        (tmp_path / "a" / "organ-60.wav").read_bytes()
    )


def test_tones_are_sound_and_have_a_table(tmp_path):
    table = make_tones(tmp_path)
    assert pd.read_csv(table).label.value_counts().to_dict() == dict.fromkeys(TIMBRES, len(PITCHES))
    dataset = Dataset.load(table)
    assert dataset.clips.group.nunique() == len(PITCHES)
    peaks = [np.abs(soundfile.read(path)[0]).max() for path in dataset.clips.path]
    assert min(peaks) > 0.05
    assert max(peaks) < 0.85
