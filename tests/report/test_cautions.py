import pytest
from test_score_table import entry
from test_sentences import MODELS, results_of, study

from layerscope.report.sentences import advise


def test_sounds_with_two_labels_and_skipped_clips_are_said():
    sounds = [f"a/{number}.wav and b/{number}.wav" for number in range(12)]
    results = results_of(
        entry(0, 0.5, 0.5), entry(0, 0.4, 0.4, model="mel", input="mean"), models=MODELS, disputed=sounds, skipped=2
    )
    cautions = " ".join(advise(results).cautions)
    assert "12 sounds have different labels under different names: a/0.wav and b/0.wav; a/1.wav" in cautions
    assert "; and 6 more." in cautions
    assert "2 clips were not used; see skipped.csv for the reason." in cautions


def test_inputs_of_all_layers_that_win_are_a_caution():
    results = results_of(entry(0, 0.8, 0.6), entry(None, 0.7, 0.9, input="concat"), models=MODELS)
    caution = "Where one layer is not all that can be had: layer 0 of m scores less than all layers of m side by side."
    assert caution in advise(results).cautions
    assert not any("not all that can be had" in caution for caution in advise(study(plain=0.6)).cautions)


@pytest.mark.parametrize(("other", "said"), [(0.79, True), (0.5, False)])
def test_another_model_that_is_not_told_apart_is_a_caution(other, said):
    mel = entry(0, 0.4, 0.4, model="mel", input="mean")
    results = results_of(entry(3, 0.8, 0.8), entry(1, 0.75, other, model="n"), mel, models=MODELS | {"n": {}})
    advice = advise(results)
    assert (advice.answer.verdict, advice.answer.model) == ("layer", "m")
    assert ("Layer 1 of n may be as good." in advice.cautions) == said


def test_cautions_name_what_limits_the_claims():
    advice = advise(
        results_of(entry(0, 0.6, 0.6), models={"m": {}}, test_groups=6, leaks=["group 'a' is in train and test"],
                   absent_tags=["rock"], note="A note.", rare=["oboe"], majority=0.9, grouped=False,
                   never_trained={"new": 9}, shifted={"b": [0.1, 0.5]}, held_by_few=["plays"],
                   far_off=["m (layer 0), closed"], tail_unseen=30)
    )  # fmt: skip
    assert "A note." in advice.cautions
    assert any("Fewer than 10 clips in all: “oboe”" in caution for caution in advice.cautions)
    assert any("90 % of the clips are of one class" in caution for caution in advice.cautions)
    assert any("“new” (9 test clips) is in no training clip and" in caution for caution in advice.cautions)
    assert any("“b” 50 % (10 % of the training clips)" in caution for caution in advice.cautions)
    assert any("holds most of the variance of the values: R² rests on those" in caution for caution in advice.cautions)
    assert any(caution.startswith("30 test clips need not show a long tail") for caution in advice.cautions)
    assert any("most of the squared error of m (layer 0), closed: R²" in caution for caution in advice.cautions)
    assert any("No groups were given" in caution for caution in advice.cautions)
    assert any("6 independent groups are tested, too few for intervals" in caution for caution in advice.cautions)
    assert any("group 'a' is in train and test" in caution for caution in advice.cautions)
    assert any("rock" in caution for caution in advice.cautions)


def test_what_is_no_better_than_chance_wins_over_no_layer():
    results = results_of(entry(0, 0.3, 0.0), entry(None, 0.2, 0.15, input="concat"), models=MODELS)
    assert results.compare(1, 0).low > 0
    assert not any("not all that can be had" in caution for caution in advise(results).cautions)


def test_of_many_rare_classes_their_number_says_it():
    advice = advise(results_of(entry(0, 0.6, 0.6), models={"m": {}}, rare=[f"c{n}" for n in range(24)]))
    assert "Fewer than 10 clips in all: 24 classes; next to nothing is known of them." in advice.cautions


@pytest.mark.parametrize(
    ("facts", "said"), [({"no_interval": "R² has no interval"}, "no interval is given"), ({}, "its intervals hold")]
)
def test_where_few_clips_hold_most_of_the_variance_an_older_run_has_intervals(facts, said):
    advice = advise(results_of(entry(0, 0.6, 0.6), models={"m": {}}, held_by_few=["plays"], **facts))
    assert any("R² rests on those" in caution and said in caution for caution in advice.cautions)
