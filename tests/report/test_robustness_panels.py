import pandas as pd
from made_study import made_study

from layerscope.report.robustness_panels import deformed_panels


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
