import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from made_study import made_study

from layerscope import Features, probe
from layerscope.report.layer_latex import escaped, layers_latex, score_cell
from layerscope.report.shaded_tables import task_table
from layerscope.scores.combine import combine
from layerscope.study.study_results import Results

MANY = tuple(f"brightness of song {number}" for number in range(13))


def odd_study():
    return made_study(("a_b & c", "50 % #1 {x}"), models=("my_model^2", "n~1"), layers=3)


def test_every_row_has_as_many_cells_as_columns_and_braces_are_balanced():
    text = layers_latex(odd_study())
    columns = len(re.search(r"\\begin\{tabular\}\{(\w+)\}", text)[1])
    assert columns == 3
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert len(rows) == 2 + 2 * 3 + 3  # names and metrics, layers of two models, plain feature, its name, and chance
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {columns - 1}
    depth = 0
    for sign in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if sign == "{" else -1
        assert depth >= 0
    assert depth == 0


def test_models_of_runs_with_other_probes_stand_with_their_own():
    states, labels = np.random.default_rng(0).normal(size=(60, 2, 4)), ["minor", "major"] * 30
    states[:, 1, 0] += 3.0 * (np.arange(60) % 2)
    runs = [
        probe(Features.from_arrays(states, labels, model=model), probes=of_model)
        for model, of_model in (("a", "closed"), ("b", "linear"))
    ]
    both = Results(**vars(combine(runs)))
    text = layers_latex(both)
    assert text.count(r"\textbf{") == 2
    assert (r"\textit{a}} \\" in text) != (r"\textit{b}} \\" in text)  # the other one says its probe
    assert len(re.findall(r"\\textit\{[ab]\} \((closed|linear) probe on features\)", text)) == 1
    assert both.layer_table().features.notna().all()
    cells = task_table(both).rows[0][2]
    assert [bool(cell.text) for cell in cells] == [True] * 4
    assert sum("probe" in cell.tip for cell in cells) == 2


def test_an_interval_to_one_side_is_told_by_both_its_ends():
    row = pd.Series({"metric": "accuracy", "value": 1.0, "ci_low": 0.861, "ci_high": 1.0})
    assert score_cell(row, bold=False, equal=False) == r"100.0 {\scriptsize $_{86.1}^{100.0}$}"
    row = pd.Series({"metric": "r2", "value": 0.1, "ci_low": -0.2, "ci_high": 0.3})
    assert score_cell(row, bold=False, equal=False) == r"0.100 {\scriptsize $_{-0.200}^{0.300}$}"
    assert score_cell(row.replace({-0.2: np.nan}), bold=False, equal=False) == "0.100"


def test_the_caption_speaks_of_intervals_only_where_there_are_any():
    captions = []
    for without in ([], ["few"], ["few", "many"]):
        results = made_study(("few", "many"))
        results.summary.loc[results.summary.task.isin(without), ["ci_low", "ci_high"]] = np.nan
        captions.append(next(line for line in layers_latex(results).splitlines() if line.startswith(r"\caption")))
    assert ["intervals" in caption for caption in captions] == [True, True, False]
    assert ["intervals where there are clips" in caption for caption in captions] == [False, True, False]


def test_the_best_is_bold_what_equals_it_underlined_and_names_are_escaped():
    text = layers_latex(odd_study())
    assert r"a\_b \& c & 50 \% \#1 \{x\} \\" in text
    assert r"\textit{my\_model\textasciicircum{}2}" in text
    row = next(line for line in text.splitlines() if line.startswith("0 & "))
    assert re.match(r"0 & \\textbf\{\\underline\{80\.0\}\} \{\\scriptsize \$_\{\d+\.\d\}\^\{\d+\.\d\}\$\}", row)
    assert text.count(r"\textbf{") == 4  # of two models and two tasks
    assert r"\label{tab:layers}" in text
    assert r"\caption{" in text


@pytest.mark.parametrize(("name", "text"), [
    ("a\\b", r"a\textbackslash{}b"), ("R² −1", "R$^2$ $-$1"), ("<$5>", r"\textless{}\$5\textgreater{}"),
])  # fmt: skip
def test_signs_of_latex_are_printed(name, text):
    assert escaped(name) == text


def test_many_tasks_are_divided_evenly_over_tables_of_readable_columns():
    text = layers_latex(made_study(MANY))
    assert re.findall(r"begin\{tabular\}\{l(r+)\}", text) == ["rrrrr", "rrrr", "rrrr"]
    assert re.findall(r"\\label\{([^}]+)\}", text) == ["tab:layers", "tab:layers-2", "tab:layers-3"]
    assert text.count("Bold: the highest") == 1
    assert text.count(r"\shortstack[r]{brightness of\\song") == 13


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs TeX; the tests above check the syntax")
@pytest.mark.parametrize("study", [odd_study, lambda: made_study(MANY)])
def test_tex_sets_it_and_no_table_is_wider_than_the_page(tmp_path, study):
    head, tables = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}", layers_latex(study())
    (tmp_path / "t.tex").write_text(head + tables + r"\end{document}")
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    assert "Overfull" not in (tmp_path / "t.log").read_text()
