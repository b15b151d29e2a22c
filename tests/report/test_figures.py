import pandas as pd
from test_sentences import study

from layerscope.report.figure_style import new_figure
from layerscope.report.figures import draw_layers, layer_curves


def figure():
    results = study(plain=0.6)
    for model, layers in (("m", [0, 1]), ("mel", [0]), ("r", [0])):
        results.facts["models"][model]["layers"] = layers
    return layer_curves(results, "mlp")


def test_both_panels_share_the_scale_and_name_what_they_show():
    curves, others = figure().axes
    assert curves.get_ylim() == others.get_ylim()
    assert curves.get_ylabel() == "accuracy"
    assert [label.get_text() for label in others.get_xticklabels()] == ["last", "concat", "mel"]


def test_the_chance_line_is_what_the_luckiest_permutation_scores():
    results = study(plain=0.6)
    metric = results.facts["primary"]
    noise = results.table.iloc[[0]].assign(input="shuffled", split="test", probe="mlp", metric=metric, value=0.58)
    results.table = pd.concat([results.table, noise], ignore_index=True)
    axes = new_figure(4, 3).subplots()
    draw_layers(axes, results, "mlp")
    assert [float(line.get_ydata()[0]) for line in axes.lines if line.get_linestyle() == ":"] == [0.58]
