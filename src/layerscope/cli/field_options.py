"""Options of a command, made from the fields of a pydantic model: names, types, defaults and help stand there alone."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

__all__ = ["takes_fields"]

Command = Callable[..., None]


def takes_fields(model: type[BaseModel]) -> Callable[[Command], Command]:
    """Give a command an option for each field; its first parameter becomes a dict of those that were given."""

    def decorate(command: Command) -> Command:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        fields = [option(name, field) for name, field in model.model_fields.items()]
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *fields)]

        @functools.wraps(command)
        def call(**arguments: Any) -> None:
            values = {name: arguments.pop(name) for name in model.model_fields}
            # What was not given must not hide what a study file says.
            command({name: value for name, value in values.items() if value not in (None, [])}, **arguments)

        # What typer reads, whatever its version.
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return call

    return decorate


def option(name: str, field: FieldInfo) -> inspect.Parameter:
    """Return a field as a parameter that is None where the option is not given, so that a study file may say it."""
    default = ",".join(field.default) if isinstance(field.default, list) else field.default
    note = f"  [default: {default}]" if type(default) in (int, str) and default != "" else ""
    # Named, so that typer gives a flag no opposite.
    info = typer.Option(f"--{name.replace('_', '-')}", help=f"{field.description}{note}")
    # A type that is known only when the program runs, which a type checker cannot follow.
    kind: Any = field.annotation
    if field.is_required():
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[kind, info])
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, info]
    )
