import pytest
from made_study import made_study

from layerscope.errors import UsageError
from layerscope.report.figure_style import cycle, read_style, styled
from layerscope.report.figures import layer_curves


def style(tmp_path, text):
    path = tmp_path / "paper.mplstyle"
    path.write_text(text)
    return path


def test_size_font_and_colours_are_those_of_the_file(tmp_path):
    settings = read_style(style(
        tmp_path, "figure.figsize: 3.5, 2.0\nfont.size: 7\naxes.prop_cycle: cycler('color', ['112233', 'abcdef'])\n"
    ))  # fmt: skip
    results = made_study(("t",)).only("t")
    with styled(settings):
        figure = layer_curves(results, "mlp")
    assert figure.get_size_inches().tolist() == [3.5, 2.0]
    curves = [line for line in figure.axes[0].lines if line.get_label() in ("m", "n")]
    assert [line.get_color() for line in curves] == [
        "#112233",
        "#abcdef",
    ]
    assert figure.axes[0].yaxis.label.get_fontsize() == 7
    # Afterwards everything is as it was.
    assert layer_curves(results, "mlp").get_size_inches().tolist() == [9.5, 4.4]
    assert cycle(1) == ["#0072b2"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("no.such.key: 1\n", "no.such.key"), ("font.size: large-ish\n", "font.size"), ("", "sets nothing"),
     ("just a text\n", "colon")],
)  # fmt: skip
def test_what_is_no_style_is_refused_by_name(tmp_path, text, reason):
    with pytest.raises(UsageError, match=r"paper\.mplstyle") as refused:
        read_style(style(tmp_path, text))
    assert reason in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.mplstyle"):
        read_style(tmp_path / "gone.mplstyle")
