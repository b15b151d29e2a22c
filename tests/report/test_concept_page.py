"""The page of a battery: two maps that show what is shown, and nothing else in words."""

import math

import numpy as np
import pandas as pd
import pytest

from layerscope.report.concept_page import moved_table, sentences, told_table, write_concept_page
from layerscope.report.shaded_tables import UNTOLD

FACTS = {"clips": 10, "minutes": 1.0, "motifs": 2, "models": {}}


def score(concept, model, layer, share, *, shown, chosen=False, above_twin=""):
    return {
        "concept": concept, "model": model, "layer": layer, "accuracy": 0.5 + share / 2, "ci_low": 0.4, "ci_high": 0.9,
        "chance": 0.5, "shuffled": 0.5, "share": share, "share_low": share - 0.1, "share_high": share + 0.1,
        "shown": shown, "chosen": chosen, "clips": 10, "above_twin": above_twin,
    }  # fmt: skip


@pytest.fixture
def scores():
    return pd.DataFrame([
        score("key", "a", 0, 0.02, shown=False),
        score("key", "a", 1, 0.62, shown=True, chosen=True, above_twin="yes"),
        score("key", "random:a", 0, 0.3, shown=True, chosen=True),
        score("metre", "a", 0, 0.9, shown=False, chosen=True, above_twin="no"),
        score("metre", "a", 1, 0.4, shown=True),
        score("metre", "random:a", 0, 0.1, shown=False, chosen=True),
        score("mode", "a", 0, -0.04, shown=False, chosen=True, above_twin="no"),
        score("mode", "a", 1, -0.1, shown=False),
        score("mode", "random:a", 0, 0.0, shown=False, chosen=True),
    ])  # fmt: skip


@pytest.fixture
def invariance():
    row = {"total_low": 0.1, "total_high": 0.3, "main": 0.2, "main_low": 0.1, "main_high": 0.3}
    return pd.DataFrame([
        {"factor": "key", "model": "a", "layer": 0, "total": 1.0, **row, "shown": False},
        {"factor": "key", "model": "a", "layer": 1, "total": 0.21, **row, "shown": True},
        {"factor": "key", "model": "random:a", "layer": 0, "total": math.nan, **row, "shown": False},
    ])  # fmt: skip


def test_cells_are_grey_where_nothing_is_shown(scores, invariance):
    told = {name: cells for name, _, cells in told_table(scores).rows}
    assert [cell.paper == UNTOLD for cell in told["key"]] == [True, False, False]
    assert [cell.text for cell in told["key"]] == ["2", "62", "30"]
    assert [cell.marks for cell in told["metre"]] == ["", "", ""]  # what is preferred is not shown
    moved = moved_table(invariance).rows[0][2]
    assert [cell.paper == UNTOLD for cell in moved] == [True, False, True]
    assert [cell.text for cell in moved] == ["100", "21", ""]


def test_sentences_say_what_is_shown_alone(scores, invariance):
    assert dict(sentences(scores, invariance)) == {
        "key": "a in layer 1, 62 % [52, 72] of the way, more than its untrained twin (alone it moves that layer 21 % "
        "[10, 30] as far as all).",
        "metre": "a in layer 1, not in the preferred one.",
        "mode": "a not shown.",
    }


def test_the_page_stands_alone_with_its_figures(scores, invariance, tmp_path):
    scores.loc[0, "model"] = scores.loc[1, "model"] = "a <b>"
    write_concept_page(scores, invariance, FACTS, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "a &lt;b&gt;" in page
    assert "a <b>" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "concepts.pdf", "concepts.png", "invariance.pdf", "invariance.png",
    ]  # fmt: skip
    assert np.all([f'download="{name}.csv"' in page for name in ("concepts", "invariance")])
