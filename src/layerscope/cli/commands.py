"""The commands: each takes what was typed, calls the library, and prints what came of it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from platform import platform
from typing import Annotated, Any

import typer

from layerscope.cli.field_options import takes_fields
from layerscope.cli.listings import LISTS, cache_table, print_encoders
from layerscope.cli.terminal import (
    console,
    print_answered,
    print_check,
    print_concepts,
    print_exported,
    print_lines,
    print_page,
    print_results,
    print_similarities,
    print_table,
    say,
    shown_progress,
    verbosity,
)
from layerscope.errors import DataError, ResourceError, UsageError, unknown
from layerscope.study.option_base import Computing, checked
from layerscope.study.options import Battery, Comparison, Models, Plan, make_plan, read_plan

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Help says [default: all], which is no markup.
    rich_markup_mode=None,
    help="Which layer of a music model serves your task, is it better than plain features, and how sure are we?",
    epilog="Environment: LAYERSCOPE_CACHE is where features, downloads and weights are kept (~/.cache/layerscope); "
    "LAYERSCOPE_DATA where the data sets of tasks lie (in the cache). More: docs/commands.md.",
)

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
    print_results(results)
    print_page(out, started)


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
    leaks = sum(len(each.leaks) for each in expected.tasks if not each.study.task.published)
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
    from layerscope.study.run_pages import write_page

    started = time.monotonic()
    similarities = compare_models(asked, out, progress=shown_progress(), command=sys.argv)
    write_page(out)
    print_similarities(similarities)
    print_page(out, started)


@app.command()
@takes_fields(Battery)
def concepts(given: dict[str, Any], out: Annotated[Path, typer.Option(help="A directory of its own.")]) -> None:
    """Show which concepts of music each layer tells, and what it is invariant to, by music composed for it."""
    asked = checked(Battery, given, "command line")
    from layerscope.study.concepts import run_battery

    started = time.monotonic()
    maps = run_battery(asked, out, progress=shown_progress(), command=sys.argv, say=say)
    print_concepts(maps)
    print_page(out, started)


@app.command()
def report(
    run_directory: Annotated[
        list[str],
        typer.Argument(help="A run's directory, or several to put together; NAME=DIRECTORY calls its table NAME."),
    ],
    out: Annotated[Path | None, typer.Option(help="Where several runs are put together.")] = None,
    style: Annotated[
        Path | None, typer.Option(help="A matplotlib style file: size, fonts and colours of the figures.")
    ] = None,
) -> None:
    """Write the report of a run, a comparison or a battery of concepts again, or of several runs side by side."""
    from layerscope.report.figure_style import read_style, styled
    from layerscope.study.run_pages import write_reports

    with styled(read_style(style) if style else {}):
        write_reports(run_directory, out)
    print_lines([f"wrote {(out or Path(run_directory[0])) / 'report.html'}"])


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
    refuse_others(predictor, out, jams, paths)
    answers = []
    # The answers may go through a pipe, where no bar belongs.
    with shown_progress().task("predicting", len(paths), "files") as step:
        for answer in answer_files(predictor, paths, left_out):
            answers.append(answer)
            step(1)
    if out is not None:
        write_answers(answers, predictor.kind, out)
    elif jams is None:
        sys.stdout.write(table_of(answers, predictor.kind).to_csv(index=False, lineterminator="\n"))
    if jams is not None:
        write_jams(predictor, answers, jams)
    print_answered(answers, [place for place in (out, jams) if place is not None])
    if failed := [answer for answer in answers if answer.error]:
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
    print_lines(["", repr(results)])
    print_page(out, started)


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
