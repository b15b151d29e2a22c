from dataclasses import replace

import numpy as np
from made_study import made_study
from test_score_table import entry

import layerscope as ls
from layerscope.report.sentences import advise, seeds_text
from layerscope.scores.score_table import Results
from layerscope.scores.tabulate import tabulate


def test_a_probe_without_randomness_is_not_said_to_have_seeds():
    reasons = advise(study(plain=0.6)).reasons
    assert "with the mlp probe on 50 test clips, 2 trainings" in reasons[0]


def test_the_header_says_which_probes_have_seeds():
    results = made_study(("pitch", "genre"))
    assert seeds_text(results) == "mlp: 2 seeds; linear: none needed"
    results.facts["tasks"]["genre"]["seeds"] = 3
    assert seeds_text(results) == "mlp: 2 or 3 seeds; linear: none needed"
    for facts in results.facts["tasks"].values():
        facts["seeds"] = 1
    assert seeds_text(results.only("pitch")) == "mlp: 1 seed; linear: none needed"


def results_of(*entries, models, **facts):
    task = {
        "primary": "accuracy", "leaks": [], "absent_tags": [], "test_groups": 50, "skipped": 0, "chance": 0.1,
        "dataset": "d", "task": "d", "target": "t", "title": "d", **facts,
    }  # fmt: skip
    kinds = {name: {"baseline": False, "untrained": False, **kind} for name, kind in models.items()}
    note = facts.get("note", "")
    return Results(*tabulate(entries), {"models": kinds, "tasks": {"d": task}, "note": note}).only("d")


MODELS = {"m": {}, "mel": {"baseline": True}, "r": {"untrained": True}}


def study(plain, untrained=0.4):
    return results_of(
        entry(0, 0.5, 0.5), entry(1, 0.8, 0.8), entry(1, 0.8, 0.8, input="last"), entry(None, 0.7, 0.7, input="concat"),
        entry(0, plain, plain, model="mel", input="mean"), entry(0, untrained, untrained, model="r"), models=MODELS,
    )  # fmt: skip


def test_a_model_that_beats_plain_features_is_recommended():
    advice = advise(study(plain=0.6))
    assert advice.headline == "Use layer 1 of m: it beats plain features and random weights."
    assert any("Layer 1 of m minus mel (mean over time): +20.0 points [" in reason for reason in advice.reasons)
    assert any("better" in reason and "random weights" in reason and "one draw" in reason for reason in advice.reasons)


def test_over_folds_the_score_that_is_held_against_chance_is_said():
    results = results_of(entry(1, 0.8, 0.6), entry(None, 0.8, 0.12, input="nested"), models={"m": {}})
    assert any("without its own clips: 12.0, which may truly be as low as" in line for line in advise(results).reasons)
    assert not any("without its own clips" in line for line in advise(study(plain=0.6)).reasons)


def test_of_layers_that_validation_scores_alike_it_is_said_that_the_lowest_is_taken():
    assert "Chosen: the highest accuracy on validation, 0.800, of 2 candidates." in advise(study(plain=0.6)).reasons
    results = results_of(entry(0, 0.8, 0.5), entry(1, 0.8, 0.8), entry(2, 0.5, 0.5), models={"m": {}})
    assert advise(results).reasons[1].endswith(" Layers 0–1 of m score alike there; the lowest is taken.")


def test_a_plain_feature_that_loses_nothing_is_recommended():
    assert advise(study(plain=0.95)).headline == (
        "Use a plain feature, mel (mean over time): no layer is better by 2.0 points or more."
    )


def test_what_is_not_told_apart_is_undecided():
    headline = advise(study(plain=0.80)).headline
    assert headline.startswith("Undecided: layer 1 of m or mel (mean over time); about ")
    assert headline.endswith(" more test clips would decide, if the scores stay.")


def test_noise_is_not_recommended():
    results = results_of(
        entry(0, 0.5, 0.52, spread=0.1), entry(0, 0.5, 0.5, model="mel", input="mean", spread=0.1), models=MODELS,
        chance=0.5,
    )  # fmt: skip
    assert advise(results).headline.startswith("Nothing to use yet: no input is shown to beat chance")
    assert "First check that states and labels (files and their rows) are in one order; " in advise(results).headline


