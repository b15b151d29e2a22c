"""Files of text: their encoding, and what looks like a table and is none."""

from __future__ import annotations

import codecs
from pathlib import Path

from layerscope.errors import DataError

__all__ = ["read_text"]

#: UTF-32 first, since its mark begins with that of UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
#: Of UTF-16 in European letters half are zeros, of Asian ones fewer; beyond one in so many bytes they are no damage.
SEVERAL_ZEROS = 20
#: How files begin that are no tables, in small letters, and the way out.
NO_TABLES = {
    b"pk\x03\x04": "is an Excel workbook or an archive; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook; save the table as CSV",
    b"\x1f\x8b": "is compressed (gzip); unpack it",
    b"par1": "is a Parquet file; save the table as CSV or JSON lines",
    b"sqlite format 3": "is a database; save the table as CSV",
    b"version https://git-lfs": "is a pointer of Git LFS, not the table itself; fetch it with `git lfs pull`",
    b"<!doctype html": "is a web page, not a table; download the file again",
    b"<html": "is a web page, not a table; download the file again",
}


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 or UTF-32 with a mark.

    Raises
    ------
    DataError
        Naming the first line that is none of these.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: not readable as text ({error.strerror})") from error
    beginning = content[:64].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    fault = next((fault for mark, fault in NO_TABLES.items() if beginning.startswith(mark)), None)
    if fault is not None:
        raise DataError(f"{path}: {fault}")
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8-sig")
    if encoding == "utf-8-sig" and b"\0" in content:
        raise DataError(f"{path}{fault_of_zeros(content)}")
    try:
        # Programs that write a mark before one that is there leave two.
        return content.decode(encoding).lstrip("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} line {line}: byte 0x{content[error.start]:02x} is not {encoding.removesuffix('-sig').upper()}; "
            "the file looks like Latin-1 or Windows-1252: save it as UTF-8"
        ) from error


def fault_of_zeros(content: bytes) -> str:
    """Return what zeros in a file say: every other byte is one in UTF-16, a few are damage."""
    if content.count(0) > len(content) / SEVERAL_ZEROS:
        return ": not text, or UTF-16 without a mark at its beginning; save it as UTF-8"
    line = content.count(b"\n", 0, content.index(0)) + 1
    return f" line {line}: holds a zero byte, which no text does; take it out, or get the file again"
