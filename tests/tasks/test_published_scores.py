"""Published rows name known tasks and metrics, and their sources."""

import pytest

from layerscope.targets import KINDS
from layerscope.tasks import TASKS, highest_published, published_rows


def test_rows_are_of_known_tasks_and_metrics_and_are_shares():
    for row in published_rows():
        known = {metric.name for metric in KINDS[TASKS[row.task].kind].metrics}
        assert row.metric in known or row.metric.startswith("r2:"), row
        assert 0 < row.value < 1, row
        assert row.source, row


def test_some_that_can_be_looked_up():
    def value(model, task, metric, source):
        return next(row.value for row in published_rows()
                    if (row.model, row.task, row.metric) == (model, task, metric) and source in row.source)  # fmt: skip

    assert value("MuQ", "vocalset-singer", "accuracy", "MuQ paper") == pytest.approx(0.958)
    assert value("MERT-v2-30s", "gtzan-genre", "accuracy", "model card") == pytest.approx(0.9172)
    assert value("MusicFM", "nsynth-pitch", "accuracy", "MuQ paper") == pytest.approx(0.911)
    assert value("MERT-v1-330M", "mtg-mood", "average_precision", "MARBLE paper") == pytest.approx(0.14)


def test_each_model_stands_once_with_its_highest_score_and_the_best_are_first():
    scores = highest_published("gtzan-genre", "accuracy")
    every = [row for row in published_rows() if (row.task, row.metric) == ("gtzan-genre", "accuracy")]
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert len(scores) == 4 < len({row.model for row in every})
    assert max(row.value for row in every) == next(iter(scores.values()))
    assert all(scores[row.model] >= row.value for row in every if row.model in scores)