def test_labels_that_leave_no_interval_are_named_in_place_of_an_order_that_may_be_wrong():
    random = np.random.default_rng(0)
    plays = np.exp(1.5 * random.normal(size=100))
    states = random.normal(size=(100, 2, 4))
    states[:, 1, 0] = plays  # a perfect layer

    def told(values):
        features = ls.Features.from_arrays(states, values.tolist(), model="m")
        return advise(ls.probe(features, probes="closed", folds=5).only("features")).headline

    raw, logarithms = told(plays), told(np.log(plays))
    assert raw.startswith(
        "Nothing to use yet: no input is shown to beat chance and shuffled labels; R² has no interval"
    )
    assert "logarithms may be the better target" in raw
    assert "in one order" not in raw
    assert "no interval" not in logarithms


def permutations(*values, model="m"):
    """Return the scores of a model with shuffled labels."""
    made = entry(0, 0.5, 0.5, model=model, input="shuffled")
    rows = [{"seed": seed, "split": "test", "value": value, "ci_low": 0.0, "ci_high": 1.0, "n": 50}
            for seed, value in enumerate(values)]  # fmt: skip
    return replace(made, rows=[made.rows[0], *rows])


def test_a_permutation_as_high_as_a_high_score_is_told_as_what_is_in_its_way():
    shuffled = permutations(0.3, 0.4, 0.9, model="mel")
    results = results_of(entry(0, 0.9, 0.9, model="mel", input="mean"), shuffled, models={"mel": MODELS["mel"]},
                         chance=0.5)  # fmt: skip
    assert advise(results).headline == (
        "Nothing to use yet: mel (mean over time) lies above chance, but one of 3 permutations of shuffled labels "
        "scores 90.0; more clips would tell whether that is luck."
    )


def test_where_a_permutation_scores_as_high_no_number_of_clips_is_promised_and_that_is_why():
    low = results_of(entry(0, 0.52, 0.52, spread=0.1), permutations(0.3, 0.6), models={"m": {}}, chance=0.5)
    assert advise(low).answer.needed is None
    assert advise(low).headline.endswith(
        "; no number of clips is promised to show it, since one of 2 permutations scores 60.0, no "
        "less than layer 0 of m."
    )
    plain = entry(0, 0.7, 0.7, model="mel", input="mean")
    open_choice = results_of(entry(0, 0.8, 0.8), permutations(0.3, 0.85), plain, models=MODELS)
    assert (advise(open_choice).answer.verdict, advise(open_choice).answer.needed) == ("undecided", None)
    assert advise(open_choice).headline.endswith(
        "permutations of shuffled labels scores 85.0, no less than layer 0 of m."
    )


def test_of_two_inputs_that_never_differ_no_interval_without_width_is_shown():
    """R² of copies of one layer, or of two that answer all rightly."""
    copies = [entry(number, 1.0, 1.0, metric="r2", spread=0.0) for number in (0, 1)]
    twin = entry(0, 1.0, 1.0, model="r", metric="r2", spread=0.0)
    results = results_of(*copies, twin, models=MODELS, primary="r2", chance=0.0)
    assert any("+0.000 [alike in every resample], not told apart" in reason for reason in advise(results).reasons)
    assert "[+0.000, +0.000]" not in "".join(advise(results).reasons)


def test_random_weights_that_alone_hear_something_are_not_taken_for_rows_in_disorder():
    entries = [entry(0, 0.5, 0.5, spread=0.1), entry(0, 0.9, 0.9, model="r")]
    results = results_of(*entries, models={"m": {}, "r": {"untrained": True}}, chance=0.5)
    assert advise(results).headline == (
        "Nothing to use yet: random weights (layer 0 of r) beat chance and shuffled labels, and no trained layer or "
        "plain feature is shown to."
    )


