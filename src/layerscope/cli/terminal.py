"""What the commands print: tables that align, and what a study found, in words."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from layerscope.data.reasons import reasons_by_kind

if TYPE_CHECKING:
    from layerscope.study.progress import Progress

__all__ = [
    "console", "plain_console", "plain_table", "print_answered", "print_check", "print_concepts", "print_exported",
    "print_lines", "print_page", "print_results", "print_similarities", "print_table", "say",
    "shown_progress", "verbosity",
]  # fmt: skip


def plain_console(**where: Any) -> Console:
    """Return a console that prints text as it is: names from outside may hold ``:x:`` or ``[b]``."""
    return Console(emoji=False, markup=False, highlight=False, **where)


console = plain_console()
#: What was asked of the command that runs.
verbosity = {"quiet": False, "verbose": False}
#: Letters of the widest table.
WIDEST = 240
#: Kinds of reasons why clips are skipped that `check` shows.
MOST_REASONS = 10


def shown_progress() -> Progress:
    """Return where long work shows its progress; on standard error, so that what is printed can go through a pipe."""
    from layerscope.study.progress import Bars, Silent

    errors = plain_console(stderr=True)
    return Silent() if verbosity["quiet"] else Bars(errors, errors, verbose=verbosity["verbose"])


def say(line: object) -> None:
    """Print a line about work that goes on, unless a command is to be quiet."""
    if not verbosity["quiet"]:
        console.print(line, soft_wrap=True)


def plain_table(*columns: str) -> Table:
    """Return an empty table whose columns align."""
    table = Table(box=None, pad_edge=False, caption_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they are: a narrow window may wrap them."""
    for line in lines:
        console.print(line, soft_wrap=True)


def print_table(table: Table) -> None:
    """Print a table as wide as it is: a narrow window may wrap its lines, but no cell loses a letter."""
    plain_console(width=max(console.width, WIDEST), soft_wrap=True).print(table)


def print_frame(frame: Any) -> None:
    """Print a data frame as a table."""
    table = plain_table(*frame.columns)
    for row in frame.values.tolist():
        table.add_row(*map(str, row))
    print_table(table)


def print_results(results: Any) -> None:
    """Print the overview and the recommendation for each task."""
    from layerscope.report import advise
    from layerscope.report.learning_curves import few_label_sentences
    from layerscope.report.paper_tables import overview, told_columns

    for task in results.tasks:
        own = results.only(task)
        if len(results.tasks) > 1:
            console.print(f"\n{own.facts['title']}", style="bold underline")
        print_frame(told_columns(overview(own)))
        advice = advise(own)
        console.print(f"\n{advice.headline}", style="bold", soft_wrap=True)
        few_labels = few_label_sentences(own, results.few_labels)
        print_lines(f"  {line}" for line in (*advice.reasons, *advice.cautions, *few_labels))


def print_page(out: Path, started: float) -> None:
    """Print where a page is, and how long it took since a moment of `time.monotonic`."""
    console.print(f"\n{out / 'report.html'} ({time.monotonic() - started:.0f} s)")


def print_similarities(similarities: Any) -> None:
    """Print how alike each layer is to the layer before it and to each descriptor, and what could not be told."""
    from layerscope.report.paper_tables import similarity_overview

    facts = similarities.facts
    console.print(
        f"{facts['clips']} clips, {facts['hours']:.2f} h, {facts['frames']:,} frames drawn; "
        "debiased CKA [95 %], clips resampled in parts\n",
    )
    print_frame(similarity_overview(similarities))
    print_lines(f"not told: {line}" for line in facts["refused"])
    if names := facts.get("overlapping"):
        print_lines([f"{', '.join(names)}: read from the overlapping windows that a run over time has left"])


def print_concepts(maps: Any) -> None:
    """Print what is shown of each concept."""
    from layerscope.report.concept_page import sentences

    print_lines(f"{name}: {sentence}" for name, sentence in sentences(maps.scores, maps.invariance))


def print_exported(exported: Any) -> None:
    """Print what was exported, and what it costs beside the whole model."""
    chosen, encoder = exported.chosen, exported.encoder
    console.print(f"{chosen.what}, {chosen.row.probe} probe: {exported.score}", soft_wrap=True)
    console.print(f"answer of the run: {chosen.answer_in_words}", soft_wrap=True)
    table = plain_table("", f"ms for {exported.window:g} s", "MB of weights")
    for name, costs in (("whole model", encoder.whole), ("exported", encoder.cut)):
        table.add_row(name, f"{1000 * costs.seconds:.0f}", f"{costs.megabytes:.1f}")
    print_table(table)
    console.print(f"wrote {exported.directory}: layerscope predict {exported.directory} FILES", soft_wrap=True)


def print_answered(answers: Any, places: list[Path]) -> None:
    """Print where answers were written, and of how many files; nothing where the answers themselves were printed."""
    failed = sum(bool(answer.error) for answer in answers)
    aside = f", {failed} set aside with the reason" if failed else ""
    if places:
        where = " and ".join(map(str, places))
        print_lines([f"wrote {where}: {len(answers) - failed} of {len(answers)} files answered{aside}"])


