"""Mutated tables, and annotations in their cells and in files beside the audio, read as data.

A table of 60 clips with a measured column, a class, tags, a key, beats and chords is written as CSV, TSV or JSON lines,
and mutated: cells, rows, bytes, header, separator, encoding; or files of annotations are. It is then read. It is right
where every clip has the label that was written, or is named with a reason, and the question is the one that was asked.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.hostile.trials import Trial
from layerscope.data.dataset import Dataset

__all__ = ["trials"]

CLIPS, SAMPLES, RATE = 60, 6000, 2000
COLUMNS = ("path", "tempo", "genre", "tags", "key", "beats", "chords")
#: What the columns that may be targets are.
KINDS = {
    "tempo": "values", "genre": "classes", "tags": "tags", "key": "key", "beats": "beats", "chords": "chords",
}  # fmt: skip
#: What cells become: what people, spreadsheets and programs have been seen to write.
CELLS = (
    "", " ", "n/a", "NaN", "null", "None", "?", "1,5", "−3", "1e400", "inf", "9" * 400, "²", "01", "[", "[[1, 2",
    "['a' 'b']", "['a', 'b']", "a|b", "a;b", "a,b", '"', "'", "a\nb", "\u2028", "\u0000", "\ud800", "../x", "true",
    "[" * 2000, "x" * 70000, "N", "X", "H", "C#m7", "[[0, 1]]", "[[1, 0, \"C\"]]", "[[0, 9e9, \"C\"]]", "[2, 1]",
    "[-1, 0]", "[0.5, NaN]", "{}", "{\"beat\": 3}", "[[0, 1, 2, 3]]", "[[0, 1.5, null]]", "nothing.lab", "../x.lab",
    "12A",
)  # fmt: skip
CHORDS = ("C:maj", "A:min7", "N", "Bb:7/3")
Row = dict[str, Any]


def clean_rows(random: random.Random) -> list[Row]:
    """Return the rows of a table in which nothing is wrong."""
    return [
        {
            "path": f"{number}.wav",
            "tempo": f"{60 + number + random.choice((0.25, 0.5)):g}",
            "genre": random.choice(("rock", "jazz", "01", "1")),
            "tags": random.choice(("fast|loud", "fast", "loud")),
            "key": random.choice(("C major", "Eb minor", "F#:min", "A-flat major")),
            "beats": json.dumps([round(0.5 * beat, 3) for beat in range(1, random.randint(4, 6))]),
            "chords": json.dumps([[0, 1.5, random.choice(CHORDS)], [1.5, 3.0, random.choice(CHORDS)]]),
        }
        for number in range(CLIPS)
    ]


def quoted(cell: str) -> str:
    """Return a cell in quotes, as CSV writes one that holds any."""
    return '"' + cell.replace('"', '""') + '"'


def as_text(rows: list[Row], header: list[str], separator: str) -> str:
    """Return rows as a program that never quotes writes them, but for cells that hold the separator or a line break."""
    lines = [separator.join(header)]
    for row in rows:
        cells = [str(cell) for cell in row.values()]
        lines.append(separator.join(quoted(cell) if {separator, "\n"} & set(cell) else cell for cell in cells))
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


def write_table(folder: Path, random: random.Random, number: int) -> tuple[Path, list[Row]]:
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
    path = folder / f"table-{number:05}{suffix}"
    path.write_bytes(content)
    # Of mutated bytes, and of characters that an encoding lacks, nobody can say what was meant.
    return path, [] if mutated or encoding == "latin-1" or header != list(COLUMNS) else rows


def write_annotations(folder: Path, random: random.Random, number: int) -> tuple[Path, list[Row], str]:
    """Write a folder of audio with a file of annotations beside each, some damaged; return it and the target."""
    target, ending = random.choice((("beats", ".beats"), ("chords", ".lab"), ("key", ".txt")))
    path = folder / f"folder-{number:05}"
    path.mkdir()
    rows = clean_rows(random)[:12]
    for row in rows:
        (path / row["path"]).hardlink_to(folder / row["path"])
        cell = row["key"] if target == "key" else json.loads(row[target])
        lines = ["\t".join(map(str, line)) for line in cell] if target == "chords" else cell
        text = row["key"] if target == "key" else "\n".join(map(str, lines)) + "\n"
        (path / row["path"]).with_suffix(ending).write_text(text)
    damaged = []
    for row in random.sample(rows, random.randint(0, 3)):
        annotation = (path / row["path"]).with_suffix(ending)
        content = mutate_bytes(annotation.read_bytes(), random)
        annotation.unlink()
        kind = random.choice(("bytes", "bytes", "lost", "directory", "utf-16"))
        if kind == "directory":
            annotation.mkdir()
        elif kind != "lost":
            annotation.write_bytes(text.encode("utf-16") if kind == "utf-16" else content)
        damaged.append(row)
    # Of damaged bytes nobody can say what was meant; their clips may be kept or named.
    return path, [row for row in rows if row not in damaged], target


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


def judge(trial: Trial) -> tuple[str, str]:
    """Read a table, and hold the labels of a target to those that were written."""
    rows, target = trial.about["rows"], trial.about["target"]
    dataset = Dataset.load(trial.about["path"]).with_target(target)
    kind = dataset.labels(target).kind.name
    # Five odd cells of sixty change no question.
    asked = not rows or kind == KINDS[target]
    return ("right" if asked and is_right(dataset, rows, target) else "loss"), f"{target} as {kind}"


def trials(place: Path, seed: int, count: int) -> Iterator[Trial]:
    """Yield trials of tables, a quarter of them of annotations in files."""
    for number in range(CLIPS):
        soundfile.write(place / f"{number}.wav", np.full(SAMPLES, number / CLIPS), RATE)
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        if number % 4 == 3:
            path, rows, target = write_annotations(place, chance, number)
        else:
            path, rows = write_table(place, chance, number)
            target = chance.choice(list(KINDS))
        about = {"path": path, "rows": rows, "target": target, "or": (f"'{target}'",)}
        yield Trial(f"{target}, {path.suffix[1:] or 'folder'}", path.stem, judge, about)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
