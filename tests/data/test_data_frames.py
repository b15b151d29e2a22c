import numpy as np
import pandas as pd
import pytest

from conftest import write_tone
from layerscope.data.dataset import Dataset
from layerscope.errors import DataError


def test_a_frame_is_read_as_a_table_is(tmp_path):
    for name in "abc":
        write_tone(tmp_path / f"{name}.wav", 300)
    frame = pd.DataFrame(
        {
            "path": pd.array(["a.wav", "b.wav", "c.wav"], dtype="string"),
            "genre": pd.Categorical(["x", None, "y"]),
            "year": pd.array([1999, None, 2001], dtype="Int64"),
            "level": [1.0, None, 2.0],
            "step": pd.array([1.0, None, 2.0], dtype="Float64"),
            "tags": [np.array(["u", "v"]), [], ["u"]],
            3: [True, False, True],
        },
        index=[5, 5, "z"],
    )
    dataset = Dataset.from_dataframe(frame, root=tmp_path, name="mine")
    assert dataset.clips.genre.tolist() == ["x", None, "y"]
    assert dataset.with_target("year").labels("year").names == ("1999", "2001")
    assert dataset.with_target("level").labels("level").names == ("1", "2")
    assert dataset.with_target("step").labels("step").names == ("1", "2")
    assert dataset.labels("tags").names == ("u", "v")
    assert dataset.labels("3").names == ("False", "True")
    assert (dataset.name, dataset.with_target("genre").skipped) == ("mine", {"b.wav": "no label in 'genre'"})


def test_a_zero_below_zero_is_no_class_of_its_own(tmp_path):
    for name in "ab":
        write_tone(tmp_path / f"{name}.wav", 300)
    frame = pd.DataFrame({"path": ["a.wav", "b.wav"], "side": [-0.0, 0.0]})
    assert set(Dataset.from_dataframe(frame, root=tmp_path).with_target("side", "classes").clips.side) == {0.0}


class Polars:
    """A frame of another library, which calls itself by the same name."""

    __module__, __qualname__ = "polars.dataframe.frame", "DataFrame"

    def to_pandas(self):
        return pd.DataFrame()


Polars.__name__ = "DataFrame"


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ([1], r"expected a pandas DataFrame, found builtins.list; give pandas.DataFrame\(table\)"),
        (Polars(), r"found polars.dataframe.frame.DataFrame; give frame.to_pandas\(\)"),
        (pd.DataFrame({"name": ["a.wav"]}), r"no column 'path' \(found: name\); call the column"),
        (pd.DataFrame([["a.wav", 1, 2]], columns=["path", "x", "x"]), "'x' is the name of columns 2 and 3"),
        (pd.DataFrame({"path": ["a.wav", None]}), "table row 1: no 'path'"),
        (pd.DataFrame({"path": ["a.wav"], "split": ["private"]}), "table row 0: 'split' private is none of"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("path", "x")])), "several levels"),
    ],
)
def test_a_frame_that_is_no_table_of_clips_is_refused(tmp_path, frame, words):
    write_tone(tmp_path / "a.wav", 300)
    with pytest.raises(DataError, match=words):
        Dataset.from_dataframe(frame, root=tmp_path)
