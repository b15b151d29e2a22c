import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from layerscope.errors import DataError
from layerscope.scores.score_files import read_csv, read_record, write_csv, write_record


def test_a_record_is_read_with_the_tables_that_it_was_written_with_alone(tmp_path):
    write_csv(tmp_path / "scores.csv", pd.DataFrame({"model": ["NA", "2024"], "value": [0.5, float("nan")]}))
    write_record(tmp_path / "record.json", {"clips": 2}, ["scores.csv"])
    assert read_record(tmp_path / "record.json", "are strangers") == ({"clips": 2}, ["scores.csv"])
    assert read_csv(tmp_path / "scores.csv").model.tolist() == ["NA", "2024"]
    write_csv(tmp_path / "scores.csv", pd.DataFrame({"model": ["a"]}))
    with pytest.raises(DataError, match=r"scores\.csv and record\.json are strangers"):
        read_record(tmp_path / "record.json", "are strangers")


@given(st.lists(st.floats(allow_nan=False), min_size=1))
@example([0.21081196924155873])
def test_numbers_are_read_to_the_last_digit(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("scores") / "scores.csv"
    write_csv(path, pd.DataFrame({"value": numbers}))
    assert read_csv(path).value.tolist() == numbers
