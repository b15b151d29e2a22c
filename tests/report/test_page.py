import base64
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from layerscope.plan import make_plan
from layerscope.study import run


@pytest.fixture
def page(tones, tmp_path):
    (tones / "low" / "<script>alert(1)<script>.wav").write_text("not audio")
    plan = make_plan(
        {"data": tones, "model": ["random:small"], "baseline": ["mel"], "probe": ["closed"], "target": "label"}, "test"
    )
    run(plan, tmp_path / "out")
    return tmp_path / "out" / "report.html"


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
    assert "script" not in collector.tags


def test_the_page_holds_its_tables(page):
    links = dict(re.findall(r'download="([\w.]+)" href="data:text/csv;base64,([^"]+)"', page.read_text()))
    assert base64.b64decode(links["results.csv"]).decode().startswith("model,dataset,task,target")
    assert set(links) == {"results.csv", "summary.csv", "overview.csv"}


def test_names_from_outside_are_text_not_markup(page):
    assert "&lt;script&gt;alert(1)" in page.read_text()


def test_every_picture_has_a_text_alternative(page):
    text = page.read_text()
    assert text.count('role="img" aria-label="accuracy with the') == text.count("<svg ") == 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [1100, 390])
def test_a_browser_shows_it_without_complaint(page, tmp_path, width):
    picture = tmp_path / "page.png"
    call = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0", f"--window-size={width},1400",
        f"--screenshot={picture}", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False)
    assert picture.stat().st_size > 20_000
    assert "CONSOLE" not in done.stderr
