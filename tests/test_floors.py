"""Data flow one way: a room imports only from itself and those below it, as docs/architecture.md draws them."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "layerscope"
FILES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or not path.name.startswith("__"))


def rooms():
    """Return the rooms, the ground last."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("## Rooms")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)/?` \|", table, flags=re.MULTILINE)


def room_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def module_of(path):
    return ".".join(("layerscope", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {module_of(path) for path in FILES}


@cache
def imported_modules(path):
    return list(modules_in(path))


def modules_in(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("layerscope."):
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES
            yield from sorted(inside) or [node.module]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_import_points_up(path):
    order = rooms()
    for module in imported_modules(path):
        room = module.split(".")[1]
        assert order.index(room) >= order.index(room_of(path)), f"{path.name} imports {module} from a room above"


def test_every_room_is_drawn_and_there_are_sixteen_at_most():
    assert {room_of(path) for path in FILES} == set(rooms())
    assert len(rooms()) <= 16


def test_no_circle_of_modules():
    graph = {module_of(path): set(imported_modules(path)) for path in FILES}
    done, under_way = set(), []

    def visit(module):
        assert module not in under_way, f"a circle: {' -> '.join([*under_way, module])}"
        if module in done or module not in graph:
            return
        under_way.append(module)
        for imported in sorted(graph[module]):
            visit(imported)
        under_way.pop()
        done.add(module)

    for module in graph:
        visit(module)


def test_every_file_has_a_name_of_its_own():
    names = [path.name for path in FILES if path.name != "__init__.py"]
    assert len(names) == len(set(names))
