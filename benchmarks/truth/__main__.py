"""Print the sections that are named, or all, and how long each took."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

from benchmarks.truth import (
    choice,
    concepts,
    coverage,
    deformed,
    equals,
    few_labels,
    mixtures,
    noise,
    probes,
    ranking,
    sets,
    similar,
    twins,
)

SECTIONS: dict[str, Callable[[], None]] = {
    "coverage": coverage.main,
    "ranking": ranking.main,
    "equals": equals.main,
    "noise": noise.print_tables,
    "choice": choice.main,
    "similar": similar.main,
    "twins": twins.main,
    "mixtures": mixtures.main,
    "concepts": concepts.main,
    "sets": sets.main,
    "probes": probes.main,
    "few_labels": few_labels.main,
    "deformed": deformed.main,
}


def main() -> None:
    """Print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.truth", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all by default")
    named = parser.parse_args().sections or list(SECTIONS)
    for name in set(named) - set(SECTIONS):
        parser.error(f"no section is called {name}: {', '.join(SECTIONS)}")
    # Studies this small gain nothing by more processes.
    os.environ["LOKY_MAX_CPU_COUNT"] = "1"
    for name in named:
        start = time.monotonic()
        SECTIONS[name]()
        print(f"\n({name}: {(time.monotonic() - start) / 60:.1f} min)", flush=True)


if __name__ == "__main__":
    main()
