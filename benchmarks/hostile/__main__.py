"""How many hostile inputs end well, and how many do not.

Printed is a row for each kind of input, with how often it ended how. All that is not "right" or "named" must be 0.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.hostile import audio, directories, tables
from benchmarks.hostile.trials import FAULTS, OUTCOMES, Trial, run_trials

#: What makes the trials of a kind of input, given where to write, the seed and how many.
KINDS: dict[str, Callable[[Path, int, int], Iterator[Trial]]] = {
    "audio": audio.trials, "tables": tables.trials, "directories": directories.trials,
}  # fmt: skip


def count_outcomes(kind: str, seed: int, count: int, say: Callable[[str], None]) -> dict[str, Counter[str]]:
    """Return of each row how often it ended how; what ended badly is also said by name."""
    table: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        for trial, outcome, words in run_trials(KINDS[kind](Path(place), seed, count)):
            table.setdefault(trial.row, Counter())[outcome] += 1
            if outcome in FAULTS:
                say(f"{outcome}: {trial.row}, {trial.about.get('way', trial.name)}: {words}")
    return table


def print_table(kind: str, table: dict[str, Counter[str]]) -> int:
    """Print the rows and their sum, and return how many ended badly."""
    total: Counter[str] = sum(table.values(), Counter())
    print(f"{kind:24}" + "".join(f"{outcome:>14}" for outcome in OUTCOMES))
    for row, counts in [*sorted(table.items()), ("in all", total)]:
        print(f"{row:24}" + "".join(f"{counts[outcome]:14}" for outcome in OUTCOMES))
    return sum(total[fault] for fault in FAULTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="N", help=f"how many of {kind}")
    given = vars(parser.parse_args())
    faults = 0
    for kind in KINDS:
        if given[kind]:
            faults += print_table(kind, count_outcomes(kind, given["seed"], given[kind], print))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
