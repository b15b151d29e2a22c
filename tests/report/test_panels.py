import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from layerscope.report.panels import Curve, frame_of, panel


def curve(name, values, look="s0", half=0.1):
    values = np.array(values, float)
    table = pd.DataFrame(
        {"layer": range(len(values)), "value": values, "ci_low": values - half, "ci_high": values + half}
    )
    return Curve(name, table.assign(chosen=values == 0.8, in_best_set=values > 0.6), look)


def drawn(curves, **more):
    frame = frame_of(curves, lambda value, low, high: f"{value:.1f} [{low:.1f}, {high:.1f}]", str)
    return frame, ElementTree.fromstring(str(panel(curves, frame, "text & <more>", **more)))


def test_each_layer_says_the_numbers_of_its_curves_but_not_of_those_in_the_background():
    twin = curve("twin", [0.3, 0.7], "s0 twin")
    _, svg = drawn([curve("other", [0.1, 0.2], "context"), twin, curve("a <b>", [0.5, 0.8])])
    titles = [title.text for title in svg.iter("title")]
    assert titles == [
        "layer 0\na <b>: 0.5 [0.4, 0.6]\ntwin: 0.3 [0.2, 0.4]",
        "layer 1\na <b>: 0.8 [0.7, 0.9], preferred by validation, may be best\ntwin: 0.7 [0.6, 0.8]",
    ]
    assert svg.get("aria-label") == "text & <more>"
    assert svg.get("tabindex") == "0"


def test_what_knows_nothing_is_a_band_and_the_plain_feature_a_line():
    frame, svg = drawn([curve("a", [0.2, 0.8])], floor=(0.3, 0.5), level=("plain feature", 0.6))
    band = svg.find("rect[@class='floor']")
    assert float(band.get("y")) == pytest.approx(frame.y(0.5), abs=0.1)
    assert float(band.get("height")) == pytest.approx(frame.y(0.3) - frame.y(0.5), abs=0.1)
    assert f"M42 {frame.y(0.6):.1f}H" in svg.find("path[@class='level']").get("d")


def test_a_layer_without_a_score_has_no_mark_and_a_single_layer_a_bar():
    _, svg = drawn([curve("a", [0.5, np.nan, 0.7])])
    assert len(svg.findall(".//circle[@class='dot']")) + len(svg.findall(".//circle[@class='dot open']")) == 2
    _, svg = drawn([curve("a", [0.5])])
    assert len(svg.findall(".//path[@class='curve']")) == 1


@pytest.mark.parametrize(("count", "labels"), [(12, 12), (13, 7), (25, 13), (49, 10)])
def test_layers_are_labelled_as_far_as_there_is_room(count, labels):
    _, svg = drawn([curve("a", np.linspace(0, 1, count))])
    assert sum(text.text.isdigit() and text.get("y") == "168" for text in svg.iter("text")) == labels
