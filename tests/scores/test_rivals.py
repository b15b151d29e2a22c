from dataclasses import replace

import numpy as np
import pytest
from test_score_table import entry
from test_verdict import control, layer, mel, results_of

from layerscope.report.conclusions import answer_questions
from layerscope.report.model_pairs import model_pairs
from layerscope.scores.rivals import judged_gap
from layerscope.scores.verdict import decide


def folds_of(nested):
    """A layer that is lucky on its own clips, and what nested choice scores of its model, another one, and mel."""
    lucky = [layer(1, 0.9, 0.8), layer(2, 0.8, 0.7), entry(2, 0.8, 0.6, input="last")]
    others = [layer(0, 0.6, 0.6, model="n"), mel(0.6), control(0.1, 0.11), control(0.1, 0.11, model="mel")]
    # Spreads that differ, since what varies alike in every resample has no interval.
    scores = {"m": (nested, 0.01), "n": (0.6, 0.012), "mel": (0.6, 0.014)}
    entries = [
        entry(None, 0.9, score, model=model, input="nested", spread=spread) for model, (score, spread) in scores.items()
    ]
    concat = entry(None, 0.9, 0.6, input="concat")
    return results_of(*lucky, concat, *others, *entries, folds=5)


@pytest.mark.parametrize(("nested", "sign", "verdict"), [(0.6, "▬", "not told apart"), (0.79, "▲", "better")])
def test_over_folds_a_layer_beats_what_nested_choice_beats_too(nested, sign, verdict):
    results = folds_of(nested)
    matrices = {answer.question: answer.matrix for answer in answer_questions(results)}
    assert matrices["Do the models beat the best plain feature, and where?"]["m",] == {"d": sign}
    assert matrices["One layer, or all of them?"]["m", "concat"] == {"d": sign}
    assert matrices["One layer, or all of them?"]["m", "last"] == {"d": sign}
    assert [pair.verdict for pair in model_pairs(results)] == [verdict]


def test_over_folds_no_interval_contradicts_the_verdict():
    results = folds_of(0.6)
    (chosen,) = results.of(model="m", chosen=True).index
    (plain,) = results.of(model="mel", chosen=True).index
    assert results.compare(chosen, plain).low > 0  # the resampled clips alone would do
    answer = decide(results, "d")
    gap = judged_gap(results, results.summary.loc[chosen], results.summary.loc[plain])
    assert answer.verdict == "undecided"
    assert gap.low <= 0 < gap.difference


def test_what_is_not_chosen_is_judged_by_the_resampled_clips_alone():
    results = folds_of(0.6)
    concat, last = (results.of(input=name).iloc[0] for name in ("concat", "last"))
    assert judged_gap(results, concat, last) == results.compare(concat.name, last.name)


def test_over_folds_the_best_of_many_models_is_told_as_the_luckiest():
    def nested(name, score):
        own = np.random.default_rng(list(name.encode())).normal(0, 0.04, 1000)
        made = entry(None, 0.7, score, model=name, input="nested")
        return replace(made, draws=made.draws + own)

    def distances(models):
        """How far below its middle a difference from mel may lie, of the model that validation prefers and the last."""
        names = [f"m{number}" for number in range(models)]
        entries = [mel(0.5), nested("mel", 0.5)]
        for place, name in enumerate(names):
            entries += [layer(1, 0.7 - place / 100, 0.6, model=name), nested(name, 0.6)]
        results = results_of(*entries, folds=5)
        results.facts["models"] |= {name: {"baseline": False, "untrained": False} for name in names}
        plain = results.of(input="mean").iloc[0]
        rows = [results.of(model=name, input="layer").iloc[0] for name in (names[0], names[-1])]
        return [0.1 - judged_gap(results, row, plain).low for row in rows]

    (alone, _), (luckiest, last) = distances(1), distances(12)
    # Of twelve that are alike in half of their variance the highest lies 2.7 deviations off as often as one of 1.96.
    assert luckiest / alone == pytest.approx(2.7 / 1.96, rel=0.1)
    # What is not chosen owes nothing to luck among models.
    assert last / alone == pytest.approx(1, rel=0.1)
