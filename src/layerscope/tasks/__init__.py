"""The tasks of the benchmark: a table that says what each is, and a reader where a data set's layout is its own."""

from layerscope.tasks.benchmark import PAPER_TASKS, TASKS
from layerscope.tasks.published_scores import Published, published_rows
from layerscope.tasks.task import Task, data_directory

__all__ = ["PAPER_TASKS", "TASKS", "Published", "Task", "data_directory", "published_rows"]
