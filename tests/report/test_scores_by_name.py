import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from layerscope.report.scores_by_name import class_scores, tag_scores
from layerscope.scores.count_interval import count_interval


def said(truth, answer, groups=None):
    groups = range(len(truth)) if groups is None else groups
    return pd.DataFrame({"truth": truth, "answer": answer, "group": groups, "fold": 0})


def test_classes_are_listed_from_the_worst_with_the_interval_of_their_count():
    classes = class_scores(said(["a"] * 40 + ["b"] * 40, ["a"] * 36 + ["b"] * 44))
    assert classes[["name", "clips", "value"]].values.tolist() == [["a", 40, 0.9], ["b", 40, 1.0]]
    for right, (low, high) in zip((36, 40), classes[["low", "high"]].to_numpy(), strict=True):
        assert (low, high) == count_interval(right, 40)


def test_clips_of_one_artist_count_once():
    answers = ["a"] * 60 + ["b"] * 60
    alone = class_scores(said(["a"] * 120, answers)).iloc[0]
    grouped = class_scores(said(["a"] * 120, answers, np.repeat(np.arange(12), 10))).iloc[0]
    assert grouped.value == alone.value == 0.5
    # Ten clips that are right or wrong together know as much as one: a width of the root of ten, less what is drawn.
    assert (grouped.high - grouped.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(10), rel=0.2)
    few = class_scores(said(["a"] * 120, answers, np.repeat(np.arange(4), 30))).iloc[0]
    assert few.value == 0.5
    assert np.isnan([few.low, few.high]).all()


def test_tags_score_as_scikit_learn_says_and_have_intervals_where_enough_have_them():
    random = np.random.default_rng(0)
    owners = pd.DataFrame({"often": random.random(200) < 0.4, "seldom": np.arange(200) < 5, "never": False})
    shares = owners * 0.5 + random.random((200, 3))
    tags = tag_scores(shares, owners, said([""] * 200, [""] * 200)).set_index("name")
    assert sorted(tags.index) == ["often", "seldom"]
    for name, row in tags.iterrows():
        assert row.value == pytest.approx(average_precision_score(owners[name], shares[name]))
        assert row.auc == pytest.approx(roc_auc_score(owners[name], shares[name]))
        assert row.share == owners[name].mean()
    assert tags.low["often"] < tags.value["often"] < tags.high["often"]
    assert np.isnan(tags.low["seldom"])


def test_scores_of_two_folds_are_not_ranked_together():
    owners = pd.DataFrame({"x": [True, False] * 20})
    # Each fold ranks all of its own clips right, on scales that do not meet.
    shares = pd.DataFrame({"x": owners.x * 0.1 + np.repeat([0.0, 0.8], 20)})
    rows = said([""] * 40, [""] * 40).assign(fold=np.repeat([0, 1], 20))
    assert tag_scores(shares, owners, rows).value.item() == 1.0
