"""The command line: it parses and calls the library.

Exit codes: 0 done; 1 a bug in layerscope; 2 a wrong name or option; 3 the data; 4 the model; 5 the machine (a full
disk, a lock, a missing permission); 130 interrupted, or asked to terminate.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from platform import platform
from typing import Annotated, Any

import typer

from layerscope.atomic_files import HOMELESS, NO_PLACE, way_out
from layerscope.cli.field_options import takes_fields
from layerscope.cli.interrupts import INTERRUPTED, Interrupts
from layerscope.cli.terminal import (
    LISTS,
    cache_table,
    console,
    plain_console,
    print_answers,
    print_check,
    print_concepts,
    print_encoders,
    print_exported,
    print_lines,
    print_results,
    print_similarities,
    print_table,
    say,
    shown_progress,
    verbosity,
)
from layerscope.errors import DataError, LayerscopeError, ResourceError, UsageError, unknown
from layerscope.study.options import Battery, Comparison, Computing, Models, Plan, checked, make_plan, read_plan

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Help says [default: all], which is no markup.
    rich_markup_mode=None,
    help="Which layer of a music model serves your task, is it better than plain features, and how sure are we?",
    epilog="Environment: LAYERSCOPE_CACHE is where features, downloads and weights are kept (~/.cache/layerscope); "
    "LAYERSCOPE_DATA where the data sets of tasks lie (in the cache). More: docs/commands.md.",
)
#: Commands that keep what they have done when they are stopped.
CONTINUING = frozenset({"run", "compare", "concepts", "demo", "pretrain", "data"})
#: May stand anywhere in a command, as people type them.
ANYWHERE = ("-q", "--quiet", "-v", "--verbose")

Out = Annotated[Path, typer.Option(help="The run's directory; a killed run continues there.")]
StudyFile = Annotated[Path | None, typer.Argument(help="A study.toml with these options as keys.")]


def plan_of(study: Path | None, given: dict[str, Any]) -> Plan:
    """Return the study that a file and the options over it describe."""
    return read_plan(study, given) if study else make_plan(given, "command line")


def print_version(asked: bool) -> None:
    """Print the version and end, where that was asked."""
    if asked:
        console.print(f"layerscope {version('layerscope')}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress; may stand anywhere, as may the next.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say of each step, as it ends, how long it took.")
    ] = False,
) -> None:
    """Take the options of every command."""
    if quiet and verbose:
        raise UsageError("--quiet and --verbose contradict each other; leave one out")
    verbosity.update(quiet=quiet, verbose=verbose)


@contextlib.contextmanager
def early_workers(*, fresh: bool) -> Iterator[None]:
    """Have workers share what this process has imported, unless torch was there before and so may have threads."""
    from layerscope.probes.workers import forked_early

    with forked_early() if fresh else contextlib.nullcontext():
        yield


@app.command()
@takes_fields(Plan)
def run(given: dict[str, Any], out: Out, study: StudyFile = None) -> None:
    """Score every layer, the inputs of all layers and plain features, with intervals, and write a page."""
    fresh = "torch" not in sys.modules
    plan = plan_of(study, given)
    # Here, as in all commands, so that help and a wrong option do not wait for torch.
    from layerscope.study.run import run as run_study

    started = time.monotonic()
    with early_workers(fresh=fresh):
        results = run_study(plan, out, progress=shown_progress(), command=sys.argv)
    print_results(results, out, time.monotonic() - started)


@app.command()
@takes_fields(Plan)
def check(
    given: dict[str, Any],
    study: StudyFile = None,
    reach: Annotated[bool, typer.Option("--reach", help="What `compare --reach` would cost on these clips.")] = False,
) -> None:
    """Show the data, leaks between splits and the cost of a run before it; or, of a model alone, what it is."""
    if "model" in given and study is None and not given.keys() & {"data", "task", "preset"}:
        print_encoders(
            checked(Models, {name: given[name] for name in Models.model_fields.keys() & given}, "command line")
        )
        return
    fresh = "torch" not in sys.modules
    plan = plan_of(study, given)
    # joblib's, which knows what a container may use.
    from joblib import cpu_count

    from layerscope.study.cost import check as look

    with early_workers(fresh=fresh):
        expected = look(plan, cpu_count(), reach=reach)
    print_check(expected)
    leaks = sum(len(task.leaks) for task in expected.tasks if not task.published)
    if leaks and not plan.allow_leaks:
        raise DataError(f"{leaks} leaks between splits; mend the splits, or insist with --allow-leaks")
    if sum(cost.megabytes for cost in (*expected.costs, *expected.deformed)) > expected.free_megabytes:
        raise ResourceError("the features do not fit on the disk of the cache; set LAYERSCOPE_CACHE to a larger one")


@app.command()
@takes_fields(Comparison)
def compare(
    given: dict[str, Any],
    out: Annotated[Path, typer.Option(help="A directory of its own, or that of a run, whose page then shows both.")],
) -> None:
    """Show how alike layers are: to one another, between models, and to descriptors of the sound."""
    asked = checked(Comparison, given, "command line")
    from layerscope.study.compare import compare as compare_models

    started = time.monotonic()
    similarities = compare_models(asked, out, progress=shown_progress(), command=sys.argv)
    write_page(out)
    print_similarities(similarities, out, time.monotonic() - started)


@app.command()
@takes_fields(Battery)
def concepts(given: dict[str, Any], out: Annotated[Path, typer.Option(help="A directory of its own.")]) -> None:
    """Show which concepts of music each layer tells, and what it is invariant to, by music composed for it."""
    asked = checked(Battery, given, "command line")
    from layerscope.study.concepts import run_battery

    started = time.monotonic()
    maps = run_battery(asked, out, progress=shown_progress(), command=sys.argv, say=say)
    print_concepts(maps, out, time.monotonic() - started)


@app.command()
def report(
    run_directory: Annotated[list[Path], typer.Argument(help="A run's directory, or several to put side by side.")],
    out: Annotated[Path | None, typer.Option(help="Where several runs are put together.")] = None,
    style: Annotated[
        Path | None, typer.Option(help="A matplotlib style file: size, fonts and colours of the figures.")
    ] = None,
) -> None:
    """Write the report of a run, a comparison or a battery of concepts again, or of several runs side by side."""
    from layerscope.report.figure_style import read_style, styled

    with styled(read_style(style) if style else {}):
        write_reports(run_directory, out)
    print_lines([f"wrote {(out or run_directory[0]) / 'report.html'}"])


def write_reports(run_directory: list[Path], out: Path | None) -> None:
    """Write the report of a run in its place, or of one or several in a directory of its own."""
    import pandas as pd

    from layerscope.atomic_files import discard, owned_directory
    from layerscope.scores.combine import combine, names_by_window, renamed
    from layerscope.scores.learning_curve import FewLabels
    from layerscope.scores.robustness_table import ROBUSTNESS_FILES, Robustness
    from layerscope.scores.score_table import FEW_LABELS, Results, write_csv
    from layerscope.study.predictions import read_predictions

    if len(run_directory) > 1 and out is None:
        raise UsageError("give --out: the report of several runs belongs to none of them")
    if out is None:
        write_page(run_directory[0])
    else:
        runs = [Path(os.path.abspath(directory)) for directory in run_directory]  # noqa: PTH100 - links stay
        read = [Results.read(directory) for directory in runs]
        # Runs that differ in their window alone are of other states of one model.
        names = names_by_window(read, [window_of(directory) for directory in runs])
        combined = combine(list(map(renamed, read, names)))
        with owned_directory(out, "report of several runs", {"runs": runs}):
            unfit = ("answer.json", "report.html", "predictions.csv", *FEW_LABELS, *ROBUSTNESS_FILES)
            discard(*(out / name for name in unfit))
            predictions = [
                table.assign(model=table.model.replace(called))
                for run, called in zip(runs, names, strict=True)
                if (table := read_predictions(run)) is not None
            ]
            if predictions:
                write_csv(out / "predictions.csv", pd.concat(predictions).drop_duplicates())
            few_labels = [
                table.renamed(called)
                for run, called in zip(runs, names, strict=True)
                if (table := FewLabels.read(run)) is not None
            ]
            if learnt := FewLabels.joined(few_labels):
                learnt.save(out)
            if robustness := Robustness.joined(list(map(Robustness.read, runs)), names):
                robustness.save(out)
            # After these tables, of which it keeps the digests too.
            combined.save(out)
            draw_page(out)


def window_of(directory: Path) -> float | None:
    """Return the longest window that a run was asked for; nothing where it took the models' own."""
    from layerscope.atomic_files import REQUESTS, read_json

    record = directory / REQUESTS["study"]
    return read_json(record).get("window") if record.is_file() else None


