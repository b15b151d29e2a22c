from dataclasses import replace

import numpy as np
import pytest
from test_score_table import entry
from test_verdict import layer, mel, results_of

from layerscope.report.sets_and_plain import beyond_record, beyond_section, sets_record, sets_section, sets_table

SEARCHED = {
    "m": {"left_out": [], "steps": [["search(1)", None], ["search(2)", None]], "layers": [[1, 0], [1, 2], [0, 1]]}
}
BESIDE = {"m": {"mlp": {"model": "mel", "input": "mean", "clip_means": False}}}


def study(best_alone=1, **facts):
    entries = [*(layer(number, *[0.6 if number == best_alone else 0.5] * 2) for number in (0, 1)), mel(0.4)]
    entries += [entry(None, 0.6, 0.6, input="search(1)"), entry(None, 0.8, 0.8, input="search(2)")]
    entries += [entry(number, valid, valid, input="plain+layer") for number, valid in ((0, 0.5), (1, 0.8))]
    results = results_of(*entries, **facts)
    results.facts["tasks"]["d"] |= {"task": "d"}
    return results


def without_intervals(results):
    return replace(results, draws=np.full_like(results.draws, np.nan))


def test_what_each_fold_found_is_said_with_the_way_to_use_it():
    sentences = sets_section(study(layer_sets=SEARCHED).only("d")).sentences
    assert sentences[0].startswith(
        "Search on validation in m, mlp probe: to the first layer of each fold, a second adds +20.0 points"
    )
    assert sentences[0].endswith(
        "shown. First two: 0+1 in 2 of 3 folds, 1+2 in 1; a set is used by its name (--layers-as 0+1)."
    )


def test_the_layer_that_validation_prefers_beside_the_plain_feature_is_told():
    (sentence,) = beyond_section(study(beyond_plain=BESIDE).only("d")).sentences
    assert "validation prefers layer 1 of m (mlp probe): the layer adds +40.0 points" in sentence
    assert sentence.endswith("layers 0–1 are shown to add to mel, which is shown to add to layer 1.")


def test_where_a_layer_by_itself_is_another_that_is_said():
    results = study(beyond_plain=BESIDE, best_alone=0)
    (sentence,) = beyond_section(results.only("d")).sentences
    assert "validation prefers layer 1 of m" in sentence
    assert sentence.endswith("By itself layer 0 is preferred.")


def test_without_intervals_nothing_is_shown():
    results = without_intervals(study(layer_sets=SEARCHED, beyond_plain=BESIDE)).only("d")
    assert "a second adds +20.0 points [too few], nothing is shown." in sets_section(results).sentences[0]
    assert "none is shown to add to mel, which is shown to add to none." in beyond_section(results).sentences[0]
    assert sets_record(results)["steps"][0]["low"] is None
    assert beyond_record(results)[0]["high"] is None
    assert sets_table(results).low.tolist() == ["", ""]


@pytest.mark.parametrize("section", [sets_section, beyond_section, sets_record, beyond_record])
def test_nothing_is_said_of_what_nobody_asked(section):
    assert section(study().only("d")) is None


def test_a_difference_that_its_interval_would_show_says_what_holds_it_back():
    """Of a search whose inputs all lie at chance no step is shown, however far from zero its interval."""
    results = study(layer_sets=SEARCHED)
    results.facts["tasks"]["d"]["chance"] = 0.99
    sentences = sets_section(results.only("d")).sentences
    assert "nothing is shown, as neither is shown to lie above chance." in sentences[0]
    assert (
        sum("; not all are shown to lie above chance); nothing shows that they hear more" in s for s in sentences) == 1
    )
