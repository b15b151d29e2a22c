"""Pieces and notes as files with a table of labels, as any other data set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from layerscope.atomic_files import write_atomically
from layerscope.toymusic.composer import Piece, compose, compose_note
from layerscope.toymusic.synthesizer import Samples, render, wav_file

__all__ = ["labels_of_piece", "stream", "write_notes", "write_pieces"]

#: Seeds of pretraining, of development and of what is reported never meet.
PRETRAINING, DEVELOPMENT, REPORTED = 0, 500_000_000, 900_000_000


def write_pieces(
    directory: Path, count: int, first_seed: int, seconds: float = 12.0, splits: Sequence[str] | None = None
) -> Path:
    """Write pieces as WAV files, and their labels as ``pieces.jsonl``.

    Parameters
    ----------
    directory : Path
        Where.
    count, first_seed : int
        How many, from which seed on.
    seconds : float
        Length of each.
    splits : sequence of str, optional
        One a piece, for a column ``split``.

    Returns
    -------
    Path
        The table: ``audio_path, group, key, mode, tempo, metre, style, instrument, energy, brightness, beats,
        downbeats, chords, segments``.
    """
    return write_all(directory, "pieces", (compose(first_seed + number, seconds) for number in range(count)), splits)


def write_notes(
    directory: Path, count: int, first_seed: int, seconds: float = 1.5, splits: Sequence[str] | None = None
) -> Path:
    """Write single notes as `write_pieces` does pieces, with ``instrument`` and ``pitch``, as ``notes.jsonl``."""
    return write_all(
        directory, "notes", (compose_note(first_seed + number, seconds) for number in range(count)), splits
    )


def write_all(directory: Path, name: str, pieces: Iterator[Piece], splits: Sequence[str] | None) -> Path:
    """Write audio and table."""
    lines = []
    for number, piece in enumerate(pieces):
        file = f"{name}/{piece.seed}.wav"
        write_atomically(directory / file, wav_file(render(piece)))
        place = {"split": splits[number]} if splits else {}
        lines.append(json.dumps({"audio_path": file, "group": str(piece.seed), **place, **labels_of_piece(piece)}))
    table = directory / f"{name}.jsonl"
    write_atomically(table, ("\n".join(lines) + "\n").encode())
    return table


def labels_of_piece(piece: Piece) -> dict[str, Any]:
    """Return what is true of a piece, as a record of a table; of a single note its pitch and instrument."""
    if not piece.key:
        return {"instrument": piece.instrument, "pitch": f"{piece.notes[0].pitch}"}
    return {
        "key": piece.key,
        "mode": piece.mode,
        "tempo": round(piece.tempo, 3),
        "metre": f"{piece.metre}/4",
        "style": piece.style,
        "instrument": piece.instrument,
        "energy": round(piece.energy, 4),
        "brightness": round(piece.brightness, 4),
        "beats": [round(time, 4) for time in piece.beats],
        "downbeats": [round(time, 4) for time in piece.downbeats],
        "chords": [[round(start, 4), round(end, 4), label] for start, end, label in piece.chords],
        "segments": [[round(start, 4), round(end, 4), label] for start, end, label in piece.sections],
    }


def stream(first_seed: int, seconds: float) -> Iterator[Samples]:
    """Yield the sound of one piece after another, without end."""
    seed = first_seed
    while True:
        yield render(compose(seed, seconds))
        seed += 1
