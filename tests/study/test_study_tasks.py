"""Which tasks share a pass, and what a plan asks of the clips on disk."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from miniatures import MINIATURES, gtzan_lists
from test_acoustic_fingerprint import melody
from test_run import leaking_table

from layerscope import load_encoder
from layerscope.data.acoustic_fingerprint import RATE
from layerscope.data.leaks import group_codes
from layerscope.errors import DataError, UsageError
from layerscope.study.extraction import extract_all, keep_usable
from layerscope.study.options import make_plan
from layerscope.study.study_tasks import load_tasks, passes_of
from layerscope.tasks import TASKS
from layerscope.toymusic import write_pieces


def test_each_copy_of_a_file_that_fails_is_named_by_its_own_path(tones):
    path, copy = tones / "high" / "0.wav", tones / "high" / "copy.wav"
    samples, rate = soundfile.read(path)
    soundfile.write(path, np.stack([samples, -samples], axis=1), rate)
    copy.write_bytes(path.read_bytes())
    plan = make_plan({"data": tones, "baseline": ["mel"]}, "test")
    tasks = load_tasks(plan)
    kept = keep_usable(tasks, extract_all([load_encoder("mel")], tasks, plan))[0]
    assert kept.dataset.skipped == {
        f"high/{file.name}": f"{file}: its channels cancel when mixed to mono (opposite phase); keep one of them"
        for file in (path, copy)
    }


def test_tasks_of_one_data_set_share_a_pass_and_others_do_not_keep_its_frames(tmp_path):
    """Beats of GTZAN need frames; MagnaTagATune, of the same window, must not have them kept."""
    gtzan_lists(tmp_path)
    MINIATURES["mtt", "marble"](tmp_path)
    plan = make_plan({"task": ["gtzan-genre", "gtzan-beat", "mtt"], "root": tmp_path, "baseline": ["mel"]}, "test")
    questions = load_tasks(plan)
    assert [question.over_time for question in questions] == [False, True, False]
    assert passes_of(load_encoder("mel"), questions) == {("GTZAN", 30.0): [0, 1], ("MTT", 30.0): [2]}


def test_no_window_of_the_benchmark_is_longer_than_the_encoders(tmp_path):
    gtzan_lists(tmp_path)
    encoder = load_encoder("mel")
    encoder.window = 5.0
    plan = make_plan({"task": ["gtzan-genre"], "root": tmp_path, "baseline": ["mel"]}, "test")
    assert list(passes_of(encoder, load_tasks(plan))) == [("GTZAN", 5.0)]


def test_leaks_that_the_bytes_show_are_refused_before_anything_is_decoded(tmp_path):
    plan = make_plan({"data": leaking_table(tmp_path, copies=True), "baseline": ["mel"]}, "test")
    with pytest.raises(DataError, match="leak between splits"):
        load_tasks(plan)


def test_what_published_splits_share_stands_in_paper_and_is_set_aside_in_robust(tmp_path):
    gtzan_lists(tmp_path)
    genres = tmp_path / "GTZAN" / "genres"
    # One recording under two names, which the lists put on both sides.
    (genres / "blues" / "blues.00000.wav").write_bytes((genres / "blues" / "blues.00009.wav").read_bytes())
    sizes = {}
    for preset in ("paper", "robust"):
        plan = make_plan({"task": ["gtzan-genre"], "root": tmp_path, "baseline": ["mel"], "preset": preset}, "test")
        (task,) = load_tasks(plan)
        sizes[preset] = task.dataset.clips.split.value_counts().to_dict()
    assert sizes["paper"] == {"train": 12, "valid": 4, "test": 4}
    assert sizes["robust"] == {"train": 11, "valid": 4, "test": 4}
    assert task.dataset.skipped["genres/blues/blues.00000.wav"].endswith("with a clip that is tested")


def test_a_clip_without_a_label_counts_as_missing(tmp_path, monkeypatch):
    MINIATURES["gs-key", "marble"](tmp_path)
    table = tmp_path / "GS" / "GS.test.jsonl"
    records = [json.loads(line) for line in table.read_text().splitlines()]
    table.write_text("\n".join(json.dumps({**record, "label": None}) for record in records[:1]))
    with table.open("a") as lines:
        lines.writelines("\n" + json.dumps(record) for record in records[1:])
    monkeypatch.setitem(TASKS, "gs-key", replace(TASKS["gs-key"], expected={"train": 9, "valid": 3, "test": 3}))
    plan = {"task": ["gs-key"], "root": tmp_path, "baseline": ["mel"]}
    (task,) = load_tasks(make_plan(plan, "test"))
    assert task.short == "this copy is not the published one: test has 2 of 3 clips"
    with pytest.raises(DataError, match="test has 2 of 3 clips; leave out --strict"):
        load_tasks(make_plan({**plan, "strict": True}, "test"))


def test_near_duplicates_are_listened_for_where_that_is_asked(tmp_path):
    for number in range(4):
        place = tmp_path / "music" / ("low" if number % 2 else "high") / f"{number}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place, melody(number, 4.0), RATE)
    soundfile.write(tmp_path / "music" / "low" / "again.wav", melody(1, 4.0) / 4, RATE)
    asked = {"data": tmp_path / "music", "baseline": ["mel"]}
    (task,) = load_tasks(make_plan({**asked, "near_duplicates": True}, "test"))
    assert task.alike == ["low/1.wav and low/again.wav share a recording (0% of bits differ) and stay together"]
    assert len(set(group_codes(task.dataset.clips))) == 4
    (plain,) = load_tasks(make_plan(asked, "test"))
    assert not plain.alike
    assert "clip_alike" not in plain.dataset.clips


def test_attention_alone_is_refused_where_every_frame_has_an_answer(tmp_path):
    table = write_pieces(tmp_path, 12, 0, 2.0)
    asked = {"data": table, "target": "beats", "model": ["random:small"], "probe": ["attention"]}
    with pytest.raises(UsageError, match=r"add another probe \(--probe attention,linear\)"):
        load_tasks(make_plan(asked, "test"))
    assert load_tasks(make_plan({**asked, "probe": ["attention", "linear"]}, "test"))
