"""How a source tree is built, in numbers: `python -m benchmarks.house [PATH ...]`, a column for each path.

A path is a checkout, or a package's directory; without one it is this checkout. What is counted:

- rooms: packages and modules directly under `layerscope`, beside `__init__` and `__main__`;
- deepest import: files, or rooms, in the longest chain in which each imports the next, `__init__` and `__main__` of the
  package itself left out; arrows: pairs of a file (or room) and one that it imports, anywhere in it;
- lines of code: those that hold a token of Python beside comments and docstrings;
- length of a function: its lines of code, methods and inner functions included;
- comments: share of all lines that end in one, directives (noqa, type, fmt) left out;
- places that choose: functions that speak of validation, in a name, a string or their docstring, and take an extreme or
  sort rows (`argmax`, `idxmax`, `sort_values`, `max` with a key, `.index(max(...))`) or keep the best so far (an `if`
  that asks for more or less than a name with "best" in it);
- places that declare options: a class body or a signature with at least five of the options of a study.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
OPTIONS = {"data", "root", "target", "kind", "model", "models", "baseline", "probe", "probes", "seeds", "folds",
           "split_seed", "window", "allow_leaks"}  # fmt: skip
DECLARES = 5
LONG_FILE = 300
EXTREMES = {"argmax", "idxmax", "nanargmax", "argmin", "idxmin", "nanargmin", "sort_values", "nlargest"}
KEYED = {"max", "min"}
VALIDATION = re.compile(r"(?<![a-z])valid(ation)?(?![a-z])")
NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
DIRECTIVES = ("# noqa", "# type:", "# fmt:")


@dataclass(frozen=True)
class SourceFile:
    """A file of a package: its name with dots below the package, and its text."""

    name: str
    text: str

    @property
    def room(self) -> str:
        """Return the room that it stands in."""
        return self.name.split(".")[0]

    @cached_property
    def tree(self) -> ast.Module:
        """Return what it says."""
        return ast.parse(self.text)

    @cached_property
    def code(self) -> set[int]:
        """Return the numbers of its lines of code."""
        lines: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type not in NOT_CODE:
                lines.update(range(token.start[0], token.end[0] + 1))
        for node in ast.walk(self.tree):
            docstring = docstring_of(node)
            if docstring is not None:
                lines.difference_update(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
        return lines

    @property
    def comments(self) -> int:
        """Return how many lines end in a comment for a reader."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return sum(token.type == tokenize.COMMENT and not token.string.startswith(DIRECTIVES) for token in tokens)

    @property
    def functions(self) -> list[Function]:
        """Return its functions, methods and inner ones included."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    def imports(self, known: set[str]) -> set[str]:
        """Return which files of the package it imports."""
        names: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "layerscope":
                base = (node.module or "").partition(".")[2]
                inside = {f"{base}.{alias.name}".lstrip(".") for alias in node.names} & known
                names |= inside or ({base} & known)
        return names - {self.name}


def docstring_of(node: ast.AST) -> ast.Expr | None:
    """Return the docstring of a module, class or function."""
    if isinstance(node, (ast.Module, ast.ClassDef, Function)) and ast.get_docstring(node) is not None:
        first = node.body[0]
        return first if isinstance(first, ast.Expr) else None
    return None


def read_package(path: Path) -> list[SourceFile]:
    """Return the files of the package in a checkout, or in its own directory."""
    package = path / "src" / "layerscope" if (path / "src" / "layerscope").is_dir() else path
    files = []
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        if name not in ("__init__", "__main__"):
            files.append(SourceFile(name, file.read_text(encoding="utf-8")))
    return files


def longest_chain(graph: dict[str, set[str]]) -> int:
    """Return the files in the longest chain of imports; a circle counts once."""
    depths: dict[str, int] = {}

    def depth(name: str, above: frozenset[str]) -> int:
        if name not in depths:
            inside = above | {name}
            depths[name] = 1 + max((depth(below, inside) for below in graph[name] - inside), default=0)
        return depths[name]

    return max(depth(name, frozenset()) for name in graph)


def speaks_of_validation(function: Function) -> bool:
    """Return whether a name, an attribute, an argument or a string of a function names the validation clips."""
    fields = (getattr(node, field, None) for node in ast.walk(function) for field in ("id", "attr", "arg", "value"))
    return any(isinstance(word, str) and VALIDATION.search(word) for word in fields)


def picks(function: Function) -> bool:
    """Return whether a function takes an extreme, sorts rows, or keeps the best so far."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            keyed = name in KEYED and any(keyword.arg == "key" for keyword in node.keywords)
            of_max = name == "index" and any(
                isinstance(inner, ast.Call) and getattr(inner.func, "id", "") == "max" for inner in node.args
            )
            if name in EXTREMES or keyed or of_max:
                return True
        if isinstance(node, ast.If):
            ordered = [inner for inner in ast.walk(node.test) if isinstance(inner, ast.Compare)
                       and isinstance(inner.ops[0], (ast.Gt, ast.GtE, ast.Lt, ast.LtE))]  # fmt: skip
            names = {inner.id for compare in ordered for inner in ast.walk(compare) if isinstance(inner, ast.Name)}
            if any("best" in name for name in names):
                return True
    return False