@app.command()
def export(
    run_directory: Annotated[Path, typer.Argument(help="The directory of a finished run.")],
    out: Annotated[Path, typer.Option(help="A new directory for the predictor.")],
    task: Annotated[str | None, typer.Option(help="Which task, where the run has several.")] = None,
    model: Annotated[str | None, typer.Option(help="Which model.  [default: what the report recommends]")] = None,
    probe: Annotated[str | None, typer.Option(help="Which probe.")] = None,
    given: Annotated[str | None, typer.Option("--input", help="'layer 3', last, weighted, concat, moments, …")] = None,
    no_weights: Annotated[
        bool, typer.Option("--no-weights", help="Refer to the encoder's weights, without a copy.")
    ] = False,
    refit: Annotated[
        bool, typer.Option("--refit", help="Train the probe on all clips; the score stays that of the run's.")
    ] = False,
    insist: Annotated[
        bool, typer.Option("--insist", help="Although no input beats chance and shuffled labels.")
    ] = False,
    onnx: Annotated[bool, typer.Option("--onnx", help="Encoder and probe as one ONNX file, too.")] = False,
) -> None:
    """Write the answer of a run as a directory that predicts: the encoder, cut after its layer, and the probe."""
    from layerscope.study.export import export as write_predictor

    choice: dict[str, Any] = {"task": task, "model": model, "probe": probe, "given": given}
    choice |= {"weights": not no_weights, "refit": refit, "insist": insist, "onnx": onnx}
    print_exported(write_predictor(run_directory, out, **choice, progress=shown_progress()))


