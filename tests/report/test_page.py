import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from made_study import made_similarities, made_study

from conftest import write_tones
from layerscope.report import write_report
from layerscope.study.options import make_plan
from layerscope.study.run import run


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    place = tmp_path_factory.mktemp("page")
    tones = write_tones(place)
    (tones / "low" / "<script>alert(1)<script>.wav").write_text("not audio")
    plan = make_plan(
        {"data": tones, "model": ["random:small"], "baseline": ["mel"], "probe": ["closed"], "target": "label"}, "test"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSCOPE_CACHE", str(place / "cache"))
        run(plan, place / "out")
    return place / "out" / "report.html"


class Collector(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("href", "src", "xlink:href")]


def test_the_page_stands_alone(page):
    collector = Collector()
    collector.feed(page.read_text())
    assert all(link.startswith(("data:", "#")) for link in collector.links)
    # One script, which stands in the page, and asks for nothing (`test_browser.py`).
    assert collector.tags.count("script") == 1
    assert "<script>//" in page.read_text()


def test_the_page_holds_its_tables(page):
    links = dict(re.findall(r'download="([\w.]+)" href="data:text/csv;base64,([^"]+)"', page.read_text()))
    assert base64.b64decode(links["results.csv"]).decode().startswith("model,dataset,task,target")
    assert set(links) == {"results.csv", "summary.csv", "overview.csv", "by_name.csv"}


def test_names_from_outside_are_text_not_markup(page):
    assert "&lt;script&gt;alert(1)" in page.read_text()


def words(text):
    """Return what is read before anything is opened; the numbers of a picture are looked at."""
    text = re.sub(r'<table class="shades">.*?</table>', " ", text, flags=re.DOTALL)
    text = re.sub(r"<(style|script|svg|details|title).*?</\1>|<[^>]+>", " ", text, flags=re.DOTALL)
    # Signs such as those of the three questions are no words.
    return [word for word in text.split() if re.search(r"\w", word)]


def test_a_page_of_twelve_tasks_is_read_in_minutes(tmp_path, monkeypatch):
    monkeypatch.setattr("layerscope.report.page_files.DPI", 20)  # of pictures beside the page
    write_report(made_study([f"task {number}" for number in range(12)], probes=("mlp",)), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    # The answers of twelve tasks, two models and a plain feature in at most 1,200 words.
    assert len(words(text)) <= 1200
    assert len(re.findall('class="badge', text)) == 24  # in the table, and where each is told


def test_so_is_one_on_which_nothing_is_decided(tmp_path, monkeypatch):
    monkeypatch.setattr("layerscope.report.page_files.DPI", 20)
    results = made_study([f"task {number}" for number in range(12)], probes=("mlp",), plain=0.78)
    for facts in list(results.facts["tasks"].values())[::2]:
        facts |= {"chance": 0.99, "rare": [f"a class {number}" for number in range(24)]}
    write_report(results, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert {*re.findall(r'class="badge (\w+)', text)} == {"nothing", "undecided"}
    assert len(words(text)) <= 1200


def test_learned_weights_stand_beside_the_sentence_that_they_are_no_importance(tmp_path):
    write_report(made_study(["a"]), tmp_path / "report.html")
    assert "Learned weights of layers are not their importance" in (tmp_path / "report.html").read_text()


def test_a_column_that_would_be_empty_is_left_out(tmp_path):
    write_report(made_study(["a"]), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "layer − plain feature" in text
    assert "layer − random weights</th>" not in text


def test_every_picture_has_a_text_alternative(page):
    text = page.read_text()
    assert re.findall(r'<svg class="panel"[^>]* aria-label="([^"]+)"', text)[0].startswith("accuracy of label with the")
    # The others are bars, which repeat the number beside them.
    assert len(re.findall("<svg ", text)) == len(
        re.findall('<svg class="(?:panel"[^>]* role="img"|bar"[^>]* aria-hidden)', text)
    )


def test_a_study_of_many_tasks_and_a_comparison_share_a_page(tmp_path):
    write_report(made_study(("pitch", "genre")), tmp_path / "report.html", made_similarities())
    text = (tmp_path / "report.html").read_text()
    # Of two tasks, two probes and two models; of the comparison two measures with two models, and seven scores.
    assert text.count('<svg class="panel"') == 8 + 4 + 7
    assert text.count('<table class="shades">') == 3  # tasks by layers, and layers by layers with two measures
    for words in ("The three questions", "How alike the layers are", "What label-free scores are worth here",
                  "25 ± 0, 25 ± 0", "CCA of width 9: too few", "similarity.csv", "label_free_scores.csv",
                  "Labels: classes: 100 of 102 cells; 2 set aside: &#39;?&#39; (2)"):  # fmt: skip
        assert words in text
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"tasks.pdf", "similarity-cka_debiased.png", "sound-pwcca_x.pdf", "pitch-layers-mlp.png"} <= figures
    tables = {path.name for path in (tmp_path / "tables").iterdir()}
    assert {"overview.tex", "similarity.md", "label_free.csv"} <= tables


def test_tables_have_no_columns_of_inputs_that_no_probe_was_given(page):
    for form in ("csv", "md", "tex"):
        head = (page.parent / "tables" / f"overview.{form}").read_text().split("toy", 1)[0].split("random", 1)[0]
        assert "concat" in head
        assert "weighted" not in head


def test_the_answer_file_says_what_limits_it(tmp_path):
    results = made_study(("pitch",))
    facts = results.facts["tasks"]["pitch"]
    facts |= {"rare": ["oboe"], "majority": 0.9, "grouped": False}
    write_report(results, tmp_path / "report.html")
    record = json.loads((tmp_path / "answer.json").read_text())[0]
    assert record["headline"].startswith("Use layer 0 of m")
    for words in ("Fewer than 10 clips in all: “oboe”", "90 % of the clips are of one class", "No groups were given"):
        assert any(words in caution for caution in record["cautions"]), words


def test_a_copy_of_which_most_is_absent_makes_no_page_of_megabytes(tmp_path):
    results = made_study(["mtg"], models=("m",), layers=2)
    write_report(results, tmp_path / "small.html")
    absent = {f"{n % 100:02d}/{n}.mp3": f"MTG record {n}: 'path' audio/{n}.mp3 does not exist" for n in range(55_000)}
    damaged = {f"broken {n}": f"reason {'x' * n}" for n in range(30)}
    write_report(replace(results, skipped={**damaged, **absent}), tmp_path / "large.html")
    text = (tmp_path / "large.html").read_text()
    assert (tmp_path / "large.html").stat().st_size - (tmp_path / "small.html").stat().st_size < 20_000
    assert text.count("does not exist") == 20
    for words in (
        "55,030 clips",
        "55,000 for a reason like this",
        "54,980 more",
        "11 reasons that are not shown",
        "skipped.csv",
    ):
        assert words in text


def test_a_comparison_alone_has_a_page(tmp_path):
    write_report(None, tmp_path / "report.html", made_similarities(models=("m",)))
    text = (tmp_path / "report.html").read_text()
    assert "<h1>How alike are the layers?</h1>" in text
    assert "All scores" not in text


def test_landmarks_have_names_of_their_own_although_tasks_share_a_title(tmp_path):
    results = made_study(["a", "b"], models=("m@1", "m@2"), probes=("mlp",))
    results.facts["tasks"]["b"]["title"] = "a"
    write_report(results, tmp_path / "report.html")
    names = re.findall(
        r'(?:<section[^>]*|role="region") aria-label(?:ledby)?="([^"]*)"', (tmp_path / "report.html").read_text()
    )
    assert len(names) == len(set(names)) > 3


@pytest.mark.parametrize(("chance", "drawn"), [(0.5, True), (0.01, False)])
def test_chance_is_in_the_legend_where_it_is_in_the_picture(tmp_path, chance, drawn):
    results = made_study(["a"])
    results.facts["tasks"]["a"]["chance"] = chance
    write_report(results, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert ('<span class="floor">chance</span>' in text) is ('class="floor"' in text.partition("<svg")[2]) is drawn
    assert ("(chance lies far below)" in text) is not drawn


def test_a_page_of_one_task_has_a_row_a_model_of_what_is_found(tmp_path):
    write_report(made_study(["a"], models=("m", "n"), probes=("mlp",)), tmp_path / "report.html")
    table = re.search(r'<table class="signs by-model">.*?</table>', (tmp_path / "report.html").read_text(), re.DOTALL)[
        0
    ]
    assert "against the best plain feature" in table
    assert re.findall(r'<th scope="row">(\w+)</th>', table) == ["m", "n"]
