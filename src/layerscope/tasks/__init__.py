"""The tasks of the benchmark: a table that says what each is, and a reader where a data set's layout is its own."""

from functools import cache
from importlib.metadata import entry_points

from layerscope.errors import UsageError
from layerscope.targets import kind_named
from layerscope.tasks.benchmark import PAPER_TASKS, TASKS
from layerscope.tasks.published_scores import Published, highest_published, published_rows
from layerscope.tasks.task import Task, data_directory

__all__ = [
    "PAPER_TASKS", "TASKS", "Published", "Task", "data_directory", "highest_published", "known_tasks", "published_rows",
    "register",
]  # fmt: skip

BUILT_IN = frozenset(TASKS)
#: Entry points of installed packages: each names a `Task`.
GROUP = "layerscope.tasks"


def register(task: Task) -> None:
    """Add a task.

    Parameters
    ----------
    task : Task
        Its name must be none of layerscope's own; a task that was registered under it is replaced.

    Raises
    ------
    UsageError
        If the name is taken, or there is no such kind of target.
    """
    if task.name in BUILT_IN:
        raise UsageError(f"task '{task.name}' is one of layerscope's own; choose another name")
    kind_named(task.kind)  # raises for one that there is not
    TASKS[task.name] = task


@cache
def register_installed() -> None:
    """Register the tasks that installed packages offer, once."""
    for entry in entry_points(group=GROUP):
        register(entry.load())


def known_tasks() -> dict[str, Task]:
    """Return all tasks by name.

    Examples
    --------
    >>> known_tasks()["gtzan-genre"].expected
    {'train': 442, 'valid': 197, 'test': 290}
    """
    register_installed()
    return TASKS
