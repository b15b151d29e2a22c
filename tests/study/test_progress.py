import io

from rich.console import Console

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