@app.command()
@takes_fields(Computing)
def predict(
    given: dict[str, Any],
    directory: Annotated[Path, typer.Argument(help="What `layerscope export` wrote.")],
    places: Annotated[list[Path], typer.Argument(help="Audio files, or folders of them.", metavar="FILES...")],
    out: Annotated[Path | None, typer.Option(help="A .csv or .jsonl.  [default: CSV on the terminal]")] = None,
    jams: Annotated[Path | None, typer.Option(help="A directory for a JAMS file a song.")] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="From which probability on a tag is given: 0.3 for all, or NAME=0.3; may be repeated."),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="module:factory of an encoder of your own, where the run used one.")
    ] = None,
) -> None:
    """Answer for files: labels with probabilities, values, or times with labels."""
    asked = checked(Computing, given, "command line")
    from layerscope.predictor.answer_files import (
        answer_files,
        audio_files,
        refuse_others,
        table_of,
        write_answers,
        write_jams,
    )
    from layerscope.predictor.predict import load_predictor

    own = asked.load(encoder) if encoder else None
    how: dict[str, Any] = {"device": asked.device, "batch_seconds": asked.batch_seconds}
    predictor = load_predictor(directory, own, **how, precision=given.get("precision"))
    if threshold:
        predictor = predictor.at(read_thresholds(threshold, predictor.manifest.names))
    paths, left_out = audio_files(places)
    # Before the work, not after it.
    if out is not None and out.suffix not in (".csv", ".jsonl"):
        raise UsageError(f"{out}: answers are written as .csv or .jsonl")
    refuse_others(predictor, out, jams, paths)
    answers = []
    # The answers may go through a pipe, where no bar belongs.
    with shown_progress().task("predicting", len(paths), "files") as step:
        for answer in answer_files(predictor, paths, left_out):
            answers.append(answer)
            step(1, 0.0)
    if out is not None:
        write_answers(answers, predictor.kind, out)
    elif jams is None:
        sys.stdout.write(table_of(answers, predictor.kind).to_csv(index=False, lineterminator="\n"))
    if jams is not None:
        write_jams(predictor, answers, jams)
    failed = [answer for answer in answers if answer.error]
    aside = f", {len(failed)} set aside with the reason" if failed else ""
    written = [str(place) for place in (out, jams) if place is not None]
    if written:
        print_lines(
            [f"wrote {' and '.join(written)}: {len(answers) - len(failed)} of {len(answers)} files answered{aside}"]
        )
    if failed:
        raise DataError(f"{len(failed)} of {len(answers)} files have no answer; the first: {failed[0].error}")


def read_thresholds(texts: list[str], names: list[str]) -> dict[str, Any]:
    """Return thresholds of tags by their names from what ``--threshold`` says: a number alone is of all names.

    Examples
    --------
    >>> read_thresholds(["0.3", "calm=0.7"], ["calm", "loud"])
    {'calm': 0.7, 'loud': 0.3}
    """
    thresholds: dict[str, Any] = {}
    # Those without a name first, so that the order does not matter.
    for text in sorted(texts, key=lambda text: "=" in text):
        name, _, share = text.rpartition("=")
        try:
            thresholds |= {name: float(share)} if name else dict.fromkeys(names, float(share))
        except ValueError as error:
            raise UsageError(f"--threshold {text}: not a probability, nor NAME=PROBABILITY") from error
    return thresholds


