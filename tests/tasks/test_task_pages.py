"""The pages in docs/tasks are those that the tasks write."""

from pathlib import Path

import pytest

from layerscope.tasks import TASKS
from layerscope.tasks.task_pages import index, page

PAGES = Path(__file__).parents[2] / "docs" / "tasks"


@pytest.mark.parametrize("name", TASKS)
def test_pages_are_current(name):
    assert (PAGES / f"{name}.md").read_text() == page(TASKS[name]), "run `make task-pages`"


def test_the_index_is_current():
    assert (PAGES / "README.md").read_text() == index()
