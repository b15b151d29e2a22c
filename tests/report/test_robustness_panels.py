"""What is drawn and said of layers under a deformation."""

import pandas as pd
from made_study import made_study

from layerscope.report.robustness_panels import deformed_panels, shown


def test_what_knows_nothing_reaches_up_to_the_luckiest_permutation():
    results = made_study(["t"], models=("m",)).only("t")
    layers = results.of(model="m", probe="mlp", input="layer", metric="accuracy")
    rows = layers.assign(deformation="noise", strength=10.0, value=layers.value - 0.1)
    heights = []
    for luck in (0.5, 0.6):
        noise = results.table.iloc[[0]].assign(
            input="shuffled", split="test", probe="mlp", metric="accuracy", value=luck
        )
        results.table = pd.concat([results.table, noise], ignore_index=True)
        (panel,) = deformed_panels(results, rows, "m")
        heights.append(float(panel.svg.partition('class="floor"')[2].partition('height="')[2].partition('"')[0]))
    assert heights[1] > heights[0] + 5


def point_of(losses, least):
    """Rows of layers 0, 1, … that lose so much, give or take 5 points; `least` may be the best."""
    rows = [
        {"layer": layer, "difference": loss, "difference_low": loss - 0.05, "difference_high": loss + 0.05}
        for layer, loss in enumerate(losses)
    ]
    same = {"metric": "accuracy", "deformation": "noise", "strength": 20.0}
    return pd.DataFrame(rows).assign(**same, loses_least=[layer in least for layer in range(len(losses))])


def test_one_layer_loses_least_and_what_is_not_told_apart_from_it_is_not_said_to():
    # Layer 0 varies so much that its larger loss is not told apart from layer 2's; layer 1's smaller one is.
    assert shown(point_of([-0.19, -0.18, -0.09], least=[0, 2])) == (
        "noise:20 costs layer 2 least (−9.0 [−14.0, −4.0]), from which layer 0 is not told apart (−19.0 [−24.0, "
        "−14.0]), and layer 1 more (−18.0 [−23.0, −13.0])"
    )
    assert shown(point_of([-0.30, -0.10], least=[1])) == (
        "noise:20 costs layer 1 least (−10.0 [−15.0, −5.0]) and layer 0 more (−30.0 [−35.0, −25.0])"
    )
    assert not shown(point_of([-0.30, -0.10], least=[0, 1]))
