"""What `benchmarks.house` counts, on a package of known shape; and that this one chooses and declares in one place."""

from pathlib import Path

from benchmarks.house import counts_of, places_that_choose, places_that_declare, read_package

FILES = {
    "__init__.py": "from layerscope.scores.tables import best\n",
    "errors.py": '"""Errors."""\n\nX = 1  # why\nY = 2  # noqa: F\n',
    "data/__init__.py": "",
    "data/clips.py": "from layerscope import errors\nfrom layerscope.errors import X\n\n\ndef one():\n    return X\n",
    "scores/tables.py": '''from layerscope.data.clips import one


def best(rows):
    """Return the best."""
    # A comment.

    return rows[rows.split == "valid"].score.idxmax()


def worst(rows):
    return rows.score.idxmin()


def pick(kind, model, probe, seeds, folds):
    return max(rows, key=lambda row: row.invalid)
''',
}


def test_a_package_of_known_shape(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "src" / "layerscope" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    files = read_package(tmp_path)
    counts = counts_of(files)
    assert counts["rooms"] == "3"
    assert counts["files"] == "4"
    assert counts["deepest import: files"] == "3"
    assert counts["deepest import: rooms"] == "3"
    assert counts["arrows between files"] == "2"
    assert counts["arrows between rooms"] == "2"
    assert counts["lines of code"] == str(2 + 4 + 7)
    assert counts["functions"] == "4"
    assert counts["length of a function: median"] == "2"
    assert counts["comments, % of lines"] == f"{100 * 2 / 26:.1f}"
    assert places_that_choose(files) == ["scores.tables.best"]
    assert places_that_declare(files) == ["scores.tables.pick"]


def test_here_one_function_chooses_and_options_are_declared_once():
    files = read_package(Path(__file__).parents[2])
    # What is trained step by step keeps the best of its epochs.
    epochs = "probes.epochs."
    choosing = [place for place in places_that_choose(files) if not place.startswith(epochs)]
    assert choosing == ["scores.layer_selection.choose"]
    # The signature of the Python function, which hands everything to the one declaration.
    assert [place for place in places_that_declare(files) if place != "study.probe.probe"] == ["study.options.Probing"]
