"""How files begin that hold no sound, or sound that is not read, and what is said of them."""

from __future__ import annotations

import codecs
import re

from layerscope.errors import AudioError

__all__ = ["refuse_unread"]

#: How files begin, behind a tag too, that hold no sound that is read.
UNREAD = {
    # Of its first four bytes zeros behind a tag count to that.
    rb".{0,4}ftyp": "MP4 (as M4A, with AAC or ALAC)",
    rb".{4}(?:moov|mdat|wide|free|skip|pnot)": "QuickTime",
    rb"\xff[\xf0\xf1\xf8\xf9]|ADIF|\x56[\xe0-\xff]": "AAC (or frames of a FLAC that lost its beginning)",
    rb"\x0b\x77": "AC-3",
    rb"#!AMR": "AMR",
    rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "Windows Media",
    rb"\x1a\x45\xdf\xa3": "Matroska or WebM",
    rb"\x00\x00\x01\xba|FLV\x01|RIFF.{4}AVI |\.RMF": "a film (MPEG, FLV, AVI or RealMedia)",
    rb"MThd": "MIDI",
    rb"wvpk": "WavPack",
    rb"MAC ": "Monkey's Audio",
    rb"MP\+|MPCK": "Musepack",
    rb"TTA1": "True Audio",
    rb"DSD |FRM8": "DSD",
    rb"OFR |tBaK|ajkg|LA0\d|TWIN": "OptimFROG, TAK, Shorten, LA or TwinVQ",
    rb"ea3": "ATRAC (OpenMG)",
    rb"\x7f\xfe\x80\x01|\xfe\x7f\x01\x80": "DTS",
    rb"[FCZ]WS[\x01-\x40]": "Flash",
    # libsndfile reads these, but does not notice that one was cut short.
    rb"NIST_1A": "NIST SPHERE",
    rb"Creative Voice File": "Creative Voice (VOC)",
    rb"FORM.{4}(?:8SVX|16SV)": "8SVX or 16SV",
    rb"MATLAB 5\.0": "a MATLAB file",
    rb"PVF1|2BIT| paf|fap |\x64\xa3[\x01-\x04]\0|\0[\x01-\x04]\xa3\x64": "PVF, AVR, PARIS or IRCAM sound",
    rb"\.SoX|XoS\.": "SoX's own format",
}


#: How files begin that hold no sound at all: of texts the first letters, small or large; and the way out.
NO_SOUND = {
    rb"version https://git-lfs": "is a pointer of Git LFS, not the sound itself; fetch it with `git lfs pull`",
    rb"<!doctype html|<html": "is a web page, not sound; download the file again",
    # Sound begins like this by chance as well, but of so many bytes some are then no characters.
    rb"[{<][\t\n\r\x20-\x7e\x80-\xff]*\Z|\[internetshortcut|#extm3u|not found|access denied": (
        "is a text, not sound; download the file again"
    ),
    rb"pk\x03\x04|\x1f\x8b|7z\xbc\xaf|rar!|bzh\d": "is an archive or compressed, not sound; unpack it",
    rb"\x89png|\xff\xd8\xff|gif8|%pdf|riff.{4}webp": "is a picture or a document, not sound",
    rb"\x93numpy": "is an array of NumPy, not sound; write it as FLAC or WAV",
}


def refuse_unread(beginning: bytes) -> None:
    """Raise where a file begins as one of sound that is not read does, or as one of none."""
    for mark, name in UNREAD.items():
        if re.match(mark, beginning, re.DOTALL):
            raise AudioError(f"holds {name}, which is not read; convert it to FLAC or WAV")
    text = beginning.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for mark, reason in NO_SOUND.items():
        if re.match(mark, text, re.DOTALL):
            raise AudioError(reason)
