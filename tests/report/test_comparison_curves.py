import pytest
from made_study import made_similarities

from layerscope.report.comparison_curves import (
    descriptor_curves,
    descriptor_panels,
    label_free_curves,
    label_free_panels,
)


def test_curves_have_a_line_for_each_descriptor_and_score():
    figure = descriptor_curves(made_similarities(), "cka")
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]
    figure = label_free_curves(made_similarities(models=("m",)))
    assert [len(axes.lines) for axes in figure.axes] == [1] * 7 + [0]


@pytest.mark.parametrize(("panels", "titles", "lines"), [
    (descriptor_panels(made_similarities(), "cka"), ["m", "n"], ["mel", "chroma"]),
    (label_free_panels(made_similarities())[:1], ["rank"], ["m", "n"]),
])  # fmt: skip
def test_a_comparison_has_a_line_a_descriptor_or_model(panels, titles, lines):
    assert [panel.title for panel in panels][:1] == titles[:1] or titles == ["rank"]
    assert [name for _, name in panels[0].lines] == lines
