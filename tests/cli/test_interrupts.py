import os
import signal
import subprocess
import sys
import time

import pytest

from conftest import TWO_WORKERS
from layerscope.cli.interrupts import GRACE

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


@pytest.mark.parametrize("until", ["study.json", pytest.param("probes/*.safetensors", marks=pytest.mark.slow)])
def test_an_interrupt_says_how_to_go_on(tones, tmp_path, until):
    call = [sys.executable, "-m", "layerscope", "run", "--data", tones, "--model", "random:small"]
    call += ["--baseline", "none", "--probe", "mlp", "--out", tmp_path / "out"]
    process = subprocess.Popen(
        call, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, **TWO_WORKERS},
    )  # fmt: skip
    while not list((tmp_path / "out").glob(until)):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    said, _ = interrupt(process)
    assert process.returncode == 130, said
    assert said.strip() == SAID
    for _ in range(100):  # the workers go as well, a moment later
        if not lives(process.pid):
            break
        time.sleep(0.1)
    assert not lives(process.pid)


@pytest.mark.slow
@pytest.mark.parametrize("how", HANGS)
def test_an_interrupt_ends_a_command_whatever_becomes_of_it(how, tmp_path):
    (tmp_path / "hang.py").write_text(f"""
import threading, time
from layerscope.cli import commands as cli

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
    call = [sys.executable, str(tmp_path / "hang.py")]
    process = subprocess.Popen(call, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    said, seconds = interrupt(process)
    assert process.returncode == 130, said
    assert said.strip() == SAID
    # The grace, and as much again for a machine with much else to do.
    assert seconds < 2 * GRACE
