"""Data flow one way: a room imports only from its own floor and those below, as CONTRIBUTING.md draws them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "layerscope"
FILES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or not path.name.startswith("__"))


def floors():
    rows = re.findall(r"^\| (\d) \| (.+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    return {room.rstrip("/"): int(floor) for floor, rooms in rows for room in re.findall(r"`(\w+/?)`", rooms)}


def room_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("layerscope."):
            yield node.module.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_import_points_up(path):
    floor = floors()
    for room in imported_rooms(path):
        assert floor[room] <= floor[room_of(path)], f"{path.name} imports {room} from a floor above"


def test_every_room_has_a_floor():
    assert {room_of(path) for path in FILES} == set(floors())
