"""Sections begin where what is said of frames changes; boundaries are scored by mir_eval."""

import numpy as np

from layerscope.targets import Column, recognise
from layerscope.targets.segments import Segments, section_spans
from layerscope.targets.spans import Spans


def spans(*rows):
    return Spans(np.array([row[:2] for row in rows], float), tuple(row[2] for row in rows))


def test_sections_begin_where_the_probabilities_change():
    rate, labels = 8.0, [0] * 160 + [1] * 120 + [2] * 200
    probabilities = np.eye(3)[labels] + np.random.default_rng(0).random((480, 3)) * 0.3
    spans = section_spans(probabilities, ("verse", "chorus", "outro"), rate)
    assert spans.labels == ("verse", "chorus", "outro")
    np.testing.assert_allclose(spans.intervals[:, 1], [20.0, 35.0, 60.0], atol=0.5)


def test_boundaries_are_mir_evals_trimmed():
    reference = spans((0, 10, "a"), (10, 20, "b"), (20, 30, "a"))
    estimate = spans((0, 10.4, "a"), (10.4, 17.5, "b"), (17.5, 30, "c"))
    tight, loose = (metric.measure for metric in Segments.metrics[1:])
    assert (tight(reference, estimate)[0], loose(reference, estimate)[0]) == (0.5, 1.0)
    assert loose(spans((0, 30, "a")), estimate) == (0.0, 0.0)
    assert loose(reference, spans((0, 30, "a"))) == (0.0, 1.0)


def test_names_of_sections_that_may_be_one_are_said():
    cells = [[[0.0, 1.0, "Verse"], [1.0, 2.0, "chorus"], [2.0, 3.0, "verse"]]] * 2
    assert recognise(Column("sections", cells)).evidence.endswith("taken as different: 'Verse' (2), 'verse' (2)")
