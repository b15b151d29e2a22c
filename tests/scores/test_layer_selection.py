import ast
import re
from pathlib import Path

import numpy as np
import pytest
from made_study import made_study

import layerscope
from layerscope.scores.layer_selection import (
    best_plain,
    best_trained,
    best_untrained,
    choose,
    choose_row,
    chosen_layer,
    layers_beside,
    preferred_probe,
)

SOURCE = Path(layerscope.__file__).parent
NAN = float("nan")


def choice_of(*scores):
    return choose(range(len(scores)), scores.__getitem__, "accuracy")


def test_the_highest_is_chosen_and_the_record_says_of_what():
    choice = choice_of(0.2, 0.9, 0.4)
    assert (choice.chosen, choice.candidates, choice.scores) == (1, (0, 1, 2), (0.2, 0.9, 0.4))
    assert choice.why == "the highest accuracy on validation, 0.900, of 3 candidates"


def test_of_equals_the_first_is_chosen():
    choice = choice_of(0.1, 0.9, 0.9, 0.9)
    assert choice.chosen == 1
    assert choice.why.endswith("the first of 3 equals")


@pytest.mark.parametrize("scores", [(NAN, 0.1, NAN), (NAN, -5.0), (0.1, NAN)])
def test_what_is_undefined_is_never_preferred(scores):
    assert not np.isnan(scores[choice_of(*scores).chosen])


def test_where_all_is_undefined_the_first_is_taken_and_said_to_be():
    choice = choice_of(NAN, NAN)
    assert choice.chosen == 0
    assert choice.why == "the first of 2 candidates: accuracy is undefined on validation"


def test_a_second_number_decides_between_equals_only():
    assert choose(["a", "b", "c"], {"a": (0.5, 9.0), "b": (0.8, -2.0), "c": (0.8, -1.0)}.__getitem__).chosen == "c"
    assert choose(["a", "b"], {"a": (0.8, NAN), "b": (0.8, -3.0)}.__getitem__).chosen == "b"


def test_of_nothing_nothing_is_chosen():
    with pytest.raises(ValueError, match="nothing to choose from"):
        choose([], lambda _: 0.0)
    results = made_study(("pitch",))
    assert choose_row(results.summary[:0]) is None
    assert chosen_layer(results, "pitch", "absent") is None
    assert best_untrained(results, "pitch") is None


def test_queries_name_the_rows_that_validation_prefers():
    results = made_study(("pitch", "genre"), best={"pitch": 2, "genre": 0})
    row = chosen_layer(results, "pitch", "n").chosen
    assert (row.model, row.input, row.layer, row.probe) == ("n", "layer", 2, "mlp")
    assert best_trained(results, "genre").chosen.model == "m"  # both score the same
    assert best_plain(results, "genre", probe="linear").chosen.probe == "linear"
    assert layers_beside(results, row).layer.tolist() == [0, 1, 2, 3]
    assert set(layers_beside(results, row).model) == {"n"}


def test_what_was_cross_validated_is_compared_on_the_clips_that_all_share():
    results = made_study(("pitch",))
    linear = results.summary.probe == "linear"
    results.summary.loc[linear, ["valid", "valid_n", "valid_shared"]] = [0.95, 80, 0.7]
    choice = best_trained(results, "pitch")
    assert choice.chosen.probe == "mlp"  # 0.8 on the clips of which the linear probe's score is 0.7
    # Four layers of two models, each by two probes: that the best of four came first hides none of them.
    assert (
        choice.why == "the highest accuracy on the validation clips that all share, 0.800, of 16 candidates; "
        "the first of 2 equals"
    )
    # Among those that were all cross-validated, all of their clips count.
    assert best_plain(results, "pitch", probe="linear").scores == (0.95,)


def test_layers_without_a_validation_score_are_passed_over():
    results = made_study(("pitch",), models=("m", "n"), best={"pitch": 2})
    results.summary.loc[results.summary.model == "m", "valid"] = NAN
    assert best_trained(results, "pitch").chosen.model == "n"
    results.summary.loc[results.summary.model == "n", "valid"] = NAN
    assert best_trained(results, "pitch").chosen.model == "m"


def test_the_probe_is_that_of_the_best_validation_score():
    results = made_study(("pitch", "genre"))
    rows = (results.summary.probe == "linear") & (results.summary.input == "layer")
    results.summary.loc[rows, "valid"] += 0.05
    assert preferred_probe(results, "pitch") == "linear"


def picks_by_validation(text):
    """Calls that take the highest of something that is named after validation."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and re.search(r"(^|\.)(max|argmax|sorted|sort_values)$", ast.unparse(node.func)):
            call = ast.unparse(node)
            if re.search(r"\bvalid\b|\brank\b|validation", call):
                yield call
        if isinstance(node, ast.Attribute) and node.attr in ("idxmax", "nlargest", "nanargmax"):
            yield ast.unparse(node)


@pytest.mark.parametrize(
    "text", ["rows.loc[rows.valid.idxmax()]", "max(rows, key=lambda row: row.valid)", "rows.valid.to_numpy().argmax()"]
)
def test_a_choice_by_validation_is_seen(text):
    assert list(picks_by_validation(text))


def test_nothing_else_in_the_package_chooses_by_validation():
    for path in SOURCE.rglob("*.py"):
        if path.name != "layer_selection.py":
            assert not list(picks_by_validation(path.read_text(encoding="utf-8"))), path.name