def test_probes_that_disagree_are_said_to():
    def with_probe(probe, *values):
        made = [entry(number, value, value) for number, value in enumerate(values)]
        return [replace(each, label={**each.label, "probe": probe}) for each in made]

    def reasons(mlp, linear):
        return advise(results_of(*with_probe("mlp", *mlp), *with_probe("linear", *linear), models=MODELS)).reasons

    assert (
        "The probes disagree on the best layer (mlp 3, linear 0): none may be best with all of them; "
        "their orders of the layers correlate by −0.400 [−0.400, −0.400] (Spearman; in brackets, in 95 % of the "
        "resamples of the test clips)."
    ) in reasons((0.5, 0.6, 0.7, 0.9), (0.9, 0.6, 0.5, 0.7))
    # Noise has an order too, of which nothing is said.
    assert not any("prefer" in reason for reason in reasons((0.11, 0.1, 0.09, 0.1), (0.1, 0.09, 0.1, 0.11)))
    assert "Both probes prefer layer 1." in reasons((0.5, 0.9), (0.5, 0.8))
    assert (
        "The probes prefer different layers (mlp 1, linear 0), which the test clips do not contradict: "
        "with every probe layer 0–1 may be best."
    ) in reasons((0.8, 0.801), (0.801, 0.8))


def test_layers_that_tell_together_what_none_tells_alone_are_not_called_nothing():
    results = results_of(
        entry(0, 0.12, 0.12), entry(None, 0.9, 0.9, input="concat(0+1)"), models={"m": {}}, groups="song"
    )
    assert advise(results).headline == (
        "Nothing to use yet: by itself no layer or plain feature is shown to beat chance and shuffled labels; shown "
        "to score more than layer 0 of m: layers 0, 1 of m side by side (90.0)."
    )


def test_of_many_sets_each_is_one_more_chance_to_be_lucky():
    sets = [entry(None, 0.5, 0.571, input=f"search({size})", spread=0.03) for size in range(2, 10)]
    one, many = (results_of(entry(1, 0.6, 0.5), *some, models=MODELS) for some in (sets[:1], sets))
    assert [text for text in advise(one).reasons if text.endswith("worse.")]
    assert not [text for text in advise(many).reasons if text.endswith("worse.")]


def test_few_clips_are_not_said_to_be_hopeless():
    results = results_of(entry(0, 0.8, 0.8), models=MODELS, test_groups=6)
    results.summary[["ci_low", "ci_high"]] = float("nan")
    assert "6 test groups of clips are too few to show it: 10 are the least." in advise(results).headline


def test_groups_of_which_a_few_hold_most_clips_are_said_to_be_too_few():
    results = results_of(entry(0, 0.8, 0.8), models=MODELS, test_groups=15, effective_groups=2)
    results.summary[["ci_low", "ci_high"]] = float("nan")
    advice, named = advise(results), "which differ in size and count as 2, are"
    assert f"15 test groups of clips, {named} too few to show it: 10" in advice.headline
    assert any(f"15 independent groups, {named} tested" in caution for caution in advice.cautions)


def test_the_layer_is_compared_with_the_inputs_of_all_layers():
    reasons = advise(study(plain=0.6)).reasons
    assert any(reason.startswith("Layer 1 minus all layers of m side by side: +10.0 points") for reason in reasons)
    assert "On the test clips, layer 1 is told apart from every other layer." in reasons
    assert not any("the last input" in reason for reason in reasons)  # layer 1 is the last


def test_without_a_trained_model_nothing_is_claimed_of_one():
    advice = advise(results_of(entry(0, 0.6, 0.6, model="mel", input="mean"), models={"mel": {"baseline": True}}))
    assert advice.headline == "Use a plain feature, mel (mean over time): it beats chance and shuffled labels."
    assert "No trained model was studied; this says nothing about one." in advice.cautions


def test_layers_that_tell_more_together_are_named_where_the_answer_is_open():
    random, labels = np.random.default_rng(3), np.arange(160) % 4
    cells = [f"class {label}" for label in labels]
    states, plain = random.normal(size=(160, 5, 8)), random.normal(size=(160, 1, 6))
    # Each of two layers, and a plain feature, knows one half of the class.
    states[:, 1, 0] += 5 * (labels % 2)
    states[:, 3, 0] += 5 * (labels // 2)
    plain[:, 0, 0] += 5 * (labels % 2)
    features = [
        ls.Features.from_arrays(states.astype(np.float32), cells),
        ls.Features.from_arrays(plain.astype(np.float32), cells, baseline=True, model="plain"),
    ]
    results = ls.probe(features, probes="closed", layers_as="1+3", seeds=1)
    assert results.answer().verdict == "undecided"
    told = advise(results.only(results.tasks[0])).headline
    assert "shown to score more than layer 1 of features" in told
    assert "layers 1, 3 of features side by side (96.9)" in told
