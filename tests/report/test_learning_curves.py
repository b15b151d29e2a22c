"""What the page and the terminal say of few labels: only what is shown, and how sure it is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_study import made_study

from layerscope.report.learning_curves import few_label_section, few_label_sentences
from layerscope.scores.learning_curve import FewLabels

SIZES = ("1", "8", "all")


def made(crossings=(), beats=True, unit="clip", studied=1):
    """Return results of one task, and tables in which layer 3 is preferred with few labels and layer 1 with all."""
    results = made_study(["t"], models=("m",), best={"t": studied})
    rows = [
        {"model": model, "task": "t", "input": given, "layer": layer, "probe": "closed", "metric": "accuracy",
         "labels": size, "unit": unit, "clips": 10, "draw": draw, "value": 0.5,
         "valid": 0.9 if layer == (1 if size == "all" else 3) else 0.5, "mean": 0.5, "ci_low": 0.4, "ci_high": 0.6}
        for model, given, layers in (("m", "layer", range(4)), ("mel", "mean", range(1)))
        for layer in layers
        for size in SIZES
        for draw in range(5)
    ]  # fmt: skip
    code = pd.DataFrame(
        [{"model": "m", "task": "t", "input": "layer", "layer": layer, "uniform": 2.0, "bits": bits,
          "ci_low": bits - 0.1, "ci_high": bits + 0.1, "compression": 2 / bits, "control": 2.0, "selectivity": 2 - bits,
          "selectivity_low": 1.9 - bits, "selectivity_high": 2.1 - bits, "in_best_set": layer < 2,
          "beats_control": beats} for layer, bits in enumerate((1.3, 1.25, 1.8, 1.9))]
    )  # fmt: skip
    return results.only("t"), FewLabels(pd.DataFrame(rows), pd.DataFrame(crossings), code)


def crossing(**more):
    return {"task": "t", "model": "m", "labels": "8", "few": 3, "all": 1, "difference": 0.05, "low": 0.02, "high": 0.08,
            "shown": True, "later": 0.03, "later_low": 0.01, "later_high": 0.05, "reversed": True, **more}  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "unit", "words"),
    [
        ([crossing(labels="1"), crossing()], "clip",
         "m: with 8 labels a class layer 3 scores 5.0 points [2.0, 8.0] more than layer 1, which validation prefers "
         "with all labels; with all of them layer 1 scores 3.0 points [1.0, 5.0] more."),
        ([crossing(reversed=False)], "group",
         "m: with 8 labelled groups a class layer 3 scores 5.0 points [2.0, 8.0] more than layer 1, which validation "
         "prefers with all labels; with all of them no difference of the two is shown."),
        ([crossing(shown=False)], "clip",
         "m: no layer is shown to be better with few labels than layer 1, which validation prefers with all of them "
         "(with fewer it prefers layer 3 as well)."),
        ([], "clip", "m: validation prefers layer 1 with few labels as with all."),
    ],
)  # fmt: skip
def test_a_sentence_says_what_is_shown_and_no_more(rows, unit, words):
    assert few_label_sentences(*made(rows, unit=unit))[0] == words


def test_where_the_study_goes_by_another_layer_that_is_said():
    assert few_label_sentences(*made(studied=2))[0] == (
        "m: validation prefers layer 1 with few labels as with all. Layer 1 is of this section, whose probe takes no "
        "setting from validation; the study, whose probe does, goes by layer 2."
    )


def test_the_code_is_told_with_its_equals_or_not_at_all():
    assert few_label_sentences(*made())[1] == (
        "Code length: labels cost the fewest bits with layer 1 of m, 1.25 [1.15, 1.35] a label, 2.00 at equal chances; "
        "not told apart from it: layer 0 of m. Labels that have changed places cost 0.75 [0.65, 0.85] more."
    )
    assert few_label_sentences(*made(beats=False))[1].startswith("Code length: with no input labels are shown to cost")


def test_the_section_draws_the_layers_in_focus_and_the_plain_feature():
    section = few_label_section(*made([crossing()]))
    (panel,) = section["panels"]
    assert [name for _, name in panel.lines] == ["plain feature, mel", "layer 1", "layer 3"]
    assert "labels a class 8" in panel.svg
    assert [row["input"] for row in section["code"]] == [f"layer {layer}" for layer in range(4)]


def test_what_knows_nothing_reaches_up_to_the_luckiest_permutation():
    results, tables = made()
    heights = []
    for luck in (0.5, 0.6):
        shuffled = results.table.iloc[[0]].assign(
            input="shuffled", split="test", probe="closed", metric="accuracy", value=luck
        )
        given = replace(results, table=pd.concat([results.table, shuffled], ignore_index=True))
        (panel,) = few_label_section(given, tables)["panels"]
        heights.append(float(panel.svg.partition('class="floor"')[2].partition('height="')[2].partition('"')[0]))
    assert heights[1] > heights[0] + 10


def test_who_does_not_ask_is_told_nothing_and_what_is_left_out_is_said():
    results, few = made()
    assert few_label_section(results, None) is None
    assert few_label_section(results, few.only("another")) is None
    results.facts["few_labels_left_out"] = "it is over time"
    assert few_label_section(results, None) == {"sentences": ["Not asked with few labels: it is over time."]}
    assert np.isfinite(few.curves.value).all()
