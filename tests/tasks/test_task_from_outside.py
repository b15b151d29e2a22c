"""A task that lies outside the package, that of docs/add-a-task.md, goes the whole way."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from miniatures import sound

from layerscope.cli.entry_point import guarded
from layerscope.errors import UsageError
from layerscope.scores.score_table import Results
from layerscope.tasks import TASKS, known_tasks, register, register_installed

DOCUMENT = Path(__file__).parents[2] / "docs" / "add-a-task.md"
INSTRUMENTS = {"flute": 3, "violin": 7}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with the document's module and an entry point, on the path."""
    module = re.search(r"```python\n(# medley_solos\.py\n.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)[1]
    (tmp_path / "medley_solos.py").write_text(module)
    facts = tmp_path / "medley_solos-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: medley-solos\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[layerscope.tasks]\nmedley-solos = medley_solos:TASK\n")
    monkeypatch.syspath_prepend(tmp_path)
    register_installed.cache_clear()
    yield known_tasks()["medley-solos"]
    del TASKS["medley-solos"], sys.modules["medley_solos"]
    register_installed.cache_clear()


@pytest.fixture
def copy(fixtures, tmp_path):
    """The real table's first row, and others of its form with sounds that are made."""
    directory = tmp_path / "data" / "MedleySolosDB"
    (directory / "annotation").mkdir(parents=True)
    lines = (fixtures / "medley_solos_db" / "annotation" / "Medley-solos-DB_metadata.csv").read_text().splitlines()
    real = next((fixtures / "medley_solos_db" / "audio").iterdir())
    (directory / "audio").mkdir()
    (directory / "audio" / real.name).write_bytes(real.read_bytes())
    for number in range(24):
        subset = ("training", "training", "validation", "test")[number % 4]
        name, identifier = list(INSTRUMENTS.items())[number // 4 % 2]
        lines.append(f"{subset},{name},{identifier},{number},made-{number}")
        if number != 23:
            path = directory / "audio" / f"Medley-solos-DB_{subset}-{identifier}_made-{number}.wav"
            sound(path, 0.5, 8_000, pitch=200 * identifier + number, seed=number)
    (directory / "annotation" / "Medley-solos-DB_metadata.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "data"


def test_it_is_listed_counted_checked_and_run(installed, copy, tmp_path, capsys):
    assert guarded(["ls", "tasks"]) == 0
    assert re.search(r"medley-solos +.*CC BY 4\.0", capsys.readouterr().out)
    assert guarded(["data", "medley-solos", "--root", str(copy)]) == 0
    shown = capsys.readouterr().out
    assert "on disk: test 5, train 12, valid 7; 1 clips of its lists missing" in shown
    assert "train has 12 of 5,841 clips" in shown
    asked = ["--task", "medley-solos", "--root", str(copy), "--baseline", "mel", "--probe", "closed"]
    assert guarded(["check", *asked]) == 0
    assert guarded(["run", *asked, "--out", str(tmp_path / "out")]) == 0
    results = Results.read(tmp_path / "out")
    assert results.title("medley-solos") == installed.title
    assert any("made-23" in reason for reason in results.skipped.values())


def test_a_name_that_is_taken_and_a_kind_that_there_is_not_are_refused(installed):
    with pytest.raises(UsageError, match="'mtt' is one of layerscope's own"):
        register(replace(installed, name="mtt"))
    with pytest.raises(UsageError, match="did you mean 'classes'"):
        register(replace(installed, kind="class"))