def places_that_choose(files: list[SourceFile]) -> list[str]:
    """Return the functions that pick by validation, by file and name."""
    return [
        f"{file.name}.{function.name}"
        for file in files
        for function in file.functions
        if picks(function) and speaks_of_validation(function)
    ]


def declared_names(file: SourceFile) -> Iterator[tuple[str, set[str]]]:
    """Yield each class and function of a file with the fields or parameters that it declares."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ClassDef):
            yield node.name, {getattr(line.target, "id", "") for line in node.body if isinstance(line, ast.AnnAssign)}
        elif isinstance(node, Function):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            yield node.name, {argument.arg for argument in arguments}


def places_that_declare(files: list[SourceFile]) -> list[str]:
    """Return the classes and functions that declare a study's options."""
    return [
        f"{file.name}.{name}"
        for file in files
        for name, declared in declared_names(file)
        if len(declared & OPTIONS) >= DECLARES
    ]


def counts_of(files: list[SourceFile]) -> dict[str, str]:
    """Return what is counted of a package, in words."""
    known = {file.name for file in files}
    graph = {file.name: file.imports(known) for file in files}
    rooms: dict[str, set[str]] = {file.room: set() for file in files}
    for name, imported in graph.items():
        room = name.split(".")[0]
        rooms[room] |= {below.split(".")[0] for below in imported} - {room}
    lengths = sorted(
        len(file.code & set(range(function.lineno, (function.end_lineno or 0) + 1)))
        for file in files
        for function in file.functions
    )
    lines = sum(len(file.text.splitlines()) for file in files)
    choosing, declaring = places_that_choose(files), places_that_declare(files)
    return {
        "rooms": str(len({file.room for file in files})),
        "files": str(len(files)),
        "deepest import: files": str(longest_chain(graph)),
        "deepest import: rooms": str(longest_chain(rooms)),
        "arrows between files": str(sum(map(len, graph.values()))),
        "arrows between rooms": str(sum(map(len, rooms.values()))),
        "lines of code": f"{sum(len(file.code) for file in files):,}",
        "functions": f"{len(lengths):,}",
        "length of a function: median": f"{statistics.median(lengths):g}",
        "length of a function: 90th percentile": f"{statistics.quantiles(lengths, n=10)[-1]:g}",
        f"files over {LONG_FILE} lines": str(sum(len(file.text.splitlines()) > LONG_FILE for file in files)),
        "comments, % of lines": f"{100 * sum(file.comments for file in files) / lines:.1f}",
        "places that choose": f"{len(choosing)} in {len({name.rpartition('.')[0] for name in choosing})} files",
        "places that declare options": str(len(declaring)),
    }


def lines_by_room(files: list[SourceFile]) -> Counter[str]:
    """Return the lines of code of each room."""
    lines: Counter[str] = Counter()
    for file in files:
        lines[file.room] += len(file.code)
    return lines


def print_table(head: list[str], rows: list[list[str]]) -> None:
    """Print a table in Markdown."""
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(row)} |")
    print()


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description="Count how a source tree is built.")
    parser.add_argument("paths", nargs="*", type=Path, default=[Path(__file__).parents[1]])
    paths = parser.parse_args().paths
    packages = [read_package(path) for path in paths]
    columns = [counts_of(files) for files in packages]
    rows = [[row, *(column[row] for column in columns)] for row in columns[0]]
    print_table(["", *(path.name or "." for path in paths)], rows)
    for path, files in zip(paths, packages, strict=True):
        lines = ", ".join(f"{room} {count:,}" for room, count in lines_by_room(files).most_common())
        print(f"{path.name or '.'}: lines of code by room: {lines}\n")
        print(f"choose: {', '.join(places_that_choose(files))}\n")
        print(f"declare options: {', '.join(places_that_declare(files))}\n")


if __name__ == "__main__":
    main()
