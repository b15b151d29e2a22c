import pandas as pd
import pytest
from made_study import made_study
from test_sentences import study

from layerscope.report.paper_tables import as_latex, as_markdown, mixture_rank, overview

TABLE = pd.DataFrame({"model": ["a_b", "c"], "R²": ["50 %", "−1"], "x": ["1–2", "&"]})


def test_overview_has_a_row_a_model_and_probe():
    table = overview(study(plain=0.6))
    assert table.model.tolist() == ["m", "mel", "r"]
    row = table.iloc[0]
    assert (row["chosen"], row["accuracy"], row["best set"], row["last"], row["concat"]) == (
        "layer 1", "80.0", "1", "80.0", "70.0",
    )  # fmt: skip


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
