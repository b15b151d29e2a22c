"""Mutated tables and folders, read as data: each is used rightly, or something is named; nothing is lost or crashes.

    python -m benchmarks.hostile_tables --seed 0 --count 500

A table of 60 clips with a measured column, a class and tags is written as CSV, TSV or JSON lines, and mutated: cells,
rows, bytes, header, separator, encoding. It is then read. An outcome is *right* (every clip has the label that was
written, or is named with a reason), *named* (a `LayerscopeError`), *silent loss* (a clip that is neither used nor
named, or has another label than was written, or another kind of label), *traceback*, or *hang* (more than ten seconds).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from layerscope.data.dataset import Dataset
from layerscope.errors import LayerscopeError

__all__ = ["OUTCOMES", "fuzz", "outcome_of"]

OUTCOMES = ("right", "named", "silent loss", "traceback", "hang")
CLIPS = 60
SECONDS = 10.0
COLUMNS = ("path", "tempo", "genre", "tags")
#: What the columns that may be targets are.
KINDS = {"tempo": "values", "genre": "classes", "tags": "tags"}
#: What cells become: what people, spreadsheets and programs have been seen to write.
CELLS = (
    "", " ", "n/a", "NaN", "null", "None", "?", "1,5", "−3", "1e400", "inf", "9" * 400, "²", "01", "[", "[[1, 2",
    "['a' 'b']", "['a', 'b']", "a|b", "a;b", "a,b", '"', "'", "a\nb", "\u2028", "\u0000", "\ud800", "../x", "true",
    "[" * 2000, "x" * 70000,
)  # fmt: skip
Row = dict[str, Any]


def clean_rows(random: random.Random) -> list[Row]:
    """Return the rows of a table in which nothing is wrong."""
    return [
        {
            "path": f"{number}.wav",
            "tempo": f"{60 + number + random.choice((0.25, 0.5)):g}",
            "genre": random.choice(("rock", "jazz", "01", "1")),
            "tags": random.choice(("fast|loud", "fast", "loud")),
        }
        for number in range(CLIPS)
    ]


def as_text(rows: list[Row], header: list[str], separator: str) -> str:
    """Return rows as a program that never quotes writes them, but for cells that hold the separator or a line break."""
    lines = [separator.join(header)]
    for row in rows:
        cells = [str(cell) for cell in row.values()]
        lines.append(separator.join(f'"{cell}"' if {separator, "\n"} & set(cell) else cell for cell in cells))
    return "\n".join(lines) + "\n"


def mutate_cells(rows: list[Row], random: random.Random) -> None:
    """Replace up to five cells."""
    for _ in range(random.randint(1, 5)):
        random.choice(rows)[random.choice(COLUMNS)] = random.choice(CELLS)


def mutate_rows(rows: list[Row], random: random.Random) -> None:
    """Repeat, drop or contradict rows."""
    again = dict(random.choice(rows))
    again["genre"] = random.choice(("rock", "jazz", again["genre"]))
    rows.insert(random.randrange(len(rows)), again)


def mutate_bytes(content: bytes, random: random.Random) -> bytes:
    """Overwrite, cut or double a stretch of bytes."""
    place, length = random.randrange(len(content)), random.randint(1, 40)
    middle = random.choice(
        (b"", random.randbytes(length), content[place : place + length] * 2, b'"', b"\n\n", b"\r", b",")
    )
    return content[:place] + middle + content[place + length :]


def write_table(folder: Path, random: random.Random) -> tuple[Path, list[Row]]:
    """Write a mutated table, and return its path and what was written of each clip."""
    rows, suffix = clean_rows(random), random.choice((".csv", ".csv", ".tsv", ".jsonl"))
    if random.random() < 0.5:
        # As a program that tells numbers from texts writes them.
        rows = [{**row, "tempo": float(row["tempo"])} for row in rows]
    for mutate in random.sample((mutate_cells, mutate_rows), random.randint(0, 2)):
        mutate(rows, random)
    header = list(COLUMNS)
    if random.random() < 0.15:
        header[random.randrange(len(header))] = random.choice(("path", "tempo", "", " genre ", "Path", "a,b", "x\ny"))
    if suffix == ".jsonl":
        text = "".join(json.dumps(row, ensure_ascii=random.random() < 0.5) + "\n" for row in rows)
    else:
        separator = random.choice((",", ",", ",", ";", "\t"))
        text = as_text(rows, header, separator)
    encoding = random.choice(("utf-8",) * 6 + ("utf-8-sig", "utf-16", "latin-1", "utf-16-le"))
    content = text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")
    mutated = random.random() < 0.3
    if mutated:
        content = mutate_bytes(content, random)
    path = folder / f"table{suffix}"
    path.write_bytes(content)
    # Of mutated bytes, and of characters that an encoding lacks, nobody can say what was meant.
    return path, [] if mutated or encoding == "latin-1" or header != list(COLUMNS) else rows


def shown(names: Any) -> set[str]:
    """Return a label as names, numbers in one spelling."""
    text = str(names).strip()
    try:
        return {f"{float(text.replace('−', '-').replace(',', '.')):g}"}
    except (ValueError, OverflowError):
        return {name.strip() for name in text.split("|")}


def is_right(dataset: Dataset, rows: list[Row], target: str) -> bool:
    """Return whether every row that was written is used with its label or named with a reason."""
    kept = dict(zip(dataset.clips["clip"], dataset.clips[target], strict=True))
    named = " ".join([*dataset.skipped, *dataset.skipped.values()])
    for row in rows:
        clip = str(row["path"]).strip()
        if clip in kept:
            agree = isinstance(kept[clip], list) or shown(kept[clip]) == shown(row[target]) or f"{clip} (" in named
            if not agree:
                return False
        elif clip and clip not in named:
            return False
    return True


def outcome_of(path: Path, rows: list[Row], target: str) -> str:
    """Return how the reading of a table ends."""
    began = time.monotonic()
    try:
        dataset = Dataset.load(path).with_target(target)
        kind = dataset.labels(target).kind.name
        # Five odd cells of sixty change no question.
        asked = not rows or kind == KINDS[target]
        result = "right" if asked and is_right(dataset, rows, target) else "silent loss"
    except LayerscopeError:
        result = "named"
    except Exception as error:  # what is counted here
        result = f"traceback: {type(error).__name__}: {str(error)[:80]}"
    return "hang" if time.monotonic() - began > SECONDS else result


def fuzz(folder: Path, seed: int, count: int, say: Callable[[str], None] = lambda _: None) -> Counter[str]:
    """Return how often reading a mutated table ends in which way.

    Parameters
    ----------
    folder : Path
        Where audio and tables are written.
    seed, count : int
        Of the tables, each of which has a seed of its own.
    say : callable
        Called with each outcome that should not be.
    """
    for number in range(CLIPS):
        soundfile.write(folder / f"{number}.wav", np.full(240, number / CLIPS), 24_000)
    outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        path, rows = write_table(folder, chance)
        target = chance.choice(list(KINDS))
        outcome = outcome_of(path, rows, target)
        outcomes[outcome.partition(":")[0]] += 1
        if outcome not in ("right", "named"):
            say(f"table {number}, target {target}: {outcome}")
    return outcomes


def main() -> None:
    """Count, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, times in fuzz(Path(folder), asked.seed, asked.count, print).items():
            print(f"{name}: {times}")


if __name__ == "__main__":
    main()
