"""Names in cells: several in one, names of nothing, and names that may be one, spelt in several ways."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from html import unescape
from typing import Any

from layerscope.targets.cells import as_float, counted

__all__ = [
    "ABSENT", "FEW_SEVERAL", "PRINTED", "is_several", "remark_on_names", "said_alike", "several_names",
    "spelt_alike",
]  # fmt: skip

#: The share of cells with several names up to which they are the odd ones of a column of names.
FEW_SEVERAL = 0.1
#: What stands between names where ``|`` does not.
SEPARATORS = (";", ",", "/", "+", "&", "\\", "::", "\n", "\t", "，", "、", "；", "·", "•")
#: Lists whose items have no quotes, names in quotes, and names with a sign before each.
LISTED = re.compile(r"[\[({].*,.*[\])}]|\"[^\"]+\"(?:[,; ]+\"[^\"]+\")+|#\w+(?:\s+#\w+)+", re.DOTALL)
#: What stands for "nothing" or "not known", in small letters.
ABSENT = frozenset({
    "n/a", "#n/a", "na", "null", "none", "nil", "?", "-", "–", "—", ".", "--", "(null)", "(blank)", "undefined",
    "unknown", "missing", "unlabeled", "unlabelled", "not available",
    # What a spreadsheet writes where a formula fails.
    "#ref!", "#value!", "#div/0!", "#name?", "#num!", "#null!",
})  # fmt: skip
#: Words for what is so, and for what is not, in small letters: where a column has no others, each means one of the two.
TRUTHS = {
    "true": "true", "yes": "true", "y": "true", "t": "true", "1": "true",
    "false": "false", "no": "false", "n": "false", "f": "false", "0": "false",
}  # fmt: skip
#: Signs that are one to a reader.
ALIKE = str.maketrans(dict.fromkeys("’‘`´ʼ′", "'") | dict.fromkeys("–—−", "-"))
#: Cyrillic and Greek letters, and those that they or their capitals look like.
LOOKALIKE = str.maketrans("авеѕіјкмнорстхуԁԛԝһӏαβεζηικμνορτυχ", "abesijkmhopctxydqwhlabezhikmnoptyx")
#: What fonts draw as nothing beside Unicode's signs of format: fillers, an empty Braille cell, marks that pick a glyph.
UNSEEN = dict.fromkeys([*map(ord, "\u115f\u1160\u17b4\u17b5\u2800\u3164"), *range(0xFE00, 0xFE10)])
#: Values as Python prints them, which are no names: ``Decimal('1.5')``, ``b'rock'``, ``<Genre.ROCK: 1>``.
PRINTED = re.compile(
    r"(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*|tensor|array|str_|(?:float|int|uint)\d+|datetime|date|range)\([\[('\"\d-].*\)"
    r"|b(['\"]).*\1|<[A-Za-z_][\w.]*(?:: .+| .*at 0x[0-9a-f]+)>",
    re.DOTALL,
)
#: Names that a reader is shown of those that are alike.
FEW_ALIKE = 4


def is_several(cell: Any) -> bool:
    """Return whether a cell is a text of several names, with ``|`` between them."""
    return isinstance(cell, str) and "|" in cell


def several_names(cells: Iterable[Any]) -> set[str]:
    """Return the texts of several names: with ``|``, as a list, or with another sign if others hold their parts too.

    Examples
    --------
    >>> sorted(several_names(["rock, pop", "pop", "rock", "Earth, Wind & Fire", "3/4", "4/4", "[a, b]"]))
    ['[a, b]', 'rock, pop']
    """
    texts = {cell for cell in cells if isinstance(cell, str)}
    several = {text for text in texts if is_several(text) or LISTED.fullmatch(text)}
    for separator in SEPARATORS:
        parts = {text: {part.strip(" \"'") for part in text.split(separator)} for text in texts}
        counts = Counter(part for names in parts.values() for part in names)
        for text, names in parts.items():
            # 3/4 is one metre.
            fraction = separator == "/" and any(math.isfinite(as_float(name)) for name in names)
            if len(names) > 1 and "" not in names and not fraction and min(counts[name] for name in names) > 1:
                several.add(text)
    return several


def spelt_alike(names: Iterable[str]) -> list[list[str]]:
    """Return names that differ only in case, blanks, hyphens, quotes, what cannot be seen or how they are written.

    Numbers may be written in several ways, as may yes and no, and ``&``, which a web page writes ``&amp;``; letters of
    other alphabets may look as Latin ones do.

    Examples
    --------
    >>> spelt_alike(["Rock", "rock", "jazz", "hip-hop", "Hip Hop", "1", "1.0"])
    [['Rock', 'rock'], ['hip-hop', 'Hip Hop'], ['1', '1.0']]
    >>> spelt_alike(["R&B", "R & B", "R&amp;B", "drum’n’bass", "drum'n'bass"]), spelt_alike(["TRUE", "1", "no"])
    ([['R&B', 'R & B', 'R&amp;B'], ['drum’n’bass', "drum'n'bass"]], [['TRUE', '1']])
    >>> [len(names) for names in spelt_alike(["guitar", "guit\N{CYRILLIC SMALL LETTER A}r", "МОЦАРТ", "Моцарт"])]
    [2, 2]
    """
    alike: dict[str, list[str]] = {}
    names = list(names)
    truths = TRUTHS if all(name.casefold() in TRUTHS for name in names) else {}
    for name in names:
        if name.casefold() in truths:
            alike.setdefault(truths[name.casefold()], []).append(name)
            continue
        text = (
            unicodedata.normalize("NFKC", unescape(as_written(name))).casefold().translate(ALIKE | LOOKALIKE | UNSEEN)
        )
        visible = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
        visible = visible.strip(" \"'“”„‘’,;")
        joined = re.sub(r"(?<=[^\W\d])[\s_-]+(?=[^\W\d])|\s*(?=&)|(?<=&)\s*", "", visible).strip()
        number = as_float(joined)
        alike.setdefault(joined if math.isnan(number) else f"{number:g}", []).append(name)
    return [members for members in alike.values() if len(members) > 1]


def as_written(name: str) -> str:
    """Return a name as it was before UTF-8 was taken for Windows-1252, or as it is.

    Examples
    --------
    >>> as_written("cafÃ©"), as_written("café")
    ('café', 'café')
    """
    try:
        return name if name.isascii() else name.encode("cp1252").decode()
    except UnicodeError:
        return name


def remark_on_names(counts: Mapping[str, int]) -> str:
    """Return which names a reader should look at, with their numbers: of nothing, damaged, or those that may be one.

    Examples
    --------
    >>> remark_on_names({"Rock": 5, "rock": 4, "jazz": 6, "None": 2})
    "'None' (2) taken as a name: leave cells without a label empty; taken as different: 'Rock' (5), 'rock' (4)"
    """
    absent = {name: count for name, count in counts.items() if name.casefold() in ABSENT}
    words = [f"{counted(absent)} taken as a name: leave cells without a label empty"] if absent else []
    lost = {name: count for name, count in counts.items() if "\ufffd" in name}
    if lost:
        words.append(f"{counted(lost)} holds a letter that was lost; write it anew")
    return "; ".join([*words, *said_alike(counts, "taken as different")])


def said_alike(counts: Mapping[str, int], words: str) -> list[str]:
    """Return that names may be one, with their numbers, or nothing.

    Examples
    --------
    >>> said_alike({"Bach": 5, "bach": 4, "Haydn": 6}, "two groups")
    ["two groups: 'Bach' (5), 'bach' (4)"]
    """
    alike = [counted({name: counts[name] for name in names}) for names in spelt_alike(counts)]
    more = f" and {len(alike) - FEW_ALIKE} more" if len(alike) > FEW_ALIKE else ""
    return [f"{words}: {' and '.join(alike[:FEW_ALIKE])}{more}"] if alike else []
