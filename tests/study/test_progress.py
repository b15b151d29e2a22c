import io
import re

from rich.console import Console

from layerscope.study import progress
from layerscope.study.progress import Bars, Silent


def work(progress):
    with progress.task("encoding x", 10, "clips") as step:
        for _ in range(10):
            step(1, 360.0)


def test_bars_are_quiet_where_there_is_no_terminal():
    file = io.StringIO()
    work(Bars(Console(file=file)))
    assert file.getvalue().strip() == ""


def test_bars_show_units_and_audio_speed_on_a_terminal():
    file = io.StringIO()
    work(Bars(Console(file=file, force_terminal=True, width=120)))
    assert "10/10" in file.getvalue()
    assert "h of audio/h" in file.getvalue()


def test_silence():
    work(Silent())


def test_without_a_terminal_a_line_is_written_each_minute(monkeypatch):
    clock = iter(range(0, 10_000, 25))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    bars, lines = io.StringIO(), io.StringIO()
    work(Bars(Console(file=bars), Console(file=lines)))
    written = lines.getvalue().splitlines()
    # Every look at the clock is 25 s later, and a step looks twice: fewer lines than steps.
    assert 1 < len(written) < 10
    assert written[0] == "encoding x: 1 of 10 clips"  # which would say nothing of those to come
    assert re.fullmatch(r"encoding x: \d of 10 clips, about \d+ min left", written[1])
    assert bars.getvalue().strip() == ""


def test_verbose_says_of_each_task_how_long_it_took():
    lines = io.StringIO()
    work(Bars(Console(file=io.StringIO()), Console(file=lines), verbose=True))
    assert re.fullmatch(r"encoding x: 10 clips in \d+\.\d s\n", lines.getvalue())
