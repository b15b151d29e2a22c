"""Writes a page for each task from the task itself: ``python -m layerscope.tasks.task_pages docs/tasks``."""

from __future__ import annotations

import sys
from pathlib import Path

from layerscope.targets import kinds
from layerscope.tasks import PAPER_TASKS, TASKS, Task, published_rows

__all__ = ["index", "page"]


def page(task: Task) -> str:
    """Return the page of a task, in Markdown."""
    source = task.source
    schedule = task.schedule
    lines = [
        f"# {task.title} (`{task.name}`)",
        "",
        "<!-- written by `make task-pages` from the task itself; change the task, not this page -->",
        "",
        "| | |",
        "|---|---|",
        f"| data | [{source.homepage}]({source.homepage}), size {source.size}, directory `{task.folder}` |",
        f"| licence | {source.licence} |",
        f"| clips | {task.counts or 'none published'} |",
        *([f"| the published splits share | {task.shared} |"] if task.shared else []),
        f"| target | `{task.target}`, {task.kind} |",
        f"| metrics | {', '.join(f'`{metric.name}`' for metric in kinds()[task.kind].metrics)} |",
        f"| scored | {'each clip' if task.unit == 'clip' else 'groups of clips (songs), scores averaged'} |",
        f"| window | at most {task.window:g} s |",
        f"| mlp | {schedule.epochs} epochs at most, step halved after {schedule.halve_after} without gain, "
        f"stopped after {schedule.stop_after} |",
        f"| in the study of 14 tasks | {'yes' if task.name in PAPER_TASKS else 'no'} |",
        "",
    ]
    if source.supply:
        lines += [f"**You supply:** {source.supply}.", ""]
    if task.choices:
        lines += ["What the literature leaves open or does otherwise, and what is done here:", ""]
        lines += [f"- *{name}*: {choice}." for name, choice in task.choices.items()] + [""]
    rows = [row for row in published_rows() if row.task == task.name]
    if rows:
        lines += ["Published scores (× 100; other probes, layers and at times splits):", ""]
        lines += ["| model | metric | value | layer | source |", "|---|---|---|---|---|"]
        lines += [
            f"| {row.model} | {row.metric} | {100 * row.value:.2f} | {row.layer} | {row.source} |" for row in rows
        ] + [""]
    return "\n".join(lines)


def index() -> str:
    """Return the list of all tasks, in Markdown."""
    study = "[Reproduce the study](../reproduce-the-study.md) runs fourteen of them; `layerscope ls tasks` says which."
    lines = ["# Tasks", "", study, "", "| task | what | kind |", "|---|---|---|"]
    lines += [f"| [`{task.name}`]({task.name}.md) | {task.title} | {task.kind} |" for task in TASKS.values()]
    return "\n".join(lines) + "\n"


def write(directory: Path) -> None:
    """Write all pages."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "README.md").write_text(index(), encoding="utf-8")
    for task in TASKS.values():
        (directory / f"{task.name}.md").write_text(page(task), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
