"""Every task, in its data set's true layout: data → check → run → report."""

import json
import re
import shutil

import numpy as np
import pytest
from miniatures import MINIATURES, gtzan_lists, harmonix, jamendo, sound, vocalset

from conftest import TWO_RATES
from layerscope.cli.entry_point import guarded
from layerscope.errors import DataError, UsageError
from layerscope.study.cost import check
from layerscope.study.options import make_plan
from layerscope.study.run import run
from layerscope.tasks import PAPER_TASKS, TASKS, published_rows
from layerscope.tasks.gtzan import read_beat_file
from layerscope.tasks.harmonix import function_of, split_of
from layerscope.tasks.magnatagatune import split_of as magnatagatune_split
from layerscope.tasks.task import data_directory


def plan_of(task, root, **more):
    return make_plan({"task": [task], "root": root, "baseline": ["mel"], "probe": ["closed"], **more}, "test")


def test_data_lie_where_the_user_says(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("LAYERSCOPE_DATA", "~/sets")
    assert str(data_directory()) == "/home/me/sets"
    monkeypatch.setenv("LAYERSCOPE_DATA", "")
    monkeypatch.setenv("LAYERSCOPE_CACHE", "~/kept")
    assert str(data_directory()) == "/home/me/kept/data"


def test_every_task_has_a_miniature():
    assert {task for task, _ in MINIATURES} == set(TASKS)


def layouts_of_paper():
    """Return what the study of fourteen tasks, by the preset of the paper, is run on."""
    official = {(name, layout) for name, layout in MINIATURES if name in PAPER_TASKS and layout != "marble"}
    return official | {("gs-key", "marble"), ("emo", "marble")}


@pytest.mark.slow
@pytest.mark.parametrize(("task", "layout"), list(MINIATURES), ids=lambda value: value)
def test_data_check_run_report(task, layout, tmp_path, capsys):
    MINIATURES[task, layout](tmp_path)
    assert guarded(["data", task, "--root", str(tmp_path)]) == 0
    assert "on disk: test " in capsys.readouterr().out
    for preset in ("paper", "robust"):
        plan = plan_of(task, tmp_path, preset=preset)
        found = check(plan, workers=1)
        assert found.tasks[0].study.labels.kind.name == TASKS[task].kind
        assert bool(found.tasks[0].leaks) is (preset == "paper" and task.startswith("nsynth"))
        if preset == "robust" or (task, layout) not in layouts_of_paper():
            results = run(plan, tmp_path / preset)
    facts = results.facts["tasks"][task]
    assert set(facts["splits"]) == {"train", "valid", "test"}
    primary = results.of(task=task, metric=facts["primary"])
    # Shuffled, the labels of so few test clips may all be one, of which nothing can be scored.
    assert np.isfinite(primary[primary.input != "shuffled"].value).all()
    page = (tmp_path / "robust" / "report.html").read_text()
    assert TASKS[task].title in page
    if any(row.task == task for row in published_rows()):
        assert "not to be mixed" in page


@pytest.mark.slow
def test_the_study_of_fourteen_tasks_completes_on_data_as_they_are_published(tmp_path, monkeypatch):
    monkeypatch.setattr(*TWO_RATES)
    for builder in {MINIATURES[each] for each in layouts_of_paper()}:
        builder(tmp_path)
    plan = make_plan({"preset": "paper", "root": tmp_path, "baseline": ["mel"]}, "test")
    results = run(plan, tmp_path / "out")
    assert results.tasks == list(PAPER_TASKS)
    page = (tmp_path / "out" / "report.html").read_text()
    rows = re.search(r'<table class="beside">.*?</table>', page, flags=re.DOTALL)[0].split("<tr>")[2:]
    assert [re.search(r'href="#task-\d+">(.*?)<', row)[1] for row in rows] == [
        TASKS[name].title for name in PAPER_TASKS
    ]
    assert all("highest: " in row for row in rows)  # published by others
    assert "Leak between splits, as published: group" in page
    assert "allowed by the user" not in page


def test_gtzan_leaves_the_damaged_file_out(tmp_path):
    gtzan_lists(tmp_path)
    dataset = TASKS["gtzan-genre"].load(tmp_path)
    assert len(dataset.clips) == 20
    assert not any("00054" in path for path in dataset.clips.path)
    assert dataset.clips.split.value_counts().to_dict() == {"train": 12, "valid": 4, "test": 4}


def test_a_partial_copy_is_told_and_refused_when_strict(tmp_path):
    gtzan_lists(tmp_path)
    short = check(plan_of("gtzan-genre", tmp_path), workers=1).tasks[0].study.task.short
    assert "train has 12 of 442 clips" in short
    with pytest.raises(DataError, match=r"valid has 4 of 197 clips.*--strict"):
        check(plan_of("gtzan-genre", tmp_path, strict=True), workers=1)


def test_harmonix_splits_by_identifier_and_names_what_is_missing(tmp_path):
    harmonix(tmp_path)
    dataset = TASKS["harmonix-structure"].load(tmp_path)
    assert len(dataset.clips) == 23
    assert "0024_song24" in next(iter(dataset.skipped.values()))
    sections = dataset.clips.set_index(dataset.clips["clip"].str[6:10]).sections
    assert sections["0005"][-1] == [7.5, 8.2, "outro"]
    assert sections["0006"][-1] == [7.5, 8.0, "outro"]
    assert dataset.clips.groupby("group").size().value_counts().to_dict() == {1: 19, 2: 2}
    splits = [split_of(f"{number:04d}_song") for number in range(2000)]
    shares = [splits.count(name) / 2000 for name in ("train", "valid", "test")]
    np.testing.assert_allclose(shares, [0.7, 0.1, 0.2], atol=0.03)


@pytest.mark.parametrize(
    ("label", "function"),
    [("verse1", "verse"), ("Pre-Chorus", "verse"), ("chorus_instrumental", "chorus"), ("bigoutro", "outro"),
     ("outro", "outro"), ("end", "silence"), ("ending", "outro"), ("introverse", "verse"), ("solo", "instrumental"),
     ("gtrbreak", "instrumental"), ("section12", "verse"), ("stutter", "chorus")],
)  # fmt: skip
def test_harmonix_functions(label, function):
    assert function_of(label) == function


def test_magnatagatune_splits_by_the_first_letter():
    assert [magnatagatune_split(f"{letter}/x.mp3") for letter in "09abcdef"] == [
        "train", "train", "train", "train", "valid", "test", "test", "test",
    ]  # fmt: skip


def test_vocalset_keeps_test_singers_apart_and_robust_validation_too(tmp_path):
    vocalset(tmp_path)
    for preset, shared in (("paper", True), ("robust", False)):
        clips = TASKS["vocalset-technique"].load(tmp_path, preset).clips
        singers = {split: set(clips.singer[clips.split == split]) for split in ("train", "valid", "test")}
        assert singers["test"] == {"f2", "m3"}
        assert bool(singers["train"] & singers["valid"]) is shared
    singer = TASKS["vocalset-singer"].load(tmp_path).clips
    assert singer.groupby("group").split.nunique().max() == 1
    # 7.2 s: two pieces, and a rest of 1.2 s that is above a third of one.
    assert (singer.groupby("group").size() == 3).all()


def test_jamendo_takes_the_artist_as_group(tmp_path):
    jamendo("genre", "genre")(tmp_path)
    clips = TASKS["mtg-genre"].load(tmp_path).clips
    assert clips.group.nunique() == 9
    assert clips.label.iloc[0] == ["genre---a", "genre---b"]


def test_songs_of_clips_are_scored_whole(tmp_path):
    """GiantSteps: clips of one song are averaged before they are scored."""
    lines = {"train": [], "val": [], "test": []}
    for number in range(12):
        split = "train" if number < 6 else "val" if number < 9 else "test"
        key = ("C major", "A minor", "D major")[number % 3]
        for part in range(3):
            name = f"{number:07d}-{part}.wav"
            sound(
                tmp_path / "GS" / "giantsteps_clips" / "wav" / name,
                1.0,
                pitch=200 + 50 * (number % 3),
                seed=9 * number + part,
            )
            lines[split].append(json.dumps(
                {"audio_path": f"data/GS/giantsteps_clips/wav/{name}", "label": key, "ori_uid": f"{number:07d}"}
            ))  # fmt: skip
    for split, rows in lines.items():
        (tmp_path / "GS" / f"GS.{split}.jsonl").write_text("\n".join(rows))
    results = run(plan_of("gs-key", tmp_path), tmp_path / "out")
    assert set(results.table[results.table.split == "test"].n) == {3}
    assert set(results.table[results.table.split == "valid"].n) <= {3, 9}  # songs that choose; nine by cross-validation
    assert results.facts["tasks"]["gs-key"]["clips"] == 36


def test_absent_data_say_where_they_come_from(tmp_path):
    with pytest.raises(DataError, match=r"EMO does not exist; `layerscope data emo` says"):
        TASKS["emo"].load(tmp_path)
    (tmp_path / "EMO").mkdir()
    with pytest.raises(DataError, match=r"no EMO.\{train,val,test\}.jsonl"):
        TASKS["emo"].load(tmp_path)


def test_lists_that_are_none_are_refused(tmp_path):
    (tmp_path / "MTT").mkdir()
    (tmp_path / "MTT" / "annotations_final.csv").write_text("<html>moved</html>\nmore\n")
    with pytest.raises(DataError, match=r"annotations_final\.csv: no rows with clip_id and mp3_path"):
        TASKS["mtt"].load(tmp_path)
    jamendo("genre", "genre")(tmp_path)
    table = tmp_path / "MTG" / "data" / "splits" / "split-0" / "autotagging_genre-train.tsv"
    table.write_text(table.read_text() + "track_0000001\tartist_000001\n")
    with pytest.raises(DataError, match=r"autotagging_genre-train\.tsv: a row without PATH, ARTIST_ID or TAGS"):
        TASKS["mtg-genre"].load(tmp_path)


def test_unknown_tasks_are_named():
    with pytest.raises(UsageError, match="did you mean 'gs-key'"):
        make_plan({"task": ["gskey"]}, "test")


def test_the_paper_has_fourteen_tasks():
    assert len(PAPER_TASKS) == len(set(PAPER_TASKS)) == 14


def test_two_tasks_of_one_data_set_share_a_pass(tmp_path):
    gtzan_lists(tmp_path)
    plan = make_plan({"task": ["gtzan-genre", "gtzan-beat"], "root": tmp_path, "baseline": ["mel"],
                      "probe": ["closed"]}, "test")  # fmt: skip
    results = run(plan, tmp_path / "out")
    assert results.tasks == ["gtzan-genre", "gtzan-beat"]
    passed = results.facts["passes"]["mel"]
    assert (passed["clips_encoded"], passed["clips_decoded"]) == (20, 20)
    assert results.best_layers().empty  # plain features have no layers


def test_real_annotation_of_gtzan_rhythm_is_read(fixtures):
    beats = read_beat_file(fixtures / "gtzan_genre/gtzan_tempo_beat-main/beats/gtzan_country_00000.beats")
    assert beats["beat"][:3] == [0.113, 0.829, 1.537]
    assert beats["downbeat"][0] == 0.113
    assert set(beats["downbeat"]) < set(beats["beat"])


def test_a_copy_that_mirdata_fetched_is_read_where_it_lies(fixtures, tmp_path):
    shutil.copytree(fixtures / "gtzan_genre", tmp_path / "copy" / "GTZAN")
    for name in ("train", "valid", "test"):
        (tmp_path / "copy" / "GTZAN" / f"{name}_filtered.txt").write_text("country/country.00000.wav\n")
    dataset = TASKS["gtzan-beat"].load(tmp_path / "copy")
    assert dataset.clips.label.iloc[0]["beat"][0] == 0.113
    assert dataset.survey().clips.clip_seconds.iloc[0] == pytest.approx(30.0, abs=0.1)


def test_real_lists_of_mtg_jamendo_are_read(fixtures, tmp_path):
    (tmp_path / "MTG").symlink_to(fixtures / "mtg_jamendo_autotagging_moodtheme")
    dataset = TASKS["mtg-mood"].load(tmp_path)
    assert dataset.clips.label.tolist() == [["mood/theme---background"]]
    assert dataset.clips.group.tolist() == ["artist_000087"]
    # The fixture holds the audio of one track; the other lists' tracks are named, not dropped.
    assert any("24/3524" in reason for reason in dataset.skipped.values())