def write_page(directory: Path) -> None:
    """Write the page of a directory that no other process is writing.

    Raises
    ------
    DataError
        If it holds neither a finished run, nor a comparison, nor a battery of concepts.
    ResourceError
        If another process holds it, or it cannot be written.
    """
    from layerscope.atomic_files import sole_use, sweep

    if not any((directory / name).is_file() for name in ("results.csv", "similarity.json", "concepts.csv")):
        raise DataError(f"{directory}: not the directory of a finished run, comparison or battery of concepts")
    with sole_use(directory):
        sweep(directory)
        draw_page(directory)


def draw_page(directory: Path) -> None:
    """Write the page of a directory from all that it holds: a run, a comparison, or both; or a battery of concepts."""
    from layerscope.report import write_report
    from layerscope.report.concept_page import write_concept_page
    from layerscope.scores.concept_scores import ConceptMaps
    from layerscope.scores.learning_curve import FewLabels
    from layerscope.scores.robustness_table import Robustness
    from layerscope.scores.score_table import Results
    from layerscope.similarity.measures import Similarities
    from layerscope.study.predictions import read_predictions

    if maps := ConceptMaps.read(directory):
        write_concept_page(maps.scores, maps.invariance, maps.facts, directory / "report.html")
        return
    similarities = Similarities.read(directory)
    alone = similarities is not None and not (directory / "results.csv").is_file()
    results = None if alone else Results.read(directory)
    beside: dict[str, Any] = {}
    if results:
        beside = {
            "predictions": read_predictions(directory),
            "few_labels": FewLabels.read(directory),
            "robustness": Robustness.read(directory),
        }
    write_report(results, directory / "report.html", similarities, **beside)


@app.command()
def demo(out: Annotated[Path, typer.Option(help="The run's directory.")] = Path("runs/demo")) -> None:
    """Run the study in small: composed music, two encoders that come with layerscope; nothing is downloaded."""
    fresh = "torch" not in sys.modules
    from layerscope.study.demo import demo as run_demo

    started = time.monotonic()

    def stage(what: str, seconds: float) -> None:
        say(f"{seconds:6.1f} s  {what}")

    with early_workers(fresh=fresh):
        results = run_demo(out, progress=shown_progress(), command=sys.argv, stage=stage)
    print_answers(results)
    console.print(f"\n{out / 'report.html'} ({time.monotonic() - started:.0f} s)")


@app.command()
def data(
    task: Annotated[str, typer.Argument(help="A task of the benchmark (`layerscope ls tasks`).")],
    root: Annotated[Path | None, typer.Option(help="Where data sets lie.  [default: LAYERSCOPE_DATA]")] = None,
    download: Annotated[bool, typer.Option("--download", help="Get what may be downloaded, and unpack it.")] = False,
) -> None:
    """Say where a task's data come from; get, verify and unpack them; count what is on disk."""
    from layerscope.tasks import data_directory, known_tasks
    from layerscope.tasks.copy_check import copy_report
    from layerscope.tasks.fetch import describe, fetch

    if task not in known_tasks():
        raise unknown("task", task, known_tasks())
    benchmark, place = known_tasks()[task], (root or data_directory()).expanduser()
    print_lines(describe(benchmark))
    if download:
        fetch(benchmark, place, say)
    if not (place / benchmark.folder).is_dir():
        way = "; --download gets it" if benchmark.source.repository or benchmark.source.archives else ""
        console.print(f"on disk: nothing at {place / benchmark.folder}{way}", soft_wrap=True)
        return
    print_lines([f"layerscope {version('layerscope')}, {platform()}", *copy_report(benchmark, place)])


@app.command()
def pretrain(
    out: Out,
    family: Annotated[str | None, typer.Option(help="muq (residual quantizer) or musicfm (random projection).")] = None,
    data: Annotated[Path | None, typer.Option(help="A folder of audio.  [default: the built-in corpus]")] = None,
    steps: Annotated[int | None, typer.Option(help="Of the optimizer.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, masks and data.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A JSON of further settings (sizes, batch, rates).")] = None,
) -> None:
    """Pretrain a small encoder on masked tokens; a killed training continues in its directory."""
    from layerscope.pretrain import pretrain as train
    from layerscope.pretrain import read_recipe

    given = {"family": family, "data": data, "steps": steps, "seed": seed}
    settings = read_recipe(recipe, **{name: value for name, value in given.items() if value is not None})
    encoder = train(settings, out, say)
    console.print(f"\n{encoder}: give it as --model")