def print_check(expected: Any) -> None:
    """Print what a run would meet and cost."""
    for task in expected.tasks:
        print_task_check(task)
    print_lines(expected.machines)
    columns = ("model", "on", "in", "passes", "windows", "minutes", "MB on disk", "MB of memory", "MB to probe", "")
    table = plain_table(*columns)
    costs = [*expected.costs, *expected.deformed]
    for cost in costs:
        note = "its weights must be downloaded first" if cost.download else ""
        if short := sum(map(len, cost.too_short)):
            note += f" {short} clips are too short for it, and would be used for none"
        numbers = (f"{cost.minutes:.1f}", *(f"{size:.1f}" if size < 100 else f"{size:.0f}"
                   for size in (cost.megabytes, cost.memory, cost.probe_megabytes)))  # fmt: skip
        table.add_row(cost.model, cost.device, cost.precision, str(cost.passes), str(cost.windows), *numbers, note)
    print_table(table)
    print_lines(precision_lines(expected.costs))
    minutes, disk = (sum(getattr(cost, name) for cost in costs) for name in ("minutes", "megabytes"))
    probing, trainings = (
        sum(getattr(task, name) for task in expected.tasks) for name in ("probe_minutes", "trainings")
    )
    few = sum(task.few_label_minutes for task in expected.tasks)
    console.print(
        f"in all: {minutes:.1f} min of encoding, "
        f"about {probing:.1f} min for {trainings} probe trainings, "
        f"{f'about {few:.1f} min for few labels, ' if few else ''}"
        f"{disk:.1f} MB on disk ({expected.free_megabytes:,.0f} MB free), {expected.memory:,.0f} MB of memory at most",
    )
    if expected.reach:
        each = ", ".join(f"{model} {minutes:.1f}" for model, minutes in expected.reach.items())
        print_lines([f"compare --reach: about {sum(expected.reach.values()):.1f} min of encoding, no disk ({each})"])


def precision_lines(costs: Any) -> list[str]:
    """Return what the precision changes in the states of each model, the largest difference first."""
    lines = []
    for cost in costs:
        if cost.differences:
            shares = [f"{100 * share:.2g} %" for share in cost.differences]
            largest = max(range(len(shares)), key=cost.differences.__getitem__)
            of = f"the untrained twin of {cost.model}" if cost.download else cost.model
            every = ", ".join(f"{layer}: {share}" for layer, share in zip(cost.outline.layers, shares, strict=True))
            lines.append(
                f"{of} in {cost.precision}: states differ from those in float32 by {shares[largest]} at most, in layer "
                f"{cost.outline.layers[largest]} (by layer {every})"
            )
        elif cost.precision != "float32":
            lines.append(f"{cost.model} in {cost.precision}: what that changes is not known, as no clip could be heard")
    return lines


def print_task_check(found: Any) -> None:
    """Print what a run would meet in one task."""
    from layerscope.data.splits import fold_order
    from layerscope.report.cautions import disputed, never_trained
    from layerscope.targets.cells import shown

    task, labels, clips, counts_of = found.study.task, found.study.labels, found.study.clips, found.counts
    side = "split" if "split" in clips else "fold"

    def sized(name: str) -> str:
        return f"{shown(name)} {counts_of[name]}" if name in counts_of else shown(name)

    counts = clips[side].value_counts()
    sizes = ", ".join(f"{name} {counts[name]}" for name in sorted(counts.index, key=fold_order))
    console.print(
        f"{task.name}: {len(clips)} clips, {found.hours:.2f} h of audio, {side}s: {sizes}\n"
        f"target: {labels.kind} ({len(labels.names)}: {', '.join(map(sized, labels.names[:12]))}"
        f"{', …' if len(labels.names) > 12 else ''})\n"
        f"labels: {task.evidence}\n"
        f"precision: {found.precision}",
    )  # fmt: skip
    if task.short:
        console.print(f"  warning: {task.short}")
    if copies := clips.clip_key.duplicated().sum():
        console.print(f"  clips with the same bytes as another: {copies}; they stay in one split")
    if found.failed:
        tried = found.decoded + found.failed
        console.print(f"  warning: {found.failed} of {tried} clips that were tried cannot be decoded")
    if found.few_labels_left_out:
        print_lines([f"  not asked with few labels: {found.few_labels_left_out}"])
    if found.never_trained:
        print_lines([f"  warning: {never_trained(found.never_trained)}"])
    if found.disputed:
        print_lines([f"  warning: {disputed(found.disputed)}"])
    kinds = reasons_by_kind(task.dataset.skipped)
    for reasons in kinds[:MOST_REASONS]:
        clip, reason = next(iter(reasons.items()))
        more = f" (and {len(reasons) - 1:,} more like it)" if len(reasons) > 1 else ""
        print_lines([f"  skipped {clip}: {reason}{more}"])
    if rest := sum(map(len, kinds[MOST_REASONS:])):
        print_lines([f"  … and {rest:,} more skipped for other reasons"])
    print_lines([f"  by sound: {pair}" for pair in task.alike[:MOST_REASONS]])
    if len(task.alike) > MOST_REASONS:
        console.print(f"  … and {len(task.alike) - MOST_REASONS:,} more by sound")
    for leak in found.leaks:
        console.print(f"  leak{', as published' if task.published else ''}: {leak}")
