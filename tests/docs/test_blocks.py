"""The code blocks of the documents, run in order, in a directory that holds what they speak of."""

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from conftest import write_tone
from layerscope.cli.commands import app
from layerscope.study.options import read_plan
from layerscope.targets import KINDS
from layerscope.tasks import TASKS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


#: What a document's commands need beside the package.
NEEDED = {"crepe.md": "torchcrepe"}


def marks(document, text, slow):
    package = NEEDED.get(document.name)
    absent = package is not None and find_spec(package) is None
    skipped = pytest.mark.skipif(absent, reason=f"{package} is not installed: make setup")
    return [skipped, pytest.mark.slow] if slow and slow in text else [skipped]


def blocks(language, slow=None):
    """Return the blocks of a language; those that hold the words `slow` take half a minute."""
    return [
        pytest.param(text, id=f"{document.name}-{number}", marks=marks(document, text, slow))
        for document in DOCUMENTS
        for number, (name, text) in enumerate(BLOCK.findall(document.read_text()))
        if name == language
    ]


@pytest.fixture
def place(tmp_path, monkeypatch):
    rows = ["path,label"]
    for number in range(84):  # 17 to test: fewer show nothing, and nothing is exported of them
        path = write_tone(
            tmp_path / "drums" / ("kick", "snare")[number % 2] / f"{number}.wav",
            100 + 10 * number + 2000 * (number % 2),
            seed=number,
        )
        rows.append(f"{path.relative_to(tmp_path)},{path.parent.name}")
    (tmp_path / "drums.csv").write_text("\n".join(rows))
    # A module that a document has the reader write, under the name in its first line, lies where its commands are run.
    for document in DOCUMENTS:
        for _, text in BLOCK.findall(document.read_text()):
            if module := re.match(r"# (\w+\.py)\n", text):
                (tmp_path / module[1]).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", blocks("python", slow='probes="linear"'))
@pytest.mark.usefixtures("place")
def test_python(text):
    # What a block registers is gone after it.
    with patch.dict(TASKS), patch.dict(KINDS):
        exec(compile(text, "block", "exec"), {})


@pytest.mark.slow
@pytest.mark.parametrize("text", blocks("bash"))
def test_bash(text, place):
    # The package is installed already, and pip needs a network.
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("pip install"))
    # Probes that are trained step by step take minutes on all layers and plain features, of which a few show the same.
    for fewer, but in (("--layers 0-1", "closed"), ("--baseline mel", "closed|--baseline")):
        lines = re.sub(rf"^layerscope run (?!.*(?:{but}))", f"layerscope run {fewer} ", lines, flags=re.MULTILINE)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", lines], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", blocks("toml"))
def test_toml(text, place):
    if not text.startswith("# study.toml"):
        tomllib = pytest.importorskip("tomllib")
        tomllib.loads(text)
        return
    (place / "study.toml").write_text(text)
    read_plan(place / "study.toml")


@pytest.mark.parametrize("text", blocks("sh"))
def test_commands_that_need_a_network_or_long_exist(text):
    """Targets of the Makefile are there, and so are the commands, options and tasks of the program."""
    makefile = (ROOT / "Makefile").read_text()
    for line in text.replace("\\\n", " ").splitlines():
        # Of what other programs do (pip, ray, srun) nothing is known here.
        given = shlex.split(line, comments=True)
        program = next((word for word in given if word in ("make", "layerscope")), None)
        if program is None:
            continue
        command, *words = given[given.index(program) + 1 :]
        if program == "make":
            assert f"\n{command}: " in makefile
            continue
        shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
        for number, word in enumerate(words):
            if word.startswith("--"):
                assert word in shown, line
            if word == "--task" or (command == "data" and number == 0):
                assert words[number + (word == "--task")] in TASKS


def test_links_lead_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
        for name in re.findall(r"`(docs/[\w.-]+)`", document.read_text()):
            assert (ROOT / name).exists(), f"{document.name}: {name}"
