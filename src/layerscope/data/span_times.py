"""Whether the spans of a table are times in the files that stand beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerscope.data.audio import SPAN_SLACK
from layerscope.errors import DataError
from layerscope.targets.cells import most

__all__ = ["cut_already", "refuse_other_times"]

Array = NDArray[np.float64]


def cut_already(start: float, end: float, seconds: float) -> bool:
    """Return whether a file is as long as a span that lies beyond it: the file is that span of something longer.

    Examples
    --------
    >>> cut_already(10.5, 14.5, 4.0), cut_already(10.5, 12.0, 4.0)
    (True, False)
    """
    return abs(end - start - seconds) <= SPAN_SLACK


def refuse_other_times(clips: Sequence[str], starts: Array, ends: Array, seconds: Array) -> None:
    """Raise where most spans end after their files, and it can be told why.

    Parameters
    ----------
    clips : sequence of str
        Their names, for messages.
    starts, ends : ndarray, shape (clip,)
        As the table has them, in seconds; a span without an end is none.
    seconds : ndarray, shape (clip,)
        Lengths of the files.

    Raises
    ------
    DataError
        If they are times in the recordings from which the files were cut, or longer than their files.

    Examples
    --------
    >>> refuse_other_times(["a.wav"], np.array([10.5]), np.array([14.5]), np.array([4.0]))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    layerscope.errors.DataError: 'start' and 'end' are times in other recordings, from which the files were cut ...
    """
    spans = ~np.isnan(ends)
    outside = spans & (ends > seconds + SPAN_SLACK)
    if not most(outside[spans]):
        return
    first = int(outside.argmax())
    example = f"{clips[first]}: {starts[first]:g} to {ends[first]:g}, and the file is {seconds[first]:.2f} s long"

    if most(map(cut_already, starts[spans], ends[spans], seconds[spans])):
        raise DataError(
            f"'start' and 'end' are times in other recordings, from which the files were cut ({example}, as the span "
            "is); leave the two columns out, and the files are used as they are"
        )
    if most((ends - starts > seconds + SPAN_SLACK)[spans]):
        raise DataError(
            f"most spans are longer than their files ({example}); if they are in milliseconds or samples, write seconds"
        )
