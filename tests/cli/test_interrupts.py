import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from conftest import TWO_WORKERS
from layerscope.cli.interrupts import GRACE
from layerscope.probes.workers import FORKS

SAID = "stopped; the same command continues where it was"
HANGS = {
    "swallowed": "except KeyboardInterrupt: time.sleep(600)",
    "replaced": "except KeyboardInterrupt: raise RuntimeError('no compiled object yet')",
    "lock": "except KeyboardInterrupt: lock.acquire()",
    "thread": "except KeyboardInterrupt: threading.Thread(target=time.sleep, args=(600,)).start()",
}


def interrupt(process):
    """Send the signal to the process and its workers, as a terminal does; return what was said, and how soon."""
    sent = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    return said, time.monotonic() - sent


def lives(group):
    """Return whether any process of a group does."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def begin(tones, out, until):
    """Start a run, and return it once a file of that pattern is there."""
    call = [sys.executable, "-m", "layerscope", "run", "--data", tones, "--model", "random:small"]
    call += ["--baseline", "none", "--probe", "mlp", "--out", out]
    process = subprocess.Popen(
        call, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, **TWO_WORKERS},
    )  # fmt: skip
    while not list(out.glob(until)):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    return process


def ends(group):
    """Return whether all processes of a group end within ten seconds."""
    for _ in range(100):
        if not lives(group):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("until", ["study.json", pytest.param("probes/*.safetensors", marks=pytest.mark.slow)])
def test_an_interrupt_says_how_to_go_on(tones, tmp_path, until):
    process = begin(tones, tmp_path / "out", until)
    said, _ = interrupt(process)
    assert process.returncode == 130, said
    assert said.strip() == SAID
    assert ends(process.pid)  # the workers go as well, a moment later


@pytest.mark.parametrize("until", ["study.json", pytest.param("probes/*.safetensors", marks=pytest.mark.slow)])
def test_a_request_to_terminate_the_main_process_alone_is_an_interrupt(tones, tmp_path, until):
    process = begin(tones, tmp_path / "out", until)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.strip() == SAID
    assert ends(process.pid)


@pytest.mark.slow
def test_workers_end_with_a_main_process_that_is_killed_alone(tones, tmp_path):
    process = begin(tones, tmp_path / "out", "probes/*.safetensors")
    if FORKS:  # a process that is forked keeps the words of the one that it comes from
        command = psutil.Process(process.pid)
        assert [child.cmdline() for child in command.children()].count(command.cmdline()) == 2
    process.kill()
    process.wait()
    assert ends(process.pid)
    process.communicate()  # only now, because a worker that lives holds the pipes open


@pytest.mark.slow
@pytest.mark.parametrize("how", HANGS)
def test_an_interrupt_ends_a_command_whatever_becomes_of_it(how, tmp_path):
    (tmp_path / "hang.py").write_text(f"""
import threading, time
from layerscope.cli import entry_point as cli

def hang(arguments):
    lock = threading.Lock()
    lock.acquire()
    print("ready", flush=True)
    try:
        time.sleep(600)
    {HANGS[how]}
    return 0

cli.guarded = hang
cli.main()
""")
    call = [sys.executable, str(tmp_path / "hang.py"), "run"]
    process = subprocess.Popen(call, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    said, seconds = interrupt(process)
    assert process.returncode == 130, said
    assert said.strip() == SAID
    # The grace, and as much again for a machine with much else to do.
    assert seconds < 2 * GRACE


@pytest.mark.slow
def test_an_interrupt_after_the_last_word_of_a_command_is_no_traceback(tmp_path):
    (tmp_path / "late.py").write_text("""
import atexit, time
from layerscope.cli import entry_point as cli

def wait():
    print("done", flush=True)
    time.sleep(1)

cli.guarded = lambda arguments: 0
atexit.register(wait)
cli.main()
""")
    call = [sys.executable, str(tmp_path / "late.py"), "run"]
    process = subprocess.Popen(call, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout.readline() == "done\n"
    said, _ = interrupt(process)
    assert (process.returncode, said) == (0, "")
