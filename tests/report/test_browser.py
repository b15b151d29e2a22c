"""What a reader's browser makes of pages: requests, overflow, small print, keys, sorting, contrast, and how soon."""

import json
import time

import pandas as pd
import pytest
from browser import AXE, OPEN_ALL, WINDOWS, axe_core, browser, chromium
from made_study import made_similarities, made_study
from test_concept_page import FACTS, score
from test_learning_curves import made as made_few_labels

from layerscope.report import write_report
from layerscope.report.concept_page import write_concept_page
from layerscope.targets.chords import CHORD_NAMES

pytestmark = pytest.mark.skipif(chromium() is None, reason="needs Chromium")

#: The least size in CSS pixels of any text that is seen; what an SVG holds is scaled with it.
LEAST_TEXT = """
Math.min(...[...document.querySelectorAll("body *")]
  .filter((item) => item.checkVisibility() && !item.closest("script, style, title")
                    && [...item.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
  .map((item) => {
    const drawing = item.closest("svg");
    const scale = drawing ? drawing.getBoundingClientRect().width / drawing.viewBox.baseVal.width : 1;
    return parseFloat(getComputedStyle(item).fontSize) * scale;
  }))
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    page = tmp_path_factory.mktemp("page") / "report.html"
    results = made_study(["low", "high"], models=("a", "a@100", "a@200"), layers=5, probes=("mlp",), plain=0.7)
    write_report(results, page, made_similarities())
    return page


@pytest.mark.parametrize(("width", "dark"), WINDOWS)
def test_nothing_is_asked_for_nothing_overflows_and_nothing_is_too_small_to_read(tab, page, width, dark):
    tab.open(page, width, dark=dark)
    assert tab.complaints() == []
    tab.run(OPEN_ALL)
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run(LEAST_TEXT) >= 11


def test_a_layer_says_its_numbers_to_the_pointer_and_to_the_keys(tab, page):
    tab.open(page)
    for _ in range(2):
        tab.run("document.querySelector('svg.panel').scrollIntoView({block: 'center'})")
        tab.settle()
    box = "(({x, y, width, height}) => [x + width / 2, y + height / 2])"
    x, y = tab.run(f"{box}(document.querySelectorAll('svg.panel .at')[1].getBoundingClientRect())")
    tab.point(x, y)
    tip = "document.querySelector('.tip').textContent"
    assert tab.run(tip).startswith("layer 1\na: 72.0 ")
    tab.run("document.querySelector('svg.panel').focus()")
    tab.press("ArrowRight")
    assert tab.run(tip).startswith("layer 2\na: 64.0 ")
    tab.press("ArrowLeft")
    assert tab.run(tip).startswith("layer 1\na: 72.0 ")
    # The pointer rests where it was; what scrolls or is laid out beneath it is not pointed at.
    tab.run("scrollBy(0, 300)")
    tab.settle()
    tab.settle()
    assert tab.run(tip).startswith("layer 1\na: 72.0 ")
    # No title is left that the browser would show over it.
    assert tab.run("document.querySelectorAll('svg title, td[title]').length") == 0


def test_a_cell_of_the_map_says_what_it_is_and_arrows_walk_between_tasks(tab, page):
    tab.open(page)
    tab.run("document.querySelector('.walk').focus()")
    tip = "document.querySelector('.tip').textContent"
    tab.press("ArrowRight")
    assert tab.run(tip).startswith("low, a, layer 0: 80.0 ")
    assert "preferred by validation" in tab.run(tip)
    tab.press("ArrowDown")
    assert tab.run(tip).startswith("high, a, layer 0: 72.0 ")


def test_the_first_table_sorts_by_its_headers_and_leads_to_the_task(tab, page):
    tab.open(page)
    titles = "[...document.querySelectorAll('#verdicts tbody th')].map((cell) => cell.textContent)"
    assert tab.run(titles) == ["low", "high"]
    tab.run("document.querySelector('#verdicts thead button').focus()")
    tab.press("Enter")
    assert tab.run(titles) == ["high", "low"]
    assert tab.run("document.querySelector('#verdicts thead th').ariaSort") == "ascending"
    tab.run("document.querySelector('#verdicts tbody td.use').click()")
    assert tab.run("location.hash") == "#task-2"


def write_tracks(page):
    """Write a page with the strip of a track."""
    results = made_study(["low"], models=("m",), probes=("mlp",))
    results.facts["tasks"]["low"] |= {"kind": "chords", "names": list(CHORD_NAMES)}
    spans = [[2.0 * n, 2.0 * n + 2, CHORD_NAMES[n % 25]] for n in range(60)]
    said = {"truth": json.dumps({"spans": spans}), "answer": json.dumps({"spans": [[0.0, 120.0, "C:maj"]]})}
    said |= {"task": "low", "input": "layer", "layer": 0, "probe": "mlp", "clip": "a.wav", "group": 0, "fold": 0}
    rows = [{**said, "model": model, "probability": float("nan"), "score": 0.1} for model in ("m", "mel")]
    write_report(results, page, predictions=pd.DataFrame(rows))


def write_few_labels(page):
    """Write a page with learning curves."""
    results, few = made_few_labels()
    write_report(results, page, few_labels=few)


def write_concepts(page):
    """Write the page of a battery."""
    scores = [score("key", "a", layer, 0.3 * layer, shown=layer > 0, chosen=layer == 1) for layer in range(3)]
    moved = {"factor": "key", "model": "a", "total": 0.2, "total_low": 0.1, "total_high": 0.3,
             "main": 0.2, "main_low": 0.1, "main_high": 0.3, "shown": True}  # fmt: skip
    write_concept_page(pd.DataFrame(scores), pd.DataFrame([moved | {"layer": k} for k in range(3)]), FACTS, page)


def write_tags(page):
    """Write a page with long names of tags."""
    results = made_study(["low"], models=("m",), probes=("mlp",))
    names = [f"a name of a tag that is rather long, number {number}" for number in range(4)]
    results.facts["tasks"]["low"] |= {"kind": "tags", "names": names}
    said = {"task": "low", "model": "m", "input": "layer", "layer": 0, "probe": "mlp", "fold": 0}
    said |= {"answer": "|".join(names), "probability": float("nan"), "score": float("nan")}
    said |= {"probabilities": json.dumps(dict.fromkeys(names, 0.5))}
    rows = [{**said, "clip": f"{n}.wav", "group": n, "truth": "|".join(names[n % 4 :])} for n in range(24)]
    write_report(results, page, predictions=pd.DataFrame(rows))


@pytest.mark.parametrize(("width", "dark"), WINDOWS)
def test_a_track_says_what_was_annotated_and_estimated(tab, tmp_path, width, dark):
    write_tracks(tmp_path / "report.html")
    tab.open(tmp_path / "report.html", width, dark=dark)
    assert tab.complaints() == []
    tab.run(OPEN_ALL)
    assert tab.run("document.querySelectorAll('.strip').length") == 1
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run(LEAST_TEXT) >= 11
    tab.run("document.querySelector('.track .walk').focus()")
    tab.press("ArrowRight")
    tab.press("ArrowRight")
    tip = "document.querySelector('.tip').textContent"
    names = "Gb:maj, G:maj, Ab:maj, A:maj, Bb:maj, B:maj"
    assert tab.run(tip) == f"0:12–0:24\nannotated: {names}\nestimated: C:maj"


def test_what_is_wider_than_a_phone_says_that_it_scrolls(tab, page):
    tab.open(page, 390)
    assert tab.run("document.querySelector('.shades').parentNode.classList.contains('more')")


def test_of_one_task_the_answer_is_the_first_thing_on_a_phone(tab, tmp_path):
    write_report(made_study(["low"], probes=("mlp",)), tmp_path / "report.html")
    tab.open(tmp_path / "report.html", 390, 700)
    places = ".map((item) => item.getBoundingClientRect().bottom)"
    boxes = tab.run(f"[...document.querySelectorAll('.headline, .badge, .use')]{places}")
    assert len(boxes) == 3
    assert max(boxes) < 700


def test_of_one_task_the_answer_fits_a_laptop(tab, tmp_path):
    results = made_study(["low"], models=("toy-musicfm", "random:toy-musicfm"), probes=("mlp",))
    results.facts["models"]["random:toy-musicfm"]["untrained"] = True
    write_report(results, tmp_path / "report.html")
    tab.open(tmp_path / "report.html", 1280)
    assert tab.run("document.querySelectorAll('#verdicts thead th').length") == 7
    assert not tab.run("document.querySelector('#verdicts').parentNode.classList.contains('more')")


def test_on_paper_the_answers_are_a_table_and_no_cards(tab, page):
    tab.open(page, 740)  # as wide as a sheet between its margins
    display = "getComputedStyle(document.querySelector('#verdicts tbody tr')).display"
    assert tab.run(display) == "grid"
    tab.call("Emulation.setEmulatedMedia", media="print")
    assert tab.run(display) == "table-row"
    tab.call("Emulation.setEmulatedMedia", media="")


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    script = axe_core(tmp_path_factory.mktemp("axe"))
    if script is None:
        pytest.skip(f"npm has no {AXE} here")
    return script


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), WINDOWS)
def test_axe_finds_nothing(tab, page, axe, width, dark):
    assert_axe_finds_nothing(tab, page, axe, width, dark=dark)


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_tracks, write_tags, write_few_labels, write_concepts])
def test_pages_of_other_kinds_fit_a_phone_and_axe_finds_nothing(tab, axe, tmp_path, write):
    write(tmp_path / "report.html")
    assert_axe_finds_nothing(tab, tmp_path / "report.html", axe, 390, dark=True)
    assert tab.complaints() == []
    assert tab.run("document.documentElement.scrollWidth") <= 390
    assert tab.run(LEAST_TEXT) >= 11


def assert_axe_finds_nothing(tab, page, axe, width, *, dark):
    tab.open(page, width, dark=dark)
    tab.run(OPEN_ALL)
    tab.run(f"{axe};0")
    assert tab.run("axe.run().then(({violations}) => violations.map(({id, nodes}) => [id, nodes[0].html]))") == []


@pytest.mark.slow
def test_fourteen_tasks_of_two_models_open_in_a_second(tab, tmp_path, monkeypatch):
    monkeypatch.setattr("layerscope.report.page_files.DPI", 20)  # of pictures beside the page
    tasks = [f"task {number}" for number in range(14)]
    page = tmp_path / "report.html"
    write_report(made_study(tasks, layers=13), page, made_similarities(layers=13))
    assert page.stat().st_size < 3_000_000
    seconds = []
    for _ in range(5):  # the least, since other tests run beside
        started = time.perf_counter()
        tab.open(page)
        tab.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 1
