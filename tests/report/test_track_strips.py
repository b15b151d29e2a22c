import re
from itertools import cycle

import numpy as np
import pytest

from layerscope.report.track_strips import MOST_MARKS, strip
from layerscope.targets import kind_named
from layerscope.targets.chords import CHORD_NAMES
from layerscope.targets.over_time import KindOverTime

CHORDS, BEATS, SEGMENTS = map(kind_named, ("chords", "beats", "segments"))


def differing(drawn):
    """Return the stretches that are marked, as pairs of seconds."""
    (path,) = re.findall(r'class="differs" d="([^"]*)"', drawn.svg)
    return [(float(start), float(end)) for start, end in re.findall(r"M([\d.]+) 0H([\d.]+)V", path)]


def spans(*rows):
    return {"spans": list(rows)}


def test_chords_differ_where_the_score_tells_them_apart():
    # A seventh counts as its triad, and what is unknown is not scored.
    reference = spans([0.0, 2.0, "C:maj7"], [2.0, 4.0, "A:min"], [4.0, 6.0, "X"])
    drawn = strip("a.wav", CHORDS, CHORD_NAMES, reference, spans([0.0, 3.0, "C:maj"], [3.0, 6.0, "A:min"]))
    assert differing(drawn) == [(2.0, 3.0)]
    assert not drawn.cut


def test_one_name_has_one_colour_in_both_lanes():
    drawn = strip("a.wav", SEGMENTS, ("chorus", "verse"), spans([0, 9, "verse"]), spans([0, 9, "verse"]))
    assert len(re.findall(r'class="c1" d="M0.00 0H9.00V1H0.00z"', drawn.svg)) == 2
    assert differing(drawn) == []


@pytest.mark.parametrize(("late", "lonely"), [(0.06, 0), (0.08, 2)])
def test_beats_differ_where_none_is_within_the_window_of_their_score(late, lonely):
    reference = {"beats": [1.0, 2.0, 3.0], "downbeats": [1.0]}
    drawn = strip("a.wav", BEATS, (), reference, {"beats": [1.0, 2.0 + late, 3.0], "downbeats": []})
    assert len(differing(drawn)) == lonely


def test_a_stretch_says_what_both_lanes_hold():
    drawn = strip("a.wav", SEGMENTS, ("verse",), spans([0, 40, "verse"]), spans())
    assert "0:00–0:05\nannotated: verse\nestimated: nothing" in drawn.svg


def test_names_and_clips_are_escaped():
    drawn = strip("<b>.wav", SEGMENTS, ("<i>",), spans([0, 9, "<i>"]), spans([0, 9, "<i>"]))
    assert "<b>" not in drawn.svg
    assert "<i>" not in drawn.svg


def test_a_long_track_is_cut_and_stays_small():
    edges = np.arange(3000) * 0.08
    rows = zip(edges, edges + 0.08, cycle(CHORD_NAMES[:24]), strict=False)
    flicker = spans(*rows)
    drawn = strip("a.wav", CHORDS, CHORD_NAMES, spans([0, 240, "C:maj"]), flicker)
    assert drawn.cut
    assert f'data-seconds="{MOST_MARKS * 0.08:g}"' in drawn.svg
    assert len(drawn.svg) < 60_000


def test_of_a_kind_whose_rows_are_no_marks_nothing_is_drawn():
    class Loudness(KindOverTime):
        def rows(self, answer):
            return [{"loudness": value} for value in answer["loudness"]]

    assert strip("a.wav", Loudness(), (), {"loudness": [1.0]}, {"loudness": [1.0]}) is None
    assert strip("a.wav", KindOverTime(), (), {}, {}) is None
    assert strip("a.wav", SEGMENTS, (), spans(), spans()) is None


def test_onsets_have_no_names_and_are_drawn():
    drawn = strip("a.wav", kind_named("onsets"), ("onset",), {"onsets": [0.5, 1.0]}, {"onsets": [0.5, 2.0]})
    assert differing(drawn) == [(0.95, 1.05), (1.95, 2.0)]


def test_notes_are_drawn_where_one_sounds_at_a_time():
    notes, names = kind_named("notes"), ("C4", "E4")
    one, other = {"notes": [[0.0, 1.0, 60], [1.0, 2.0, 64]]}, {"notes": [[0.0, 2.0, 60]]}
    assert differing(strip("a.wav", notes, names, one, other)) == [(1.0, 2.0)]
    assert strip("a.wav", notes, names, {"notes": [[0.0, 2.0, 60], [1.0, 2.0, 64]]}, other) is None


def test_a_curve_of_numbers_is_no_lane():
    track = {"times": [0.02, 0.06], "frequencies": [220.0, 221.0]}
    assert strip("a.wav", kind_named("melody"), ("unvoiced", "A3"), track, track) is None
