"""Options that are made from fields: what a person types arrives, and what is not typed is not there."""

import pytest
import typer
from typer.testing import CliRunner

from layerscope.cli.field_options import takes_fields
from layerscope.study.options import Comparison, Plan


def typed(model, *arguments):
    """Return what a command with the fields of a model is given, or what it prints of an error."""
    app, given = typer.Typer(rich_markup_mode=None), []

    @app.command()
    @takes_fields(model)
    def command(values: dict, place: str = "here") -> None:
        given.append((values, place))

    done = CliRunner().invoke(app, list(arguments))
    return given[0] if given else done.output


#: What is typed after an option, and what arrives.
TYPED = {
    "data": "x", "root": "x", "model": ["a,b"], "layers": "0-1", "target": ["b"], "kind": "key", "probe": ["mlp"],
    "seeds": 2, "folds": 4, "split_seed": 0, "window": 1.5, "allow_leaks": True, "baseline": ["none"], "task": ["emo"],
    "preset": "robust", "twins": 3, "strict": True, "partial": True, "near_duplicates": True, "metric": "accuracy",
    "few_labels": "closed", "memory": 4.0, "ray": "local", "device": "cpu", "precision": "bf16", "batch_seconds": 60.0,
    "deform": ["gain:-3"], "layers_as": ["4+7,mean"], "beyond_plain": True, "pooling": ["mean,max"],
    "keep_predictions": True,
}  # fmt: skip


@pytest.mark.parametrize("name", Plan.model_fields)
def test_every_field_is_an_option(name):
    value = TYPED[name]
    flag = f"--{name.replace('_', '-')}"
    words = [] if value is True else [str(value[0] if isinstance(value, list) else value)]
    given, place = typed(Plan, flag, *words)
    assert {key: str(arrived) if name in ("data", "root") else arrived for key, arrived in given.items()} == {
        name: value
    }
    assert place == "here"


def test_what_is_not_typed_is_not_given():
    assert typed(Plan, "--place", "there") == ({}, "there")


def test_a_list_is_repeated():
    assert typed(Plan, "--model", "a", "--model", "b,c")[0] == {"model": ["a", "b,c"]}


def test_a_field_without_a_default_must_be_typed():
    assert "Missing option '--data'" in typed(Comparison, "--model", "a")


def test_help_states_defaults_and_flags_have_no_opposite():
    text = " ".join(typed(Plan, "--help").split())
    assert "Seed of the split that is made, and of the resamples. [default: 0]" in text
    assert "[default: 5]" in text
    assert "[default: label]" in text
    assert "--no-strict" not in text
    assert "None" not in text
