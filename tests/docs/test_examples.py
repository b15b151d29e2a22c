"""Every worked example in a docstring runs and prints what it says."""

import doctest
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import layerscope

SOURCE = Path(layerscope.__file__).parent
MODULES = sorted(
    ".".join(("layerscope", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
#: What a user calls.
PUBLIC = ("Dataset", "Features.from_arrays", "Results", "load_encoder", "load_predictor", "probe", "fingerprint_of")


class Finder(doctest.DocTestFinder):
    """Finds examples behind decorators too, whose functions are of another module."""

    def _from_module(self, module, object):
        return super()._from_module(module, inspect.unwrap(object))


def examples_of(name):
    """Return the docstrings of a module with an example that is not skipped."""
    return [
        test.name
        for test in Finder().find(import_module(name))
        if any(not example.options.get(doctest.SKIP) for example in test.examples)
    ]


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    runner = doctest.DocTestRunner()
    for test in Finder().find(import_module(name)):
        runner.run(test)
    assert runner.summarize().failed == 0


def test_what_a_user_calls_has_an_example():
    names = [example for module in MODULES for example in examples_of(module)]
    assert len(names) >= 40
    for public in PUBLIC:
        assert any(name.endswith(f".{public}") for name in names), public
