"""Why clips are set aside, counted: reasons that differ in paths, names and numbers alone are of one kind."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["kind_of_reason", "reasons_by_kind"]


def kind_of_reason(reason: str) -> str:
    """Return a reason without paths, names and numbers, so that equal ones can be counted.

    Examples
    --------
    >>> kind_of_reason("record 3: 'path' a/b.wav does not exist")
    'record …: … … does not exist'
    """
    return re.sub(r"\S*[/.]\S*|'[^']*'|\d+", "…", reason)


def reasons_by_kind(reasons: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the clips with their reasons, parted by the kind of the reason, the commonest kind first.

    Examples
    --------
    >>> reasons_by_kind({"a": "2 channels", "b": "it is silent", "c": "6 channels"})
    [{'a': '2 channels', 'c': '6 channels'}, {'b': 'it is silent'}]
    """
    kinds: dict[str, dict[str, str]] = {}
    for clip, reason in reasons.items():
        kinds.setdefault(kind_of_reason(reason), {})[clip] = reason
    return sorted(kinds.values(), key=len, reverse=True)
