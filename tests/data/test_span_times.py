"""Spans that are no times in the files beside them are refused with the reason, as a whole."""

import pytest

from conftest import write_tone
from layerscope.data.dataset import Dataset
from layerscope.errors import DataError


def table(directory, *spans, seconds=0.5):
    """Write a file for each span, all equally long, and the table of them."""
    rows = []
    for number, (start, end) in enumerate(spans):
        write_tone(directory / f"{number}.wav", 300 + number, seconds=seconds)
        rows.append(f"{number}.wav,{start},{end},{'ab'[number % 2]}")
    (directory / "clips.csv").write_text("\n".join(["path,start,end,label", *rows]) + "\n")
    return Dataset.load(directory / "clips.csv")


def test_times_in_the_recordings_from_which_the_files_were_cut_are_called_that(tmp_path):
    """UrbanSound8K's table: the file is the slice."""
    dataset = table(tmp_path, (58.0, 58.5), (0.25, 0.75), (0.0, 0.5), (7.125, 7.625))
    with pytest.raises(DataError, match=r"times in other recordings.* 58 to 58.5, and the file is 0.50 s .*leave the "):
        dataset.survey()


def test_a_few_of_these_are_set_aside_with_the_way_out(tmp_path):
    surveyed = table(tmp_path, (0.0, 0.5), (0.0, 0.4), (0.1, 0.5), (3.0, 3.5), (3.0, 3.2)).survey()
    assert len(surveyed.clips) == 3
    reasons = list(surveyed.skipped.values())
    assert "as long as the span: where it is that span itself, leave 'start' and 'end' empty" in reasons[0]
    assert reasons[1].endswith("ends after the file (0.50 s)")


@pytest.mark.parametrize("scale", [1000, 24_000])
def test_spans_in_other_units_are_longer_than_their_files(tmp_path, scale):
    dataset = table(tmp_path, *[(scale * start, scale * (start + 0.2)) for start in (0.1, 0.2, 0.3)])
    with pytest.raises(DataError, match=r"longer than their files .*; if they are in milliseconds or samples, write"):
        dataset.survey()


def test_other_spans_beyond_their_files_are_set_aside_one_by_one(tmp_path):
    surveyed = table(tmp_path, (0.0, 0.5), (0.4, 0.9), (0.5, 1.2), (0.6, 0.7)).survey()
    assert (len(surveyed.clips), len(surveyed.skipped)) == (1, 3)


def test_a_span_that_begins_where_its_file_has_ended_is_called_that(tmp_path):
    surveyed = table(tmp_path, (0.0, ""), (0.1, ""), (3.0, "")).survey()
    (reason,) = surveyed.skipped.values()
    assert reason.endswith("the span from 3 s on begins and ends after the file (0.50 s)")
