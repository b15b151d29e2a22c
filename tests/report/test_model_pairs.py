from made_study import made_study

from layerscope.report.model_pairs import model_pairs


def test_every_two_models_are_held_against_one_another_on_every_task():
    pairs = model_pairs(made_study(("a", "b"), models=("m", "n", "o"), best={"a": 1, "b": 2}))
    assert [(pair.task, pair.ours, pair.theirs) for pair in pairs][:3] == [
        ("a", "m, layer 1", "n, layer 1"), ("a", "m, layer 1", "o, layer 1"), ("a", "n, layer 1", "o, layer 1"),
    ]  # fmt: skip
    assert len(pairs) == 6
    assert {pair.verdict for pair in pairs} == {"not told apart"}  # all models score alike


def test_a_model_that_is_worse_is_said_to_be_unless_many_are_compared():
    results = made_study(("a",), models=("m", "n"), layers=1)
    row = results.of(model="n", probe="mlp", input="layer").index[0]
    results.summary.loc[row, "value"] -= 0.1
    results.draws[row] = results.draws[results.of(model="m", probe="mlp", input="layer").index[0]] - 0.1
    results.draws[row, ::2] += 0.07
    results.summary.loc[results.summary.probe == "linear", "valid"] = 0.0
    pair = model_pairs(results)[0]
    assert (pair.verdict, round(pair.difference, 6)) == ("better", 0.1)
    assert pair.text.startswith("+10.0 [")


def test_one_model_has_no_pair():
    assert model_pairs(made_study(("a",), models=("m",))) == []
