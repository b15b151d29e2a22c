"""What a browser makes of pages, one beside the other: `python -m benchmarks.pages PAGE [PAGE ...]`.

Words that are seen as a page opens and with all of it unfolded, but those of pictures, kilobytes, the median of five
openings until the second frame is drawn, and what axe-core (from npm) finds wrong at 1280 pixels, light, and at 390,
dark: rules that are broken, and places where they are. The page of a run, and of the same run by another version, are
what it is for. Needs Chromium and npm.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "report"))

from browser import AXE, OPEN_ALL, WINDOWS, Browser, axe_core, browser, chromium

#: The numbers of a picture are looked at, and signs are no words.
SEEN = """
document.querySelectorAll("svg, table.shades").forEach((picture) => picture.remove());
document.body.innerText.split(/\\s+/).filter((word) => /[\\p{L}\\p{N}]/u.test(word)).length
"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BROKEN = "axe.run().then(({violations}) => violations.map(({nodes}) => nodes.length))"
OPENINGS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pages", nargs="+", type=Path, metavar="PAGE")
    asked = parser.parse_args()
    if chromium() is None:
        parser.error("there is no Chromium here; on Debian: apt-get install chromium")
    print(
        "| page | words seen | unfolded | kB | seconds to open | pixels too wide at 1280, 390 | "
        "axe-core: rules (places) at 1280, 390 |\n|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as name, browser(Path(name) / "profile") as tab:
        axe = axe_core(Path(name))
        if axe is None:
            parser.error(f"npm has no {AXE} here")
        for page in asked.pages:
            print(f"| {page} | {' | '.join(measured(tab, page.resolve(), axe))} |", flush=True)


def measured(tab: Browser, page: Path, axe: str) -> list[str]:
    """Return what is told of a page."""
    seconds = []
    for _ in range(OPENINGS):
        started = time.perf_counter()
        tab.open(page)
        tab.settle()
        seconds.append(time.perf_counter() - started)
    seen = tab.run(SEEN)
    tab.run(OPEN_ALL)
    unfolded = tab.run(SEEN)
    wide, broken = [], []
    for width, dark in WINDOWS:
        tab.open(page, width, dark=dark)
        tab.run(OPEN_ALL)
        wide.append(str(max(0, tab.run(OVERFLOW))))
        tab.run(f"{axe};0")
        places = tab.run(BROKEN)
        broken.append(f"{len(places)} ({sum(places)})")
    size = f"{page.stat().st_size / 1000:,.0f}"
    opened = f"{statistics.median(seconds):.2f}"
    return [f"{seen:,}", f"{unfolded:,}", size, opened, ", ".join(wide), ", ".join(broken)]


if __name__ == "__main__":
    main()
