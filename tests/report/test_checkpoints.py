import numpy as np
from made_study import made_study

from layerscope.report.checkpoints import step_tables


def test_steps_stand_in_their_order_and_say_when_a_task_appears():
    results = made_study(("a",), models=("m@1000", "m@50", "n"), layers=3)
    rows = results.of(model="m@50").index
    # Nothing is known yet at step 50.
    results.draws[rows] += 0.5 - results.summary.value[rows].to_numpy()[:, None]
    results.summary.loc[rows, ["value", "ci_low", "ci_high"]] = [0.5, 0.4, 0.6]
    (table,) = step_tables(results.only("a"))
    assert [name for name, _, _ in table.rows] == ["50", "1,000"]
    assert table.groups == [("m", ["0", "1", "2"])]
    assert table.rows[1][2][0].tip.startswith("step 1,000, layer 0: 80.0 ")
    # Of .8, .667 and .533, where chance is .5.
    assert table.note.startswith("Told apart from chance from step 1,000 on, there by 2 layers. ")


def test_the_last_step_is_held_against_the_others():
    names = ("m@1", "m@20", "m@300")
    results = made_study(("a",), models=names, probes=("mlp",))
    assert "Step 300, the last, is told apart from no other" in step_tables(results.only("a"))[0].note
    worse, better = results.of(model="m@1").index, results.of(model="m@20").index
    for rows, points in ((worse, -0.1), (better, 0.1)):
        results.summary.loc[rows, "value"] += points
        results.draws[rows] += points + np.random.default_rng(0).normal(0, 0.01, results.draws[rows].shape)
    note = step_tables(results.only("a"))[0].note
    assert "Step 300, the last, is better than at 1 and worse than at 20, each by" in note
    assert note.endswith("corrected together (Holm).")


def test_a_single_checkpoint_makes_no_map():
    assert step_tables(made_study(("a",), models=("m@50", "n@50")).only("a")) == []
