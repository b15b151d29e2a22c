import pandas as pd
import pytest
from made_study import made_study
from test_sentences import study

from layerscope.report.paper_tables import (
    as_latex,
    as_markdown,
    beside_published,
    mixture_rank,
    overview,
    published_text,
)
from layerscope.tasks import PAPER_TASKS

TABLE = pd.DataFrame({"model": ["a_b", "c"], "R²": ["50 %", "−1"], "x": ["1–2", "&"]})


def test_overview_has_a_row_a_model_and_probe():
    table = overview(study(plain=0.6))
    assert table.model.tolist() == ["m", "mel", "r"]
    row = table.iloc[0]
    assert (row["chosen"], row["accuracy"], row["best set"], row["last"], row["concat"]) == (
        "layer 1", "80.0", "1", "80.0", "70.0",
    )  # fmt: skip


def test_fourteen_tasks_have_a_row_each_beside_what_is_published():
    results = made_study(PAPER_TASKS, models=("muq", "m"), layers=2, probes=("linear",))
    table = beside_published(results)
    assert table.columns.tolist() == ["task", "metric", "muq", "m", "plain feature", "published"]
    assert table.task.tolist() == list(PAPER_TASKS)
    assert table.muq[0].startswith("80.0 [")
    assert table.muq[0].endswith("], layer 0")
    assert table["plain feature"][0].startswith("mel 60.0 [")
    # Of the model that was studied all, from its paper, the study and a model card; of the others the highest.
    assert table.published[0] == "MuQ 83.8/85.5/85.9; highest: MERT-v2-30s 91.7"


def test_a_mean_of_several_metrics_stands_beside_each_of_them():
    assert published_text("emo", "r2", ["MusicFM"]) == (
        "MusicFM valence 0.572/0.603, arousal 0.744/0.763; highest: MERT-v2-30s valence 0.632, arousal 0.800"
    )
    assert published_text("hooktheory-key", "key_score", ["muq"]) == ""


def test_learned_weights_are_ranked_against_the_scores_of_layers():
    results = made_study(["key"], best={"key": 0})  # layers of 0.8, 0.7, 0.6, 0.5
    row = results.of(input="weighted", model="m", probe="mlp").iloc[0].copy()
    assert mixture_rank(results, row) != mixture_rank(results, row)  # equal weights rank nothing
    row.mixture = "[0.1, 0.2, 0.4, 0.3]"
    # Ranks 1 2 4 3 against 4 3 2 1: 1 - 6 (9 + 1 + 4 + 4) / (4 * 15).
    assert mixture_rank(results, row) == pytest.approx(-0.8)
    row.mixture = "[0.5, 0.3, 0.2]"  # of layers 1 to 3
    assert mixture_rank(results, row) == pytest.approx(1.0)


def test_markdown_is_aligned():
    lines = as_markdown(TABLE).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0] == "| model | R²   | x   |"


def test_latex_is_booktabs_with_special_letters_escaped():
    latex = as_latex(TABLE)
    assert r"\toprule" in latex
    assert r"a\_b & 50 \% & 1--2 \\" in latex
    assert r"c & $-$1 & \& \\" in latex
