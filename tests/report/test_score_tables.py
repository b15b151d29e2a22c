import pandas as pd
from test_sentences import study

from layerscope.report.score_tables import as_latex, as_markdown, overview

TABLE = pd.DataFrame({"model": ["a_b", "c"], "R²": ["50 %", "−1"], "x": ["1–2", "&"]})


def test_overview_has_a_row_a_model_and_probe():
    table = overview(study(plain=0.6))
    assert table.model.tolist() == ["m", "mel", "r"]
    row = table.iloc[0]
    assert (row["chosen"], row["accuracy"], row["best set"], row["last"], row["concat"]) == (
        "layer 1", "80.0", "1", "80.0", "70.0",
    )  # fmt: skip


def test_markdown_is_aligned():
    lines = as_markdown(TABLE).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0] == "| model | R²   | x   |"


def test_latex_is_booktabs_with_special_letters_escaped():
    latex = as_latex(TABLE)
    assert r"\toprule" in latex
    assert r"a\_b & 50 \% & 1--2 \\" in latex
    assert r"c & $-$1 & \& \\" in latex
