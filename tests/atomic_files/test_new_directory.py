"""What killed processes leave is swept."""

import os
import subprocess
import sys

from layerscope.atomic_files import (
    machine,
    sweep,
    unfinished,
)


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_what_dead_processes_of_this_machine_left_is_swept(tmp_path):
    dead = dead_process()
    names = {
        f".unfinished-{machine()}-{dead}-a1b2": False,
        f".unfinished-{machine()}-{os.getppid()}-a1b2": True,
        f".unfinished-elsewhere-{dead}-a1b2": True,
        ".unfinished-a1b2": True,
    }
    for name in names:
        (tmp_path / "below" / name).mkdir(parents=True)
    sweep(tmp_path)
    assert {name: (tmp_path / "below" / name).exists() for name in names} == names


def test_what_is_being_written_survives_a_sweep_by_another_process(tmp_path):
    with unfinished(tmp_path / "file") as place:
        place.write_bytes(b"whole")
        call = "import sys, pathlib; from layerscope.atomic_files import sweep; sweep(pathlib.Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", call, str(tmp_path)], check=True)
    assert (tmp_path / "file").read_bytes() == b"whole"
