import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import layerscope as ls
from layerscope.study.options import make_plan
from layerscope.study.run import run
from layerscope.toymusic.composed_dataset import write_notes, write_pieces


def made(labels, **given):
    states = np.random.default_rng(0).normal(size=(120, 3, 4))
    states[:, 1, 0] += 4.0 * (np.arange(120) % 2)
    return ls.probe(ls.Features.from_arrays(states, labels, **given), probes="closed")


def test_the_share_of_right_answers_is_the_accuracy_of_the_table():
    results = made(["minor", "major"] * 60)
    answer, said = results.answer(), results.predictions
    assert (said.layer == answer.layer).all()
    assert len(said) == answer.clips
    assert (said.truth == said.answer).mean() == pytest.approx(answer.value)
    assert said.score.mean() == pytest.approx(answer.value)
    assert said.probability.between(0.5, 1).all()  # of two classes the likelier


def test_every_clip_has_a_place_in_a_split_or_fold():
    results = made(["minor", "major"] * 60, folds=np.arange(120) % 5)
    assert results.splits.fold.value_counts().tolist() == [24] * 5
    assert set(results.splits["clip"]) == set(results.predictions["clip"])
    assert made(["minor", "major"] * 60).splits.split.value_counts().to_dict() == {"train": 72, "valid": 24, "test": 24}


def test_tags_and_values_are_written_as_their_tables_have_them():
    number = np.arange(120)
    tags = made(np.stack([number % 2, number % 3 > 0], axis=1)).predictions
    assert set(tags.truth) == {"", "0", "1", "0|1"}
    results = made(np.stack([number % 2, number % 3 > 0], axis=1))
    shares = pd.DataFrame(list(results.predictions.probabilities.map(json.loads)))
    scores = [roc_auc_score(results.predictions.truth.str.contains(tag), shares[tag]) for tag in "01"]
    assert np.mean(scores) == pytest.approx(results.answer().value, abs=1e-4)  # six digits may tie
    values = made(list(np.arange(120) % 2 + np.linspace(0, 0.5, 120))).predictions
    np.testing.assert_allclose(values.truth.astype(float).clip(0, 1.5), values.truth.astype(float))
    assert np.corrcoef(values.truth.astype(float), values.answer.astype(float))[0, 1] > 0.8


def test_a_run_leaves_both_tables(tmp_path):
    notes = write_notes(tmp_path / "notes", count=40, first_seed=0, seconds=0.3)
    plan = {"data": str(notes), "target": "instrument", "baseline": ["mel", "mfcc"], "probe": "closed"}
    results = run(make_plan(plan, "test"), tmp_path / "run")
    splits, said = (pd.read_csv(tmp_path / "run" / f"{name}.csv", dtype=str) for name in ("splits", "predictions"))
    assert len(splits) == 40
    assert set(said["clip"]) == set(splits["clip"][splits.split == "test"])
    columns = ["task", "model", "input", "layer", "probe", "clip", "group", "fold", "truth", "answer",
               "probability", "score"]  # fmt: skip
    assert list(said.columns) == [*columns, "path", "start", "end"]
    assert all(Path(path).is_file() and path.endswith(clip) for path, clip in zip(said.path, said["clip"], strict=True))
    assert said.model.unique().tolist() == [results.answer().model]


def test_all_predictions_are_kept_where_they_are_asked_for_also_by_a_later_visit(tmp_path):
    notes = write_notes(tmp_path / "notes", count=40, first_seed=0, seconds=0.3)
    plan = {"data": str(notes), "target": "instrument", "model": "random:toy-muq", "baseline": "mel",
            "probe": "closed,knn", "layers_as": "0+1"}  # fmt: skip
    out = tmp_path / "run"
    few = run(make_plan(plan, "test"), out).predictions
    results = run(make_plan({**plan, "keep_predictions": True}, "test"), out)
    all_said = results.predictions.astype({"layer": float})
    inputs = ["model", "probe", "input", "layer"]
    assert len(few) < len(all_said) == len(all_said.drop_duplicates([*inputs, "clip"]))
    right = all_said.groupby(inputs, dropna=False).score.mean()
    tested = results.table[(results.table.split == "test") & (results.table.metric == "accuracy")]
    scores = tested.astype({"layer": float}).groupby(inputs, dropna=False).value.mean()
    named = scores[~scores.index.get_level_values("input").isin(["last", "constant", "shuffled", "nested"])]
    pd.testing.assert_series_equal(right.sort_index(), named.sort_index(), check_names=False)


def test_over_time_the_worst_tracks_say_what_was_heard(tmp_path):
    pieces = write_pieces(tmp_path / "pieces", count=14, first_seed=0, seconds=4.0)
    plan = {"data": str(pieces), "target": "segments", "baseline": "mel", "probe": "closed", "folds": 3}
    said = run(make_plan(plan, "test"), tmp_path / "run").predictions
    kept = said[said.answer != ""]
    # The worst of all folds, of which each tests others.
    assert sorted(kept.score) == sorted(said.score)[: len(kept)]
    assert len(kept) == 5
    assert said.fold.nunique() == 3
    for _, row in kept.iterrows():
        middles = (np.arange(int(4.0 * 25 / 3)) + 0.5) * 3 / 25
        names = [
            [next((name for start, end, name in spans if start <= time < end), "") for time in middles]
            for spans in (json.loads(row[column])["spans"] for column in ("truth", "answer"))
        ]
        assert row.score == pytest.approx(np.mean([one == other for one, other in zip(*names, strict=True)]))
