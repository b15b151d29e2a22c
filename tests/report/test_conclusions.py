import pytest
from made_study import made_similarities, made_study

from layerscope.report import write_report
from layerscope.report.conclusions import answer_questions, compared_otherwise, worth_of_scores

TASKS = ("pitch", "genre")


def said(results):
    return {answer.question: " ".join(answer.sentences) for answer in answer_questions(results)}


def test_three_questions_are_answered_from_the_numbers():
    answers = said(made_study(TASKS, best={"pitch": 0, "genre": 3}))
    models, layers, inputs = answers.values()
    assert "m, of 2 tasks: beats the best plain feature on 2: pitch (+20.0 to mel), genre (+20.0 to mel)" in models
    assert "m: pitch 0 (of 0), genre 3 (of 3)" in layers
    assert "m: the brackets of 1 of 1 pairs of tasks share no layer." in layers
    assert "m, one layer is not told apart from" not in inputs
    assert "loses to “concat” on pitch, genre" in inputs
    assert "beats “last” on pitch" in inputs


@pytest.mark.filterwarnings("error")
def test_scores_that_are_all_alike_are_worth_nothing_that_can_be_told():
    study = made_study(TASKS, layers=4)
    study.summary["value"] = 1.0
    table = worth_of_scores(study, made_similarities())
    assert table["mean"].str.contains("nan").all()


def test_the_matrices_say_what_the_sentences_say():
    models, layers, inputs = (
        answer.matrix for answer in answer_questions(made_study(TASKS, best={"pitch": 0, "genre": 3}))
    )
    assert models["m",]["pitch"] == "▲"
    assert layers["m",]["pitch"].startswith("0 (")
    assert inputs["m", "last"]["pitch"] == "▲"
    assert inputs["m", "concat"]["pitch"] == "▼"
    (tied, *_) = answer_questions(made_study(TASKS, plain=0.8))
    assert tied.matrix["m",] == {"pitch": "▬", "genre": "▬"}


def test_a_model_that_loses_or_ties_is_said_to():
    assert (
        "is beaten on 2: pitch (−10.0 to mel)"
        in said(made_study(TASKS, plain=0.9))["Do the models beat the best plain feature, and where?"]
    )
    tie = said(made_study(TASKS, plain=0.8))["Do the models beat the best plain feature, and where?"]
    assert "is not told apart from it on 2" in tie


def test_counts_of_wins_are_corrected_together():
    results = made_study(("a", "b", "c", "d"), best=dict.fromkeys("abcd", 1), plain=0.77)
    text = said(results)["Do the models beat the best plain feature, and where?"]
    assert "All 8 comparisons are corrected together (Holm)" in text
    chosen = results.summary[results.summary.chosen & results.summary.model.isin(["m", "mel"])]
    first = [chosen[(chosen.task == "a") & (chosen.model == model)].index[0] for model in ("m", "mel")]
    assert results.compare(*first).verdict == "better"  # alone
    assert "m, of 4 tasks: beats the best plain feature on 0;" in text


def test_tasks_that_share_a_layer_do_not_show_that_they_want_different_ones():
    layers = said(made_study(TASKS, best={"pitch": 1, "genre": 1}))["Which layers serve which task?"]
    assert "m: the brackets of 0 of 1 pairs of tasks share no layer." in layers
    assert (
        "m: held against all 2 tasks at once (sets at 97.5 %, Bonferroni), layer 1 may be best for every one." in layers
    )


def test_that_no_layer_can_be_best_for_all_is_a_test_at_five_percent_in_all():
    layers = said(made_study(("pitch", "genre", "mood"), best={"pitch": 0, "genre": 3, "mood": 0}))
    text = layers["Which layers serve which task?"]
    assert "m: no layer can be best for all 3 tasks" in text
    assert "(sets at 98.3 %, Bonferroni)" in text


def test_a_layer_is_never_one_of_a_set_that_leaves_it_out():
    results = made_study(("pitch",), best={"pitch": 0})
    results.summary["in_best_set"] = results.summary.layer == 1
    assert "m: pitch 0 (though the test clips prefer 1); " in said(results)["Which layers serve which task?"]


def test_the_optimism_of_choosing_on_test_is_printed():
    results = made_study(("pitch",), best={"pitch": 0})
    layers = results.summary.input == "layer"
    results.summary.loc[layers & (results.summary.layer == 1), "value"] = 0.9  # by luck, after validation chose 0
    text = said(results)["Which layers serve which task?"]
    assert "flattered the score by 10.0 points; all scores" in text
    twice = made_study(("pitch", "genre"), best={"pitch": 0, "genre": 0})
    layers = (twice.summary.input == "layer") & (twice.summary.task == "pitch")
    twice.summary.loc[layers & (twice.summary.layer == 1), "value"] = 0.9
    text = said(twice)["Which layers serve which task?"]
    assert "flattered the score by 5.0 points on average, 10.0 at most" in text


def test_without_plain_features_or_models_nothing_is_said_of_them():
    results = made_study(TASKS)
    only = results.summary.model == "mel"
    results.facts["models"].pop("mel")
    results.summary = results.summary[~only].reset_index(drop=True)
    results.draws = results.draws[~only]
    assert list(said(results)) == ["Which layers serve which task?", "One layer, or all of them?"]


def test_label_free_scores_are_held_against_the_probe():
    worth = worth_of_scores(made_study(("up", "down"), best={"up": 3, "down": 0}), made_similarities())
    assert worth.model.tolist()[:2] == ["m", "n"]
    # The made scores rise with the layer, as the probe's do for one task and fall for the other.
    assert set(worth["up"]) == {"+1.00"}
    assert set(worth["down"]) == {"−1.00"}
    assert set(worth["mean"]) == {"+0.00"}


@pytest.mark.parametrize("layers", [1, 3])
def test_too_few_layers_have_no_rank_correlation(layers):
    assert worth_of_scores(made_study(("a",), layers=layers), made_similarities(layers=layers)).empty


def test_a_comparison_of_other_weights_is_not_held_against_scores(tmp_path):
    study, compared = made_study(("a",), layers=4), made_similarities()
    assert "m" in set(worth_of_scores(study, compared).model)
    compared.facts["models"]["m"]["fingerprint"] = "3" * 32
    assert compared_otherwise(study, compared) == ["m"]
    assert "m" not in list(worth_of_scores(study, compared).get("model", []))
    write_report(study, tmp_path / "page.html", compared)
    assert "Compared were other states of m than are scored here" in (tmp_path / "page.html").read_text()
