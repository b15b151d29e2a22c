import pytest
from benchmarks.hostile.made_audio import RATE, encoded, music, unknown_length
from written_tables import write_csv

from conftest import write_tone
from layerscope.data.dataset import Dataset


def test_survey_reads_every_file_once_and_keys_clips_by_content_and_span(tmp_path):
    write_tone(tmp_path / "a.wav", 300, seconds=0.5)
    (tmp_path / "copy.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    (tmp_path / "bad.wav").write_text("not audio")
    rows = ["a.wav,,", "a.wav,0.1,0.3", "copy.wav,,", "bad.wav,,"]
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", "path,start,end", *rows))
    counted = []
    dataset = dataset.survey(counted.append)
    assert len(counted) == 3
    assert dataset.clips.clip_key[0] == dataset.clips.clip_key[2] != dataset.clips.clip_key[1]
    assert dataset.clips.clip_seconds.tolist() == pytest.approx([0.5, 0.2, 0.5])
    assert "not decodable as audio" in dataset.skipped["bad.wav"]


def test_spans_that_their_file_does_not_hold_are_set_aside_before_anything_is_planned(tmp_path):
    write_tone(tmp_path / "a.wav", 300, seconds=2)
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[:-1000])
    rows = ("a.wav,0,1,x", "a.wav,1,2.05,x", "a.wav,1,1e308,x", "a.wav,1e308,,x", "cut.wav,0,1,x")
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", "path,start,end,label", *rows)).survey()
    assert dataset.clips.clip_seconds.tolist() == [1.0, 1.0]
    reasons = list(dataset.skipped.values())
    assert len(reasons) == 3
    assert sum("a.wav: the span 1–1e+308 s ends after the file (2.00 s)" in reason for reason in reasons) == 1
    assert sum("from 1e+308 s on begins and ends after the file (2.00 s)" in reason for reason in reasons) == 1
    assert sum("cut.wav: truncated" in reason for reason in reasons) == 1


def test_a_flac_without_a_length_plans_what_it_holds(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.flac").write_bytes(unknown_length(encoded("FLAC", music(2), RATE)))
    assert Dataset.load(tmp_path).survey().clips.clip_seconds.tolist() == [2.0]
