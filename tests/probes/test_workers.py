import os
import subprocess
import sys

import pytest

from conftest import TWO_WORKERS
from layerscope.probes.workers import FORKS, calls_elsewhere, side_by_side


def elsewhere(function, calls, order):
    for number, arguments in enumerate(calls):
        yield (number, function(*arguments), order)


def test_calls_go_elsewhere_while_that_is_said():
    with calls_elsewhere(elsewhere, 1):
        assert list(side_by_side(pow, [(2, 3), (2, 4)], workers=1)) == [(0, 8, "as asked"), (1, 16, "as asked")]
        assert list(side_by_side(pow, iter([(2, 5)]), order="as ready")) == [(0, 32, "as ready")]
    assert list(side_by_side(pow, [(2, 3)], workers=1)) == [8]


def test_an_error_ends_it_too():
    with pytest.raises(ZeroDivisionError), calls_elsewhere(elsewhere, 1):
        list(side_by_side(divmod, [(1, 0)]))
    assert list(side_by_side(pow, [(2, 3)], workers=1)) == [8]


DAEMON = """
import multiprocessing
from layerscope.probes.workers import side_by_side

def cubes():
    assert list(side_by_side(pow, [(2, 3), (3, 3)], workers=2)) == [8, 27]

if __name__ == "__main__":
    process = multiprocessing.get_context("fork").Process(target=cubes, daemon=True)
    process.start()
    process.join()
    raise SystemExit(process.exitcode)
"""


@pytest.mark.skipif(not FORKS, reason="a fork is safe on Linux alone")
def test_a_process_that_may_start_none_works_alone_and_without_a_word():
    done = subprocess.run([sys.executable, "-c", DAEMON], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


FORKED = """
import multiprocessing, os, time
import torch
from layerscope.errors import ResourceError
from layerscope.probes.workers import forked_early, side_by_side

def own(process):
    # Kilobytes that no other process has, beside all that it has.
    lines = dict(line.split(":") for line in open(f"/proc/{process}/smaps_rollup").read().splitlines()[1:])
    return [sum(int(lines[name].split()[0]) for name in names) for names in (["Private_Dirty"], ["Rss"])]

with forked_early():
    processes = {process.pid for process in multiprocessing.active_children()}
    assert len(processes) == 2
    assert list(side_by_side(pow, [(2, n) for n in range(9)])) == [2**n for n in range(9)]
    assert sorted(side_by_side(pow, ((2, n) for n in range(9)), order="as ready")) == [2**n for n in range(9)]
    # By the processes that were forked, whose pages are the ones of this process; closures go to them too.
    there = list(side_by_side(lambda add: (os.getpid() + add, torch.get_num_threads()), [(0,)] * 4))
    assert {process for process, _ in there} <= processes and {threads for _, threads in there} == {1}
    assert list(side_by_side(os.getpid, [()], workers=1)) == [os.getpid()]
    for private, whole in map(own, processes):
        assert private < whole / 4, (private, whole)
    try:
        list(side_by_side(divmod, [(1, 0)]))
    except ZeroDivisionError:
        pass
    # What is left midway leaves the next calls alone.
    left = side_by_side(pow, [(3, n) for n in range(9)])
    assert next(left) == 1
    left.close()
    assert list(side_by_side(pow, [(2, 3)])) == [8]
    os.kill(min(processes), 9)
    try:
        list(side_by_side(time.sleep, [(1,)] * 4))
    except ResourceError as error:
        assert "ended from outside" in str(error)
    else:
        raise AssertionError
assert not multiprocessing.active_children()
print("done")
"""


@pytest.mark.skipif(not FORKS, reason="no fork here")
def test_workers_that_are_forked_early_share_what_is_imported():
    call = [sys.executable, "-c", FORKED]
    done = subprocess.run(call, env=os.environ | TWO_WORKERS, capture_output=True, text=True, check=False)
    assert done.stdout == "done\n", done.stderr
