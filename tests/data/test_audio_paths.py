from pathlib import Path

import pytest

from conftest import write_tone
from layerscope.data.audio_paths import AudioPaths


@pytest.mark.parametrize(
    "written", ["songs/a.wav", "songs\\a.wav", " songs/a.wav ", "file:songs/a.wav", "songs/%61.wav"]
)
def test_a_path_is_read_in_the_ways_in_which_people_write_it(tmp_path, written):
    (tmp_path / "songs").mkdir()
    write_tone(tmp_path / "songs" / "a.wav", 300)
    assert AudioPaths(tmp_path).file_of(written) == tmp_path / "songs" / "a.wav"


def test_a_directory_is_listed_once_for_all_paths_in_it(tmp_path, monkeypatch):
    write_tone(tmp_path / "A.wav", 300)
    paths, listed = AudioPaths(tmp_path), []
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda place: listed.append(place) or iterdir(place))
    reasons = [paths.missing_reason(paths.file_of(name), name, "row 2") for name in ("a.wav", "b.wav", "A.mp3")]
    assert ["there is A.wav" in reason for reason in reasons] == [True, False, True]
    assert listed == [tmp_path]
