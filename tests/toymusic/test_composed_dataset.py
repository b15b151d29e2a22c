"""The corpus as files: a table that the ordinary reader takes, and audio that is the same for the same seeds."""

import hashlib

from layerscope import Dataset
from layerscope.toymusic import write_notes, write_pieces


def digests(directory):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.rglob("*.*"))}


def test_same_seeds_give_the_same_bytes(tmp_path):
    write_pieces(tmp_path / "a", 3, first_seed=7, seconds=4.0)
    write_pieces(tmp_path / "b", 3, first_seed=7, seconds=4.0)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_the_reader_takes_it(tmp_path):
    pieces = Dataset.load(write_pieces(tmp_path, 4, first_seed=1, seconds=4.0))
    assert len(pieces.clips) == 4
    assert pieces.clips.group.nunique() == 4
    assert not pieces.skipped
    assert {"key", "mode", "tempo", "metre", "style", "instrument", "beats", "chords", "segments"} <= set(pieces.clips)
    notes = Dataset.load(write_notes(tmp_path, 12, first_seed=1))
    assert notes.labels("pitch").kind.name == "classes"
    assert notes.labels("instrument").kind.name == "classes"
