"""Harmonix: functional sections of pop songs (Nieto et al. 2019). Its audio may not be passed on.

No split is official. A song's is read off the SHA-1 of its title and artist, so that every copy agrees without a list
and the versions of a song (edits, remixes, second annotations) stay together.
"""

import re
import unicodedata
from itertools import pairwise
from pathlib import Path

from layerscope.data.audio import EXTENSIONS
from layerscope.data.label_tables import ASIDE, Record
from layerscope.tasks.task import Preset, find_audio, part_of, table_rows

REPOSITORY = "https://github.com/urinieto/harmonixset"
#: Function → what a label of it holds, by algorithm 1 of Wang et al. 2022 (arXiv 2205.14700): the first hit counts.
FUNCTIONS = {
    "silence": "silence",
    "pre-chorus|prechorus": "verse",
    "refrain|chorus|theme|stutter": "chorus",
    "verse|rap|section|slow|build|dialog": "verse",
    "intro|fadein|opening": "intro",
    "bridge|trans": "bridge",
    "out|coda|ending": "outro",
}


def function_of(label: str) -> str:
    """Return the function of a section; what names none of them (solos, breaks, riffs) is instrumental.

    An ``end`` inside a song, which Wang et al. cut off, is silence.

    Examples
    --------
    >>> [function_of(label) for label in ("prechorus2", "bigoutro", "introchorus", "gtrbreak")]
    ['verse', 'outro', 'chorus', 'instrumental']
    """
    if label == "end":
        return "silence"
    return next((name for parts, name in FUNCTIONS.items() if re.search(parts, label.lower())), "instrumental")


def song_of(title: str, artist: str) -> str:
    """Return what versions of a song share: title and first artist, without brackets, accents and punctuation.

    Examples
    --------
    >>> song_of("Down (radio edit)", "Jay Sean feat. Lil Wayne") == song_of("Down", "Jay Sean")
    True
    """
    title = re.sub(r"[(\[].*?[)\]]", "", title)
    artist = re.split(r"\s+(?:feat|ft|featuring)\b|[&,;/]", artist, flags=re.IGNORECASE)[0]
    # Accents decompose into marks of their own, which go with the punctuation.
    return " – ".join(re.sub(r"[\W_]", "", unicodedata.normalize("NFKD", text)).lower() for text in (title, artist))


def split_of(song: str) -> str:
    """Return a song's split: of ten, one validates and two are tested."""
    number = part_of(song, 10)
    return "test" if number < 2 else "valid" if number == 2 else "train"


def annotated_songs(directory: Path, preset: Preset) -> list[Record]:
    """Return the songs of ``dataset/metadata.csv``, ``audio/ID.*``, with their ``dataset/segments/ID.txt``."""
    del preset
    table = directory / "dataset" / "metadata.csv"
    records: list[Record] = []
    for row in table_rows(table, f"{table} does not exist; clone {REPOSITORY} to {directory}"):
        song = song_of(row["Title"], row["Artist"])
        audio = find_audio(directory / "audio", row["File"], [".mp3", *sorted(EXTENSIONS)])
        record = {"path": f"audio/{audio}", "group": song, "split": split_of(song), "sections": None}
        try:
            sections = read_sections(table.parent / "segments" / f"{row['File']}.txt", float(row["Duration"]))
            records.append({**record, "sections": sections})
        except (OSError, ValueError) as error:
            records.append({**record, ASIDE: f"its sections cannot be read ({error})"})
    return records


def read_sections(path: Path, seconds: float) -> list[list[float | str]]:
    """Read lines of time and label, the last one ``end``; where two songs lack it, the last section ends with the song.

    Parameters
    ----------
    path : Path
        What to read.
    seconds : float
        The song's length, by the table.
    """
    rows = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    marks = [(float(time), label.strip()) for time, label in rows]
    if marks[-1][1] != "end":
        marks.append((seconds, "end"))
    return [[start, end, function_of(label)] for (start, label), (end, _) in pairwise(marks)]
