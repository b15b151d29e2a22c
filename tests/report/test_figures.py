from test_sentences import study

from layerscope.report.figures import layer_curves


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
