"""The table "Where do I change …" names files that are there, and functions, classes and constants that are in them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "layerscope"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+?) \| (`.+`) \|$", PAGE.partition("## Where do I change …")[2], flags=re.MULTILINE)


def is_file(word):
    return "." in word


def definitions(path):
    """Return what a module defines: functions, classes and constants."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_the_table_answers_thirty_questions():
    assert len(ROWS) >= 30
    assert len({question for question, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("question", "where"), ROWS)
def test_what_a_row_names_is_there(question, where):
    words = re.findall(r"`([^`]+)`", where)
    files = [SOURCE / word for word in words if is_file(word)]
    names = {word for word in words if not is_file(word)}
    assert files, question
    assert [path for path in files if not path.is_file()] == []
    modules = [path for path in files if path.suffix == ".py"]
    assert names or not modules, question
    assert names <= {name for path in modules for name in definitions(path)}
