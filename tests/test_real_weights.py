"""What the command of docs/crepe.md is made of: its inputs, its commands and the rows that it prints."""

import json
import shlex

import numpy as np
import pytest
from benchmarks.real_weights import COMMANDS, by_layer, preferred_rows, write_inputs
from typer.testing import CliRunner

import layerscope as ls
from layerscope.cli.commands import app


def cells_of(markdown):
    head, _, *rows = markdown.strip().splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in (head, *rows)]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_its_commands_have_their_options(command):
    name, *words = shlex.split(command)
    shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).output
    assert {word for word in words if word.startswith("--")} <= set(shown.split())


def test_songs_are_cut_and_found_from_anywhere(tmp_path):
    table = tmp_path / "data" / "pop909" / "pop909.jsonl"
    table.parent.mkdir(parents=True)
    table.write_text(json.dumps({"audio_path": "audio/1.ogg", "key": "C:maj", "split": "test"}) + "\n")
    (tmp_path / "notes.csv").write_text("made before\n")
    write_inputs(tmp_path / "data", tmp_path, seconds=6.0)
    song = json.loads((tmp_path / "songs.jsonl").read_text())
    assert song["audio_path"] == str(table.parent / "audio/1.ogg")
    assert (song["key"], song["split"], song["start"], song["end"]) == ("C:maj", "test", 20.0, 26.0)
    assert {path.name for path in tmp_path.glob("*.py")} == {"crepe.py", "notes.py"}
    assert (tmp_path / "notes.csv").read_text() == "made before\n"


def test_a_row_a_layer_and_a_column_a_task():
    states = np.random.default_rng(0).normal(size=(60, 2, 3))
    states[:, 1, 0] += 3.0 * (np.arange(60) % 2)
    rows = preferred_rows(ls.probe(ls.Features.from_arrays(states, ["low", "high"] * 30), probes=["closed"]))
    assert rows.layer.tolist() == [0, 1]
    rows["text"] = ["*" * bool(best) for best in rows.in_best_set]
    assert cells_of(by_layer(rows)) == [["layer of", "features"], ["features, layer 0", ""], ["features, layer 1", "*"]]
