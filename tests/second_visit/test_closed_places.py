"""Commands where they may not write, or may not read, as a user without a superuser's rights: words, and their code."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from conftest import TWO_WORKERS, write_tone
from layerscope.cli.entry_point import guarded
from layerscope.errors import DataError, ResourceError

QUICK = "--baseline mel --probe closed --seeds 1"
RUN = f"run --data {{}}/data {QUICK}"
#: What each call, in which {} is the place, must say beside its cache.
REFUSED = [
    (f"{RUN} --out {{}}/closed/run", "cache", "closed/run: cannot be written (Permission denied); choose another"),
    (f"{RUN} --out {{}}/run", "cache", "run: cannot be written (Permission denied); choose another place"),
    (f"{RUN} --out {{}}/run2", "empty", "choose another place for the cache (LAYERSCOPE_CACHE)"),
    ("export {}/run --insist --out {}/closed/use", "cache", "closed: cannot be written (Permission denied)"),
    ("export {}/run --insist --out {}/use2", "empty", "choose another place for the cache (LAYERSCOPE_CACHE)"),
    ("predict {}/use {}/data/low --out {}/closed/a.csv", "empty", "closed: cannot be written (Permission denied)"),
    ("predict {}/use {}/data/low --jams {}/closed/a", "empty", "closed/a: cannot be written (Permission denied)"),
    ("report {}/run", "cache", "run: cannot be written (Permission denied)"),
    ("report {}/run {}/run --out {}/closed/both", "cache", "closed/both: cannot be written (Permission denied)"),
    ("demo --out {}/closed/demo", "cache", "closed/demo: cannot be written (Permission denied)"),
    ("compare --data {}/data --model random:small --out {}/closed/a", "cache", "closed/a: cannot be written"),
    ("data gs-key --root {}/closed --download", "cache", "closed/GS: cannot be written (Permission denied)"),
    ("pretrain --steps 1 --out {}/closed/pre", "cache", "closed/pre: cannot be written (Permission denied)"),
]
READING = [f"check --data {{}}/data {QUICK}", "cache", "data gs-key --root {}/closed"]
#: Neither without its names, nor without its files: of a directory both may be.
UNREAD = [f"run --data {{}}/{name} {QUICK} --out {{}}/run3" for name in ("nameless", "sealed")]
#: A superuser may write everywhere unless these rights are taken away.
PLAIN = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []
#: All in one process, since each would import torch.
CALLS = """
import contextlib, io, json, os, sys
from layerscope.cli.entry_point import guarded

for call, cache in json.load(sys.stdin):
    os.environ["LAYERSCOPE_CACHE"] = cache
    words = io.StringIO()
    with contextlib.redirect_stdout(words), contextlib.redirect_stderr(words):
        code = guarded(call)
    print(json.dumps([code, words.getvalue()]))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return the exit code of each call, and what it wrote."""
    if PLAIN and not shutil.which(PLAIN[0]):
        pytest.skip("a superuser's rights are taken away by setpriv")
    place = tmp_path_factory.mktemp("closed")
    for number in range(24):
        name, frequency = (("low", 200), ("high", 900))[number % 2]
        write_tone(place / "data" / name / f"{number}.wav", frequency + 10 * number, seconds=0.5, seed=number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSCOPE_CACHE", str(place / "cache"))
        assert guarded([*RUN.replace("{}", str(place)).split(), "--out", str(place / "run")]) == 0
        assert guarded(["export", str(place / "run"), "--insist", "--out", str(place / "use")]) == 0
    for name in ("nameless", "sealed"):
        shutil.copytree(place / "data", place / name)
    modes = {"closed": 0o555, "empty": 0o555, "run": 0o555, "nameless/low": 0o000, "sealed/low": 0o444}
    for name, mode in modes.items():
        (place / name).mkdir(exist_ok=True)
        (place / name).chmod(mode)
    calls = [*((call, cache) for call, cache, _ in REFUSED), *((call, "empty") for call in [*READING, *UNREAD])]
    filled = [(call.replace("{}", str(place)).split(), str(place / cache)) for call, cache in calls]
    command = [*PLAIN, sys.executable, "-c", CALLS]
    done = subprocess.run(
        command, env=os.environ | TWO_WORKERS, input=json.dumps(filled), capture_output=True, text=True, check=False
    )
    for name in modes:
        (place / name).chmod(0o755)
    assert done.returncode == 0, done.stderr
    return dict(zip([call for call, _ in calls], map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("call", "named"), [(call, named) for call, _, named in REFUSED])
def test_where_nothing_may_be_written_every_command_says_so(outcomes, call, named):
    code, words = outcomes[call]
    assert code == ResourceError.exit_code, words
    assert named in words


@pytest.mark.slow
@pytest.mark.parametrize("call", READING)
def test_what_writes_nothing_needs_no_place_to_write(outcomes, call):
    code, words = outcomes[call]
    assert code == 0, words


@pytest.mark.slow
@pytest.mark.parametrize("call", UNREAD)
def test_a_class_folder_that_may_not_be_read_is_named(outcomes, call):
    """A study of the other classes would be another one."""
    code, words = outcomes[call]
    assert code == DataError.exit_code, words
    assert "low is a folder that may not be read; let it be read, or move it away" in words


@pytest.mark.parametrize(
    ("closed", "named"),
    [("features", "features"), ("features/a", "features/a"), ("features/a/about.json", "features/a/about.json")],
)
def test_a_cache_that_may_not_be_looked_into_is_not_said_to_be_empty(tmp_path, closed, named):
    if PLAIN and not shutil.which(PLAIN[0]):
        pytest.skip("a superuser's rights are taken away by setpriv")
    (tmp_path / "features" / "a").mkdir(parents=True)
    (tmp_path / "features" / "a" / "about.json").write_text("{}")
    (tmp_path / "features" / "a" / "shard.safetensors").write_bytes(bytes(2_000_000))
    (tmp_path / closed).chmod(0o000)
    command = [*PLAIN, sys.executable, "-m", "layerscope", "cache"]
    done = subprocess.run(
        command, env=os.environ | {"LAYERSCOPE_CACHE": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    (tmp_path / closed).chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert f"not told what it is: {tmp_path / named}: cannot be read (Permission denied)" in done.stdout
    assert ("2.0 MB more" in done.stdout) == (closed == "features/a/about.json")
