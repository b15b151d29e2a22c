"""Notes as they are written elsewhere, in English letters: German and Dutch ("Fis", "H", "Bes"), solfège ("Sol").

Every name but one means one note wherever it stands: "H" is B, "Es" is E flat. "B" alone is B flat in a column of
German ones, which is told by the "H" in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from layerscope.targets.cells import most

__all__ = ["PITCH_CLASSES", "SEMITONES", "Notation", "notation_of", "plain_signs"]

PITCH_CLASSES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
#: Not "Esus4", which is E with a suspended fourth.
NOTE = r"(?P<letter>[A-Ha-h])(?P<signs>(?<=[AEae])s(?!us)(?:es)?|isis|is|eses|es|##?|bb?|)"
GERMAN, BASS = re.compile(NOTE), re.compile(r"/" + NOTE.replace("a-h", "") + "$")
SOLFEGE = re.compile(
    r"(?P<note>do|r[eé]|mi|fa|sol(?!o)|la|[st]i)"
    r"(?P<signs>##?|bb?(?!emol)|[ -]?(?:b[eé]mol+e?|flat|di[eè]s[ei]s?|sharp|sostenido)|)",
    re.IGNORECASE,
)
LETTERS = {"do": "C", "re": "D", "ré": "D", "mi": "E", "fa": "F", "sol": "G", "la": "A", "si": "B", "ti": "B"}
SIGNS = {"s": "b", "es": "b", "eses": "bb", "ses": "bb", "is": "#", "isis": "##"}
#: The share of labels of "B" up to which those of "H" are slips.
SLIPS = 0.1


def plain_signs(label: str) -> str:
    """Return a label with ``#`` and ``b`` as signs and single blanks."""
    return " ".join(label.replace("♯", "#").replace("♭", "b").split())


@dataclass(frozen=True)
class Notation:
    """How the notes of a column are written.

    Attributes
    ----------
    b : str
        What "B" alone is: "B", "Bb", or nothing where it may be either.
    solfege : bool
        Whether notes are "Do" to "Si".
    """

    b: str = "B"
    solfege: bool = False

    def english(self, label: str) -> str:
        """Return a label whose root and bass are English letters, empty where its "B" may be either of two notes.

        Examples
        --------
        >>> [Notation().english(label) for label in ("Hm7", "Fis/Ais", "es", "Esus4", "C/E", "B")]
        ['Bm7', 'F#/A#', 'eb', 'Esus4', 'C/E', 'B']
        >>> Notation(b="Bb").english("B7"), Notation(solfege=True).english("Sib7"), Notation(b="").english("Bm")
        ('Bb7', 'Bb7', '')
        """
        plain = plain_signs(label)
        if self.solfege:
            root, *bass = plain.split("/")
            return "/".join(SOLFEGE.sub(solfege_letters, part, count=1) for part in (root, *bass))
        root_of = GERMAN.match(plain)
        if root_of and not self.b and is_plain_b(root_of):
            return ""
        replaced = plain if root_of is None else self.letters(root_of) + plain[root_of.end() :]
        return BASS.sub(lambda bass: "/" + self.letters(bass), replaced)

    def letters(self, note: re.Match[str]) -> str:
        """Return a note that `NOTE` has found, in English."""
        letter, signs = note["letter"], SIGNS.get(note["signs"], note["signs"])
        if is_plain_b(note):
            return letter + self.b[1:]
        return {"H": "B", "h": "b"}.get(letter, letter) + signs

    @property
    def words(self) -> str:
        """Return what a reader must know of it, or nothing."""
        if self.solfege:
            return "notes are read as solfège"
        return {"B": "", "Bb": "read as German: 'H' is B, and 'B' is B flat"}.get(
            self.b, "'B' may be B or, as in German, B flat, and is not read"
        )


def is_plain_b(note: re.Match[str]) -> bool:
    """Return whether a note is written as B alone."""
    return note["letter"] in "Bb" and not note["signs"]


def solfege_letters(note: re.Match[str]) -> str:
    """Return a note of solfège in English."""
    signs = note["signs"].strip(" -").lower()
    sign = signs if signs.strip("#b") == "" else "b" if signs[0] in "bf" else "#"
    return LETTERS[note["note"].lower()] + sign


def notation_of(labels: Iterable[str], reads: Callable[[str], bool]) -> Notation:
    """Return how the notes of a column are written.

    Parameters
    ----------
    labels : iterable of str
        Of all its cells.
    reads : callable
        Whether a label in English letters is understood.

    Examples
    --------
    >>> chord = re.compile("[A-G][#b]?[m7]*").fullmatch
    >>> notation_of(["C", "H7", "B", "Fis"], lambda label: bool(chord(label)))
    Notation(b='Bb', solfege=False)
    """
    labels = [plain_signs(label) for label in labels]
    solfege = Notation(solfege=True)
    # "Do" may be D diminished: the other notes tell.
    telling = [label for label in labels if label != "Do"]
    if most(bool(SOLFEGE.match(label)) and reads(solfege.english(label)) and not reads(label) for label in telling):
        return solfege
    notes = [note for label in labels if (note := GERMAN.match(label)) and reads(Notation().english(label))]
    h = sum(note["letter"] in "Hh" for note in notes)
    plain = sum(map(is_plain_b, notes))
    flat = any(note["letter"] in "Bb" and note["signs"] in ("b", "es") for note in notes)
    signed = sum(note["signs"] in SIGNS for note in notes)
    if not plain or h + signed <= SLIPS * plain or (not h and (flat or not signed)):
        return Notation()
    return Notation(b="Bb" if h > SLIPS * plain and not flat else "")
