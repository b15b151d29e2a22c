from made_study import made_study

from layerscope.report.checkpoints import step_tables


def test_steps_stand_in_their_order_and_say_when_a_task_appears():
    results = made_study(("a",), models=("m@1000", "m@50", "n"), layers=3)
    rows = results.of(model="m@50").index
    # Nothing is known yet at step 50.
    results.summary.loc[rows, ["value", "ci_low", "ci_high"]] = [0.5, 0.4, 0.6]
    (table,) = step_tables(results.only("a"))
    assert [name for name, _, _ in table.rows] == ["50", "1,000"]
    assert table.groups == [("m", ["0", "1", "2"])]
    assert table.rows[1][2][0].tip.startswith("step 1,000, layer 0: 80.0 ")
    assert (
        table.note == "Told apart from chance from step 1,000 on, there by 2 layers."
    )  # of .8, .667 and .533, where chance is .5


def test_a_single_checkpoint_makes_no_map():
    assert step_tables(made_study(("a",), models=("m@50", "n@50")).only("a")) == []
