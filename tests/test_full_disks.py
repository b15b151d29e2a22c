"""Every command ends on a full disk in words, and continues where there is room."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_on_a_full_disk_says_how_to_go_on_and_goes_on(tmp_path):
    (tmp_path / "small").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path / "small")]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs a privileged user")
    subprocess.run(["umount", str(tmp_path / "small")], check=True)
    call = [sys.executable, "-m", "benchmarks.full_disks", "--steps", "3"]
    done = subprocess.run(call, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