@app.command()
def cache(
    prune: Annotated[
        str | None, typer.Option(help="Delete the features of this model or plain feature; a run makes them again.")
    ] = None,
) -> None:
    """Say where features are kept between runs, how large they are, and of which models."""
    from layerscope.atomic_files import cache_directory
    from layerscope.features.cached_stores import cached_stores
    from layerscope.features.cached_stores import prune as delete

    stores, unknown_stores = cached_stores(cache_directory())
    if prune is not None:
        chosen = [store for store in stores if store.encoder == prune]
        if not chosen:
            raise unknown("model in the cache", prune, {store.encoder for store in stores})
        delete(chosen)
        print_lines([f"deleted {sum(store.size for store in chosen) / 1e6:,.1f} MB of {prune}"])
        return
    print_lines([f"{cache_directory()}: {sum(store.size for store in stores) / 1e6:,.1f} MB of features"])
    print_table(cache_table(stores))
    print_lines(
        f"{store.directory}: {store.size / 1e6:,.1f} MB more, not told what it is: {store.reason}"
        for store in unknown_stores
    )


@app.command()
def ls(what: Annotated[str, typer.Argument(help="models, tasks, baselines, probes or metrics")] = "models") -> None:
    """List what there is."""
    if what not in LISTS:
        raise unknown("list", what, LISTS)
    print_table(LISTS[what]())


def main() -> None:
    """Run the command line; errors that are meant for a person are printed without a traceback."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    interrupts = Interrupts(continues=not CONTINUING.isdisjoint(words[:1]))
    give_libraries_a_place()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal's alphabet lacks is escaped; no answer ends for a dash.
            stream.reconfigure(errors="backslashreplace")
    code = 0
    try:
        code = guarded(sys.argv[1:])
    except BaseException:
        if not interrupts.came:  # an interrupt may have become another error on its way
            raise
    if interrupts.came:
        interrupts.say()
    sys.exit(INTERRUPTED if interrupts.came else code)


def give_libraries_a_place() -> None:
    """Have libraries keep their files where this user may write; they look as they load, and some fail without."""
    try:
        home = Path.home()
    except RuntimeError:
        home = None
        if chosen := os.environ.get("LAYERSCOPE_CACHE"):
            for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
                os.environ.setdefault(name, os.path.abspath(chosen))  # noqa: PTH100 - as elsewhere, links stay
    kept = os.environ.get("XDG_CACHE_HOME") or (home and home / ".cache")
    if kept and may_write(Path(kept)):
        return
    # Compiled functions and fonts, which are made again by each command.
    with contextlib.suppress(OSError):  # nowhere at all: the libraries say so
        place = tempfile.mkdtemp(prefix="layerscope-")
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        for name in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
            os.environ.setdefault(name, place)


def may_write(directory: Path) -> bool:
    """Return whether files may be written in a directory, or it may be made."""
    # Not Path.exists, which raises where a parent is closed.
    there = next(place for place in (directory.absolute(), *directory.absolute().parents) if os.path.lexists(place))
    return os.access(there, os.W_OK | os.X_OK)


def refuse_cores(text: str) -> None:
    """Raise where the environment names a number of cores that is none: libraries would fail wherever they count."""
    try:
        int(text or "1")
    except ValueError as error:
        raise UsageError(f"LOKY_MAX_CPU_COUNT is '{text}'; set it to a whole number of cores, or unset it") from error


def guarded(arguments: list[str]) -> int:
    """Return the exit code of a command."""
    errors = plain_console(stderr=True)
    try:
        refuse_cores(os.environ.get("LOKY_MAX_CPU_COUNT", ""))
        values = arguments.index("--") if "--" in arguments else len(arguments)
        front = [word for word in arguments[:values] if word in ANYWHERE]
        app([*front, *(word for word in arguments[:values] if word not in ANYWHERE), *arguments[values:]])
    except LayerscopeError as error:
        errors.print(f"error: {error}", soft_wrap=True)
        return error.exit_code
    except SystemExit as leaving:  # so typer says how a command ended
        return int(leaving.code or 0)
    except OSError as error:
        # A full or forbidden disk is the machine's; any other is a bug, and keeps its traceback.
        if error.errno not in NO_PLACE:
            raise
        # Of a file that may not be touched nobody knows whether it was to be read or written.
        way = "" if error.errno == errno.EACCES else f"; {way_out(error)}"
        errors.print(f"error: {error.filename or 'a file'}: {error.strerror}{way}", soft_wrap=True)
        return ResourceError.exit_code
    except RuntimeError as error:
        # So Python and libraries say that they look for the home of a user who has none.
        if "home directory" not in str(error):
            raise
        errors.print(f"error: {HOMELESS}", soft_wrap=True)
        return ResourceError.exit_code
    return 0
