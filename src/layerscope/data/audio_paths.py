"""Which file the path of a row means, among what lies where paths start, and why there is none."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

from layerscope.data.audio import EXTENSIONS
from layerscope.data.table_files import QUOTED

__all__ = ["AudioPaths"]

#: Of a file that lies somewhere else.
ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)
#: How a path begins that is absolute elsewhere.
DRIVE = re.compile(r"[A-Za-z]:/|//")
#: What is said of a path without any trace of a file.
ELSEWHERE = "if paths start elsewhere, say where: --root"
#: How many folders are looked into for a path that may start there.
FEW_FOLDERS = 20


class AudioPaths:
    """Paths as rows have them. What was seen of a directory is remembered, since a table asks of one again and again.

    Parameters
    ----------
    root : Path
        Where relative paths start.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        #: Where paths may be meant to start instead.
        self.elsewhere = [*root.parents, *folders_in(root), *folders_in(root.parent)]
        #: By directory, its names by their composed characters; its audio in small letters, with and without ending.
        self.listings: dict[Path, dict[str, str]] = {}
        self.namesakes: dict[Path, dict[str, str]] = {}

    def file_of(self, written: str) -> Path | None:
        """Return the file that a path means: as written, or in the first of its other spellings that a file has.

        Letters with marks may be one character or two: a file whose name differs in that alone is taken.
        """
        for spelling in spellings_of(written):
            if is_file(self.root / spelling):
                return self.root / spelling
            if not spelling.isascii():
                place = self.root
                for part in Path(spelling).parts:
                    place /= part if is_there(place / part) else self.same_name(place, part)
                if is_file(place):
                    return place
        return None

    def missing_reason(self, path: Path | None, written: str, where: str) -> str:
        """Return why there is no audio to be had of a row, or an empty text, given the file that its path means."""
        if path is not None:
            return f"{path}: the file is empty (0 bytes)" if path.stat().st_size == 0 else ""
        if ADDRESS.match(written.strip()):
            return f"{where}: 'path' {written} is an address; download the file and write where it lies"
        if is_there(self.root / written):
            return f"{where}: 'path' {written} is no file"
        if QUOTED.fullmatch(written.strip()):
            return f"{where}: 'path' {written} does not exist (it stands in quotes: take them away)"
        spelled = spellings_of(written)[-1]
        whole = Path(spelled).is_absolute() or bool(DRIVE.match(spelled))
        start = next((place for place in self.elsewhere if is_file(place / spelled)), None)
        if beside_it := self.namesake(self.root / spelled):
            hint = f"there is {beside_it}: write names as they are, with their endings"
        elif whole:
            hint = "write where it lies now, or what of it follows a --root"
        else:
            hint = f"it is below {start}: if paths start there, say so (--root)" if start else ELSEWHERE
        return f"{where}: 'path' {written} does not exist ({'' if whole else f'looked in {self.root}; '}{hint})"

    def namesake(self, path: Path) -> str:
        """Return the name of the audio beside a path that is not there which differs by case or ending, or nothing."""
        directory = path.parent
        if directory not in self.namesakes:
            readable = is_there(directory) and directory.is_dir() and os.access(directory, os.R_OK)
            names = sorted(each.name for each in directory.iterdir()) if readable else []
            audio = [name for name in names if Path(name).suffix.lower() in EXTENSIONS]
            self.namesakes[directory] = {Path(name).stem.casefold(): name for name in audio}
            self.namesakes[directory] |= {name.casefold(): name for name in audio}
        spellings = (path.name.casefold(), path.stem.casefold())
        return next((self.namesakes[directory][text] for text in spellings if text in self.namesakes[directory]), "")

    def same_name(self, directory: Path, name: str) -> str:
        """Return the name in a directory whose characters, once composed, are those of the given one; else that."""
        if directory not in self.listings:
            names = [each.name for each in directory.iterdir()] if directory.is_dir() else []
            self.listings[directory] = {unicodedata.normalize("NFC", each): each for each in names}
        return self.listings[directory].get(unicodedata.normalize("NFC", name), name)


def folders_in(directory: Path) -> list[Path]:
    """Return the first folders in a directory that may be read, or none."""
    try:
        return sorted(place for place in directory.iterdir() if place.is_dir())[:FEW_FOLDERS]
    except OSError:
        return []


def spellings_of(written: str) -> list[str]:
    r"""Return what a path in a table may mean, as written first: ``~`` and ``$HOME``, ``file://`` and ``%20`` are read.

    Examples
    --------
    >>> spellings_of(" a\\b.wav"), spellings_of("file:///tmp/a%20b.wav")
    ([' a\\b.wav', 'a\\b.wav', 'a/b.wav'], ['file:///tmp/a%20b.wav', '/tmp/a%20b.wav', '/tmp/a b.wav'])
    """
    text = re.sub(r"^file:(//(localhost)?(?=/))?", "", written.strip())
    path = os.path.expandvars(os.path.expanduser(text.replace("\\", "/")))  # noqa: PTH111 - of a text, and never raises
    return list(dict.fromkeys((written, text, path, unquote(path))))


def is_there(path: Path) -> bool:
    """Return whether anything has this path, which may be none that a system can have."""
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True


def is_file(path: Path) -> bool:
    """Return whether a path, which may be none that a system can have, leads to a file."""
    return is_there(path) and path.is_file()
