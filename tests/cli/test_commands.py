"""The command line as a user meets it: what is printed, what is left, and the exit code."""

import importlib
import inspect
import json
import os
import shutil
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
from test_run import leaking_table

from conftest import write_tone
from layerscope import probe
from layerscope.cli import commands
from layerscope.cli.entry_point import give_libraries_a_place, guarded
from layerscope.cli.terminal import shown_progress
from layerscope.errors import ModelError
from layerscope.study.options import Comparison, Plan
from layerscope.study.progress import Bars, Silent
from layerscope.targets import KINDS
from layerscope.tasks import TASKS


def layerscope(*arguments, **options):
    call = [sys.executable, "-m", "layerscope", *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, timeout=300, check=False, **options)


def quick(*arguments):
    """Options of a run that takes seconds."""
    return ["--model", "random:small", "--baseline", "mel", "--probe", "closed", *arguments]


def test_one_command_gives_scores_a_layer_and_a_page(tones, tmp_path):
    # Quiet, as a machine that has much to do may take longer than a minute, of which a line would tell.
    done = layerscope("-q", "run", "--data", tones, *quick("--out", tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    answer = json.loads((tmp_path / "out" / "answer.json").read_text())[0]
    assert (answer["verdict"], answer["model"]) in (("plain", "mel"), ("nothing", "mel"))
    assert ("Use a plain feature, mel (" if answer["verdict"] == "plain" else "Nothing to use yet") in done.stdout
    assert "random:small" in done.stdout
    assert (tmp_path / "out" / "report.html").is_file()
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


@pytest.mark.usefixtures("tones")
def test_a_study_file_runs_and_options_override_it(tmp_path, capsys):
    (tmp_path / "study.toml").write_text(
        'data = "tones"\nmodel = ["random:small"]\nbaseline = ["mel"]\nprobe = ["closed"]\nseeds = 4\n'
    )
    assert guarded(["run", str(tmp_path / "study.toml"), "--layers", "0-1", "--out", str(tmp_path / "out")]) == 0
    study = json.loads((tmp_path / "out" / "study.json").read_text())
    assert (study["layers"], study["seeds"]) == ("0-1", 4)
    capsys.readouterr()


def options_of(command):
    """Type, default, flag and help of each option."""
    parameters = inspect.signature(getattr(commands, command)).parameters.values()
    parts = {parameter.name: (parameter.default, *get_args(parameter.annotation)) for parameter in parameters}
    return {name: (default, kind, info.param_decls, info.help) for name, (default, kind, info) in parts.items()}


def test_run_and_check_take_the_same_options_which_are_the_fields_of_a_plan():
    run, check = options_of("run"), options_of("check")
    assert run.pop("out")
    # What a run leaves undone, but can be asked of `compare`.
    assert check.pop("reach")
    assert run == check
    assert run.pop("study")
    assert list(run) == list(Plan.model_fields)


def test_compare_takes_the_fields_of_a_comparison_which_are_a_plans_where_they_can_be():
    compare, run = options_of("compare"), options_of("run")
    assert set(compare) == {"out", *Comparison.model_fields}
    assert compare["root"] == run["root"]
    assert compare["layers"] == run["layers"]
    assert compare["model"][2:] == run["model"][2:]


def test_names_on_the_command_line_take_commas_or_repetition(tones, tmp_path, capsys):
    for baselines in (["mel,mfcc"], ["mel", "mfcc"]):
        repeated = [text for name in baselines for text in ("--baseline", name)]
        # The second would be refused if it were another study.
        study = ["--data", str(tones), *repeated, "--probe", "closed", "--out", str(tmp_path / "out")]
        assert guarded(["run", *study]) == 0
        assert json.loads((tmp_path / "out" / "study.json").read_text())["baseline"] == ["mel", "mfcc"]
    capsys.readouterr()


def test_quiet_and_verbose_stand_anywhere(capsys):
    for arguments, kind, verbose in (
        (["ls", "probes"], Bars, False),
        (["-v", "ls", "probes"], Bars, True),
        (["ls", "probes", "--verbose"], Bars, True),
        (["ls", "-q", "probes"], Silent, None),
    ):
        assert guarded(arguments) == 0
        shown = shown_progress()
        assert type(shown) is kind
        assert getattr(shown, "verbose", None) is verbose
    assert guarded(["-q", "ls", "-v"]) == 2
    assert "--quiet and --verbose contradict each other" in capsys.readouterr().err
    assert guarded(["ls", "--", "-q"]) == 2  # a name, not an option
    assert "unknown list '-q'" in capsys.readouterr().err


def test_check_prints_the_plan_and_its_cost(tones, capsys):
    assert guarded(["check", "--data", str(tones), *quick()]) == 0
    printed = capsys.readouterr().out
    assert "tones: 30 clips, 0.00 h of audio, splits: test 6, train 18, valid 6" in printed
    assert "labels: classes: 30 of 30 cells" in printed
    assert "min of encoding" in printed
    assert "MB on disk" in printed


def test_check_lists_folds_by_number_and_cuts_long_names(tmp_path, capsys):
    rows = []
    for number in range(24):
        write_tone(tmp_path / f"{number}.wav", 200 + 10 * number)
        rows.append(f"{number}.wav,{'ab'[number % 2] * 5000},{number // 2 % 12}")
    table = tmp_path / "clips.csv"
    table.write_text("\n".join(["path,label,fold", *rows]))
    assert guarded(["check", "--data", str(table), *quick()]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "folds: 0 2, 1 2, 2 2, 3 2, 4 2, 5 2, 6 2, 7 2, 8 2, 9 2, 10 2, 11 2 " in printed
    assert len(printed) < 2000


def test_check_of_leaking_data_lists_the_leak_and_fails(tmp_path, capsys):
    table = leaking_table(tmp_path, copies=True)
    assert guarded(["check", "--data", str(table), *quick()]) == 3
    printed = capsys.readouterr()
    assert "leak: the same audio (0.wav, 8.wav) is in train and test" in printed.out
    assert "insist with --allow-leaks" in printed.err


def test_report_writes_the_page_again(tones, tmp_path, capsys):
    assert guarded(["run", "--data", str(tones), *quick("--out", str(tmp_path / "out"))]) == 0
    before = (tmp_path / "out" / "report.html").read_bytes()
    (tmp_path / "out" / "report.html").unlink()
    assert guarded(["report", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "report.html").read_bytes() == before
    (tmp_path / "paper.mplstyle").write_text("figure.figsize: 3.0, 2.0\nsavefig.dpi: 100\n")
    assert guarded(["report", str(tmp_path / "out"), "--style", str(tmp_path / "paper.mplstyle")]) == 0
    picture = next((tmp_path / "out" / "figures").glob("*.png")).read_bytes()
    # Width and height stand in the header of a PNG.
    assert struct.unpack(">II", picture[16:24]) == (300, 200)
    assert guarded(["report", str(tmp_path / "out"), "--style", str(tmp_path / "gone.mplstyle")]) == 2
    assert "gone.mplstyle: not readable as a matplotlib style file" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["models", "baselines", "probes", "metrics"])
def test_ls_lists(what, capsys):
    assert guarded(["ls", what]) == 0
    assert {"models": "muq", "baselines": "cqt", "probes": "mlp", "metrics": "roc_auc"}[what] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "--data", "DATA", "--model", "musicfn", "--out", "OUT"], 2, "did you mean 'musicfm'"),
        (["run", "--data", "DATA", "--baseline", "mfc", "--out", "OUT"], 2, "did you mean 'mfcc'"),
        (["run", "--data", "DATA", "--model", "muq", "--probe", "mpl", "--out", "OUT"], 2, "did you mean 'mlp'"),
        (["run", "--data", "DATA", "--target", "lable", "--out", "OUT"], 2, "did you mean 'label'"),
        (["run", "--data", "absent", "--out", "OUT"], 3, "absent' does not exist; give a folder"),
        (["run", "--out", "OUT"], 2, "no data; give --data, --task"),
        (["run", "--data", "DATA"], 2, "Missing option '--out'"),
        (["run", "--data", "DATA", "--seeds", "0", "--out", "OUT"], 2, "'seeds'"),
        (["run", "--data", "DATA", "--kind", "class", "--out", "OUT"], 2, "did you mean 'classes'"),
        (["run", "--data", "DATA", "--preset", "papr", "--out", "OUT"], 2, "preset 'papr'; did you mean 'paper'?"),
        (["run", "--data", "DATA", "--few-labels", "knn", "--out", "OUT"], 2, "few labels 'knn'; known: closed,"),
        (["check", "--data", "DATA", "--probe", "mlp,linnear"], 2, "did you mean 'linear'"),
        (["compare", "--data", "DATA", "--model", "muq", "--frames", "1", "--out", "OUT"], 2, "'frames'"),
        (["compare", "--data", "DATA", "--out", "OUT"], 2, "Missing option '--model'"),
        (["run", "--data", "DATA", "--model", "random:small", "--layers", "9", "--out", "OUT"], 2, "not within 0-4"),
        (["run", "--data", "DATA", "--model", "DATA", "--out", "OUT"], 4, "holds no weights"),
        (["run", "--data", "DATA", "--out", "FILE/x"], 5, "cannot be written"),
        (["report", "absent"], 3, "not the directory of a finished run"),
        (["ls", "model"], 2, "did you mean 'models'"),
        (["runn"], 2, "runn"),
    ],
)
def test_errors_say_what_is_wrong_and_have_the_documented_exit_code(arguments, code, words, tones, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    places = {"DATA": tones, "OUT": tmp_path / "out", "FILE/x": tmp_path / "file" / "x"}
    assert guarded([str(places.get(argument, argument)) for argument in arguments]) == code
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err


def test_a_full_disk_is_an_error_not_a_traceback(tones, tmp_path):
    """A file system of its own, too small for the features."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting needs a privileged user")
    try:
        done = layerscope(
            "run",
            "--data",
            tones,
            *quick("--out", tmp_path / "out"),
            env={**os.environ, "LAYERSCOPE_CACHE": str(small)},
        )
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert done.returncode == 5
    assert "No space left on device" in done.stderr
    assert "free some space and run the same command again" in done.stderr
    assert "Traceback" not in done.stderr


def test_hostile_files_in_a_table_end_in_skipped_csv(hostile, tmp_path, tones, capfd):
    rows = ["path,label", *(f"{path},{path.parent.name}" for path in sorted(tones.rglob("*.wav")))]
    bad = sorted(path for path in hostile.iterdir() if path.suffix != ".md")
    rows += [f'"{path}",low' for path in bad]
    (tmp_path / "clips.csv").write_text("\n".join(rows), encoding="utf-8")
    assert guarded(["run", "--data", str(tmp_path / "clips.csv"), *quick("--out", str(tmp_path / "out"))]) == 0
    assert "Traceback" not in capfd.readouterr().err
    skipped = pd.read_csv(tmp_path / "out" / "skipped.csv")
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert {Path(clip).name for clip in skipped["clip"]} == {
        "antiphase_stereo.wav", "corrupt_middle.mp3", "empty.wav", "inf_float.wav", "nan_float.wav", "one_sample.wav",
        "text.wav", "truncated_body.wav", "truncated_header.wav", "zero_samples.wav",
    }  # fmt: skip
    assert sum(next(iter(provenance["tasks"].values()))["splits"].values()) + len(skipped) == 30 + len(bad)
    for clip, reason in zip(skipped["clip"], skipped.reason, strict=True):
        assert Path(clip).name in reason


def test_text_from_outside_is_printed_as_it_is(tones, tmp_path, capsys):
    name = "[bold]:x:[/nothing] :smile:"
    assert guarded(["report", str(tmp_path / name)]) == 3
    assert name in capsys.readouterr().err
    (tones / "low").rename(tones / name.replace("/", ""))
    shutil.copy(tones / "high" / "0.wav", tones / name.replace("/", "") / "copy.wav")
    for number in range(12):
        (tones / "high" / f"broken{number}.wav").write_text("not audio")
    assert guarded(["check", "--data", str(tones), *quick()]) == 0
    printed = capsys.readouterr().out
    assert name.replace("/", "") in printed
    assert "1 sound has different labels under different names" in printed
    assert printed.count("skipped ") == 1
    assert "(and 11 more like it)" in printed


def test_help_is_quick():
    started = time.monotonic()
    assert layerscope("--help").returncode == 0
    # Importing torch alone takes longer than this.
    assert time.monotonic() - started < 2.0


BAD_TABLES = {
    "constant.csv": (
        "path,label\n" + "".join(f"{n}.wav,0.5\n" for n in range(30)),
        "'label' is the same for every clip",
    ),
    "single.csv": ("path,label\n" + "".join(f"{n}.wav,x\n" for n in range(30)), "a single class"),
    "few.csv": ("path,label\n0.wav,x\n1.wav,y\n", "2 groups cannot be divided into 5 parts"),
    "ragged.csv": ("path,label\n0.wav,x,y,z\n1.wav\n", "ragged.csv"),
    "open.csv": ('path,label\n"0.wav,x\n', "not readable as a table"),
    "empty.csv": ("", "no column 'path'"),
    "bytes.csv": (b"\x00\xff\xfe,\n\x80", "not text"),
    "untagged.jsonl": ("".join(f'{{"path": "{n}.wav", "label": []}}\n' for n in range(30)), "no clip has any tag"),
    "same.jsonl": ("".join(f'{{"path": "{n}.wav", "label": ["a"]}}\n' for n in range(30)), "no tag has both answers"),
    "empty.jsonl": ("", "no usable row"),
    "bytes.jsonl": (b"\xff\xfe\x00junk\n", "bytes.jsonl line 1: not JSON"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_is_an_error_not_a_traceback(name, tmp_path, capsys):
    content, words = BAD_TABLES[name]
    for number in range(30):
        write_tone(tmp_path / f"{number}.wav", 200 + 20 * number, seed=number)
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert guarded(["run", "--data", str(tmp_path / name), *quick("--out", str(tmp_path / "out"))]) == 3
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_run_directory_is_an_error_not_a_traceback(content, tones, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "study.json").write_text(content)
    assert guarded(["run", "--data", str(tones), *quick("--out", str(tmp_path / "out"))]) == 2
    assert "choose another --out" in capsys.readouterr().err


def test_ls_tasks_lists_every_task_with_its_licence(capsys):
    assert guarded(["ls", "tasks"]) == 0
    shown = capsys.readouterr().out
    for name, task in TASKS.items():
        line = next(line for line in shown.splitlines() if line.startswith(f"{name} "))
        assert task.source.licence in line
        assert KINDS[task.kind].metrics[0].name in line


def test_data_says_where_a_task_comes_from(capsys, tmp_path):
    assert guarded(["data", "harmonix-structure", "--root", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "https://github.com/urinieto/harmonixset" in shown
    assert "you supply" in shown
    assert "on disk: nothing" in shown


def test_two_runs_side_by_side(tones, tmp_path, capsys):
    for name in ("mel", "mfcc"):
        study = ["--data", str(tones), "--baseline", name, "--probe", "closed", "--out", str(tmp_path / name)]
        assert guarded(["run", *study]) == 0
    directories = [str(tmp_path / "mel"), str(tmp_path / "mfcc")]
    assert guarded(["report", *directories]) == 2
    assert guarded(["report", *directories, "--out", str(tmp_path / "both")]) == 0
    capsys.readouterr()
    page = (tmp_path / "both" / "report.html").read_text()
    assert "mfcc" in page
    assert len(pd.read_csv(tmp_path / "both" / "summary.csv").model.unique()) == 2
    assert set(pd.read_csv(tmp_path / "both" / "predictions.csv").model) == {"mel", "mfcc"}
    assert "Mistakes" in page


def test_pretrain_takes_what_the_recipe_says_where_nothing_is_given(tmp_path, monkeypatch, capsys):
    from layerscope.pretrain import training_audio as sound

    monkeypatch.setattr(sound, "SHARD", 16)
    small = {"dim": 32, "depth": 1, "heads": 2, "feedforward": 32, "channels": 4, "batch": 2, "seconds": 2.0}
    (tmp_path / "recipe.json").write_text(
        json.dumps({**small, "family": "musicfm", "steps": 2, "codes": 64, "seed": 3})
    )
    recipe = ["--recipe", str(tmp_path / "recipe.json")]
    assert guarded(["pretrain", "--out", str(tmp_path / "out"), *recipe]) == 0
    written = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert (written["family"], written["steps"], written["seed"], written["dim"]) == ("musicfm", 2, 3, 32)
    assert guarded(["pretrain", "--out", str(tmp_path / "out"), *recipe, "--steps", "3"]) == 0
    assert json.loads((tmp_path / "out" / "recipe.json").read_text())["steps"] == 3
    (tmp_path / "recipe.json").write_text('{"width": 3}')
    assert guarded(["pretrain", "--out", str(tmp_path / "other"), *recipe]) == 2
    assert "'width'" in capsys.readouterr().err


def test_a_model_alone_is_held_to_its_contract(golden, tmp_path, capsys, monkeypatch):
    assert guarded(["check", "--model", str(golden / "muq-small"), "--model", "mel", "--layers", "0-2"]) == 0
    shown = capsys.readouterr().out
    assert "0–2" in shown
    assert "The contract is kept" in shown
    (tmp_path / "wrong.py").write_text(
        "import torch, layerscope as ls\n"
        "class Wrong(ls.Encoder):\n"
        "    name, sample_rate, frame_rate, layers, dim, fingerprint = 'wrong', 8000, 10.0, (0, 1), 3, 'f'\n"
        "    def encode(self, waveforms):\n"
        "        return torch.zeros(len(waveforms), 1, 20, 3)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert guarded(["check", "--model", "wrong:Wrong"]) == 4
    assert "expected (batch, layer, frame, dim) = (2, 2, 'frame', 3)" in capsys.readouterr().err


def test_an_encoder_whose_layers_have_widths_of_their_own_is_checked_alone(tmp_path, capsys, monkeypatch):
    (tmp_path / "narrowing.py").write_text(
        "import torch, layerscope as ls\n"
        "class Narrowing(ls.Encoder):\n"
        "    name, sample_rate, frame_rate, fingerprint, layers, widths = 'narrow', 8000, 10.0, 'f', (1, 2), (8, 4)\n"
        "    def encode(self, waveforms):\n"
        "        frames = waveforms.unfold(1, 800, 800)\n"
        "        return [frames.unflatten(2, (width, -1)).abs().mean(3) for width in self.widths]\n"
    )
    monkeypatch.chdir(tmp_path)
    assert guarded(["check", "--model", "narrowing:Narrowing"]) == 0
    assert "4–8" in capsys.readouterr().out


def test_models_are_listed_with_their_licences(capsys):
    assert guarded(["ls", "models"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert "CC BY-NC 4.0 (non-commercial)" in lines["muq"]
    assert "from layer 1" in lines["hf:m-a-p/MERT-v2-30s"]
    assert "transformers (Apache-2.0)" in lines["hf:m-a-p/MERT-v1-95M"]


@pytest.mark.slow
def test_a_command_whose_output_was_closed_ends_as_any_other(tmp_path):
    """What follows prints as `predict` and errors do; a file that is opened takes the place of neither."""
    (tmp_path / "late.py").write_text("""
import sys
from layerscope.cli import entry_point as cli

def command(arguments):
    with open("kept.txt", "w") as file:
        sys.stdout.write("answers")
        print("error", file=sys.stderr)
        return 0 if file.fileno() > 2 else 1

cli.guarded = command
cli.main()
""")
    call = f"{sys.executable} late.py run >&- 2>&-"
    assert subprocess.run(["bash", "-c", call], cwd=tmp_path, check=False).returncode == 0
    assert (tmp_path / "kept.txt").read_text() == ""


@pytest.mark.parametrize("alphabet", ["latin-1", "ascii"])
def test_a_terminal_of_another_alphabet_is_written_to(alphabet):
    done = subprocess.run(
        [sys.executable, "-m", "layerscope", "ls", "models"],
        env={**os.environ, "PYTHONIOENCODING": alphabet}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert rb"0\u201312" in done.stdout  # the dash of 0–12


def test_somebodys_code_that_fails_in_mid_run_is_said_in_one_line(tones, tmp_path, monkeypatch, capsys):
    source = """
    import torch, layerscope as ls
    class Failing(ls.Encoder):
        name, sample_rate, frame_rate, layers, dim, fingerprint = "failing", 8000, 10.0, (0,), 1, "f"
        def encode(self, waveforms):
            if len(waveforms) > 2:  # it is tried with two
                raise ValueError("weights of another size")
            return waveforms.unfold(1, 800, 800).mean(-1)[:, None, :, None]
    """
    (tmp_path / "failing_later.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    run = ["run", "--data", str(tones), "--model", "failing_later:Failing", "--baseline", "none", "--out"]
    assert guarded([*run, str(tmp_path / "out")]) == 4
    said = capsys.readouterr().err
    assert "failing, given 'high/0.wav' and 29 more: its code raised ValueError: weights of another size" in said
    assert "failing_later.py, line 7); mend it there" in said
    assert "Traceback" not in said
    with pytest.raises(ModelError, match="its code raised ValueError"):
        probe("failing_later:Failing", tones)
    given = importlib.import_module("failing_later").Failing()
    given.sample_rate = 0
    with pytest.raises(ModelError, match="Failing: 'sample_rate' is 0"):
        probe(given, tones)


def test_what_a_library_says_of_a_user_without_home_is_said_with_the_way_out(monkeypatch, capsys):
    def look_for_home():
        raise RuntimeError("could not determine the home directory for '~/.cache', set an absolute HOME")

    monkeypatch.setitem(commands.LISTS, "models", look_for_home)
    assert guarded(["ls", "models"]) == 5
    assert capsys.readouterr().err == (
        "error: this user has no home directory; say where to keep things in LAYERSCOPE_CACHE\n"
    )


def test_libraries_keep_their_files_elsewhere_where_the_home_cannot_be_written(tmp_path, monkeypatch):
    for name in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "")  # so that what is set below is taken back
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    give_libraries_a_place()
    assert "NUMBA_CACHE_DIR" not in os.environ
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    give_libraries_a_place()
    assert os.access(os.environ["NUMBA_CACHE_DIR"], os.W_OK)
    assert os.environ["MPLCONFIGDIR"] == os.environ["NUMBA_CACHE_DIR"]


@pytest.mark.parametrize("text", ["many", "1.5"])
def test_a_number_of_cores_that_is_none_is_named(text, monkeypatch, capsys):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", text)
    assert guarded(["ls", "probes"]) == 2
    assert f"LOKY_MAX_CPU_COUNT is '{text}'; set it to a whole number of cores" in capsys.readouterr().err
