"""What all options share: how they are checked and recorded, and those of where and how networks compute."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from layerscope.errors import UsageError, unknown
from layerscope.study.option_values import known_names, located, one_or_more

if TYPE_CHECKING:
    from typing import Self

    from layerscope.encoders import Encoder

__all__ = ["LATER", "Computing", "Options", "checked"]

AnyOptions = TypeVar("AnyOptions", bound="Options")

#: Options that came later, as they are where nobody asks for them: on record only where somebody does, so that records
#: of before there were such stay as they are.
LATER: dict[str, Any] = {
    "layers_as": [],
    "beyond_plain": False,
    "pooling": ["mean"],
    "few_labels": None,
    "deform": [],
    "reach": False,
}
#: What a name in a field is, where the field is called otherwise.
SAID = {"few_labels": "probe of few labels"}


class Options(BaseModel):
    """What all options share: an unknown one is refused, and so is an unknown name in a known one."""

    # Strict, so that `seeds = true` is no 1 and "3" no 3.
    model_config = ConfigDict(extra="forbid", strict=True)

    @model_serializer(mode="wrap")
    def leave_out_unasked(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the options without those of `LATER` that are not asked for."""
        record: dict[str, Any] = write(self)
        return {name: value for name, value in record.items() if name not in LATER or value != LATER[name]}

    @field_validator("target", "probe", "pooling", "baseline", "task", "model", check_fields=False)
    @classmethod
    def refuse_twice(cls, value: list[str]) -> list[str]:
        """Raise for what is given twice, or is empty."""
        for name in value:
            if not name.strip():
                raise ValueError("a name is empty")
            if value.count(name) > 1:
                raise ValueError(f"'{name}' is given twice")
        return value

    @field_validator("model", check_fields=False)
    @classmethod
    def make_models_absolute(cls, value: list[str]) -> list[str]:
        """Return models on disk by the whole path: what is on record is compared with them."""
        return located(value, Path())

    @field_validator("probe", "few_labels", "pooling", "baseline", "task", "kind", "preset", check_fields=False)
    @classmethod
    def refuse_unknown(cls, value: Any, field: Any) -> Any:
        """Raise for a name that there is not, with the nearest that there is."""
        for name in one_or_more(value) or ():
            known = known_names(field.field_name)
            if name not in known:
                raise unknown(SAID.get(field.field_name, field.field_name), name, known)
        return value


class Computing(Options):
    """Where and how networks compute; what results depend on of it is the precision."""

    device: str = Field(
        "auto", description="Where networks compute: auto (a GPU where there is one), cpu, cuda, cuda:n or mps."
    )
    precision: str = Field("float32", description="How networks compute: float32, tf32 (NVIDIA GPUs) or bf16.")
    batch_seconds: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Audio that is encoded at once, halved where memory is full.  [default: 30, on CUDA 300]",
    )

    @model_validator(mode="after")
    def refuse_absent(self) -> Self:
        """Raise for a device, precision or batch that cannot be; before any work, as a pass may begin after hours."""
        if (self.device, self.precision, self.batch_seconds) != ("auto", "float32", None):
            from layerscope.encoders.device import find_device, refuse_batch_seconds, refuse_precision

            refuse_batch_seconds(self.batch_seconds)
            refuse_precision(self.precision, find_device(self.device))
        return self

    def load(self, name: str, **how: Any) -> Encoder:
        """Load an encoder, to compute there and so; see `layerscope.load_encoder`."""
        from layerscope.encoders import load_encoder

        return load_encoder(name, device=self.device, precision=self.precision, batch_seconds=self.batch_seconds, **how)

    def on_record(self) -> dict[str, Any]:
        """Return the options that results depend on, as JSON can write them: the same study may go on elsewhere."""
        record = self.model_dump(mode="json", exclude={"device", "batch_seconds"})
        # As directories have it that were begun before there was a choice.
        return {key: value for key, value in record.items() if (key, value) != ("precision", "float32")}


def checked(options: type[AnyOptions], given: dict[str, Any], source: str) -> AnyOptions:
    """Return options that are right, or raise `UsageError` naming the one that is wrong."""
    try:
        return options.model_validate(given)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from error
    except ValidationError as error:
        # One at a time: the others may follow from it.
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise UsageError(f"{source}: {unknown('key', name, options.model_fields)}") from error
        message = first["msg"].removeprefix("Value error, ")
        if not first["type"].startswith("value_error"):
            # pydantic says what is asked for, and not what was given.
            message = f"{message}, not {reprlib.repr(first['input'])}"
        raise UsageError(f"{source}: '{name}': {message}" if name else f"{source}: {message}") from error
