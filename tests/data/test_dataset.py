import pytest
from benchmarks.hostile.made_audio import RATE, encoded, music, unknown_length
from written_tables import write_csv

from conftest import write_tone
from layerscope.data.dataset import Dataset
from layerscope.errors import DataError, UsageError


def test_a_target_that_does_not_exist_suggests_the_nearest(tones):
    with pytest.raises(UsageError, match="unknown target 'lable'; did you mean 'label'"):
        Dataset.load(tones).with_target("lable")


def test_clips_without_a_label_are_set_aside(tmp_path):
    for name in "ab":
        write_tone(tmp_path / f"{name}.wav", 300)
    dataset = Dataset.load(write_csv(tmp_path / "clips.csv", "path,label", "a.wav,x", "b.wav,"))
    assert dataset.with_target("label").skipped == {"b.wav": "no label in 'label'"}


def test_several_columns_are_one_target(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", "path,arousal,valence", "a.wav,0.5,1"))
    labels = dataset.labels("arousal,valence")
    assert (labels.kind.name, labels.names, labels.values.tolist()) == ("values", ("arousal", "valence"), [[0.5, 1.0]])


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


def test_without_sets_clips_aside_and_refuses_to_leave_none(tones):
    dataset = Dataset.load(tones)
    rest = dataset.without({"low/0.wav": "why not"})
    assert len(rest.clips) == 29
    assert rest.skipped == {"low/0.wav": "why not"}
    with pytest.raises(DataError, match="no clip is left; first reason: gone"):
        dataset.without(dict.fromkeys(dataset.clips["clip"], "gone"))


def test_a_column_may_be_called_what_musicians_call_things(tmp_path):
    """The names that the program adds are its own: key, seconds and sound are the user's."""
    write_tone(tmp_path / "a.wav", 300)
    write_tone(tmp_path / "b.wav", 400)
    rows = ["path,key,seconds,sound", "a.wav,C major,1.5,dull", "b.wav,D minor,2.5,bright"]
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", *rows)).survey()
    assert dataset.targets() == ["key", "seconds", "sound"]
    assert dataset.labels("key").kind.name == "key"
    assert dataset.labels("key", "classes").names == ("C major", "D minor")


def test_lists_and_records_in_a_csv_are_json(tmp_path):
    cells = ['[[0.0, 1.0, ""C:maj""]]', "[[0.5, 1], [1.0, 2], [1.5, 1]]", '{""beat"": [0.5, 1.0], ""downbeat"": []}',
             "[" * 5000]  # fmt: skip
    for number, cell in enumerate(cells):
        (tmp_path / f"{number}.wav").write_bytes(b"x")
        (tmp_path / "songs.csv").write_text(f'path,x\n{number}.wav,"{cell}"\n')
        kinds = ("chords", "beats", "beats", "classes")
        assert Dataset.load(tmp_path / "songs.csv").labels("x").kind.name == kinds[number]


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
    assert sum("a.wav: the span 1e+308–2 s ends after the file (2.00 s)" in reason for reason in reasons) == 1
    assert sum("cut.wav: truncated" in reason for reason in reasons) == 1


def test_a_flac_without_a_length_plans_what_it_holds(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.flac").write_bytes(unknown_length(encoded("FLAC", music(2), RATE)))
    assert Dataset.load(tmp_path).survey().clips.clip_seconds.tolist() == [2.0]
