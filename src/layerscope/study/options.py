"""A study's options, each declared once: a field with its type, default and help.

The command line has a field's name as an option and a TOML file as a key; `layerscope.probe` takes those of `Probing`.
What a value is checked against is imported when there is one to check, so that ``--help`` is quick.
"""

from __future__ import annotations

import reprlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from layerscope.errors import UsageError, unknown
from layerscope.study.option_values import (
    PRESETS,
    Names,
    absolute,
    at_commas,
    default_probes,
    known_names,
    located,
    one_or_more,
)

if TYPE_CHECKING:
    from typing import Self

    from layerscope.encoders import Encoder

__all__ = [
    "LATER", "Battery", "Call", "Comparison", "Computing", "Models", "Plan", "Probing", "Sources", "checked",
    "make_plan", "read_plan", "refuse_same_names",
]  # fmt: skip

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


class Sources(Options):
    """Which clips go through which encoders."""

    data: Path | None = Field(
        None, strict=False, description="A folder of one sub-folder a class, a CSV, a JSONL, or mirdata:NAME."
    )
    root: Path | None = Field(
        None, strict=False, description="Where relative audio paths start, or the tasks' data sets lie."
    )
    model: Names = Field(
        [],
        description="A name, directory or file; random:NAME is its untrained twin; 'ckpt/*.pt' and a folder of "
        "checkpoints are all of them. Several with commas or repeated.",
    )
    layers: str | None = Field(None, description="Layers of every model, such as 0-5.")
    # Where the work is done is no part of what is asked: a run may go on elsewhere.
    ray: str | None = Field(
        None, exclude=True, description="Work on a Ray cluster: local, auto, or HOST:PORT.  [default: in one process]"
    )

    @field_validator("data", "root", check_fields=False)
    @classmethod
    def make_absolute(cls, value: Path | None) -> Path | None:
        """Return a place that means the same from every directory: what is on record is compared with it."""
        from layerscope.data.mirdata_tracks import PREFIX

        return value if value is None or str(value).startswith(PREFIX) else absolute(value)


class Probing(Options):
    """How features are probed."""

    target: Annotated[list[str], BeforeValidator(one_or_more)] = Field(
        ["label"],
        min_length=1,
        description="The column to predict, or several with commas as one target (values; beats,downbeats); repeated, "
        "each is a task of its own.",
    )
    kind: str | None = Field(
        None, description="What the target is (`layerscope ls metrics`), if it should not be worked out."
    )
    metric: str | None = Field(
        None, description="By which validation chooses (`layerscope ls metrics`).  [default: the first of the kind]"
    )
    probe: Names = Field(
        default_factory=default_probes,
        min_length=1,
        description="mlp, linear, closed, knn, attention.  [default: mlp, linear, closed]",
    )
    layers_as: Names = Field(
        [],
        description="Sets of layers beside single ones, with commas or repeated: 4+7 and 5-12 by mean and side by "
        "side, mean of all, search for sets of up to four.",
    )
    beyond_plain: bool = Field(
        default=False, description="What each layer adds to the best plain feature, and what it lacks of it."
    )
    pooling: Names = Field(
        default_factory=lambda: ["mean"],
        min_length=1,
        description="How models are summarised over time, each a model in the tables: mean, moments (mean and "
        "deviation), max.  [default: mean]",
    )
    seeds: int = Field(5, ge=1, description="Trainings of each probe that has randomness.")
    # One fold tests and the next chooses, so that a third is left to train on.
    folds: int | None = Field(None, ge=3, description="Cross-validate with folds that are made.")
    # What numpy's generators of scikit-learn take.
    split_seed: int = Field(0, ge=0, lt=2**32, description="Seed of the split that is made, and of the resamples.")
    window: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Longest window in seconds.  [default: the model's]"
    )
    few_labels: str | None = Field(
        None,
        description="Score layers after few labels too, by closed (quick) or linear probes: curves, code length.",
    )
    allow_leaks: bool = Field(default=False, description="Go on although splits share groups or audio.")
    # What is kept beside the answer changes nothing of what a study is.
    keep_predictions: bool = Field(
        default=False,
        exclude=True,
        description="Keep in predictions.csv what every probe says of every input, not the answer's and the plain "
        "feature's alone.",
    )
    # How much memory it takes changes nothing of what a study is.
    memory: float | None = Field(
        None,
        exclude=True,
        gt=0,
        allow_inf_nan=False,
        description="Gigabytes that the states of all probes may take; more is read by blocks.  [default: half of all]",
    )

    @field_validator("layers_as")
    @classmethod
    def refuse_no_sets(cls, value: list[str]) -> list[str]:
        """Raise for what names no set of layers, or the same one twice; whether a model has them is known with it."""
        from layerscope.probes.inputs import layers_of_set

        sets = [layers_of_set(text) or text for text in value]
        for text, layers in zip(value, sets, strict=True):
            if sets.count(layers) > 1:
                raise ValueError(f"'{text}' is given twice")
        return value

    @model_validator(mode="after")
    def refuse_what_attention_lacks(self) -> Self:
        """Raise for attention alone where sets are asked for, or other poolings than the mean that it stands with."""
        if list(self.probe) == ["attention"] and (self.layers_as or self.beyond_plain):
            asked = "layers_as" if self.layers_as else "beyond_plain"
            raise ValueError(
                f"the attention probe reads the frames of one layer, and '{asked}' is about more; add another "
                "(--probe attention,closed)"
            )
        if "attention" in self.probe and "mean" not in self.pooling:
            raise ValueError(
                f"the attention probe pools frames itself, and stands beside the mean; give --pooling "
                f"{','.join(['mean', *self.pooling])}, or leave attention out of --probe"
            )
        return self

    @field_validator("metric")
    @classmethod
    def refuse_unknown_metric(cls, value: str | None) -> str | None:
        """Raise for a metric that no kind has; whether the target's own kind has it is known with the data."""
        from layerscope.targets import metric_named

        if value is not None:
            metric_named(value)
        return value


class Call(Computing, Probing):
    """How features are probed, and where: what `layerscope.probe` takes."""


class Models(Computing, Sources):
    """Encoders to look at, without clips."""


class Plan(Call, Sources):
    """A study."""

    baseline: Names = Field(
        default_factory=lambda: list(known_names("baseline")), description="Plain features, or none.  [default: all]"
    )
    task: Names = Field([], description="A task of the benchmark (`layerscope ls tasks`), instead of data.")
    preset: str | None = Field(
        None,
        description="paper: one mlp on published splits, and without tasks all fourteen; robust: no shared singers or "
        "songs.  [default: robust]",
    )
    near_duplicates: bool = Field(
        default=False,
        description="Find the same recording in other encodings, at other levels or cut; decodes all audio once more.",
    )
    twins: int = Field(1, ge=1, description="Draws of the weights of each untrained twin (random:NAME), a pass each.")
    deform: Names = Field(
        [],
        description="Score probes on deformed test clips too: gain, noise, lowpass, mp3, reverb, pitch and tempo, each "
        "with a strength (noise:20,pitch:+1), or all; a pass over the test clips each.  [default: none]",
    )
    strict: bool = Field(default=False, description="Refuse a task whose copy is not complete.")
    partial: bool = Field(default=False, description="Run the tasks whose data are there, and say which are not.")

    @field_validator("deform")
    @classmethod
    def read_deformations(cls, value: list[str]) -> list[str]:
        """Return each deformation as it is named everywhere, or raise for one that there is not."""
        if not value:
            return value
        from layerscope.data.deformations import read_deformations

        return list(map(str, read_deformations(value)))

    @model_validator(mode="before")
    @classmethod
    def fill_in_preset(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Put what a preset sets under what is given."""
        from layerscope.tasks import PAPER_TASKS

        preset = str(given.get("preset"))
        tasks = {"task": list(PAPER_TASKS)} if preset == "paper" and "data" not in given else {}
        # The later wins: a preset lies under all that is said.
        return {**PRESETS.get(preset, {}), **given, **({} if given.get("task") else tasks)}

    @model_validator(mode="after")
    def refuse_contradictions(self) -> Plan:
        """Raise for options that make no study together."""
        from layerscope.encoders.model_names import names_code, result_name

        # An encoder of one's own says its name only when it is loaded.
        called = [result_name(name) for name in (*self.model, *self.baseline) if not names_code(name)]
        refuse_same_names(called)
        if not self.model and not self.baseline:
            raise ValueError("nothing to study; give a model (`layerscope ls models`) or a baseline")
        if self.data is None and not self.task:
            raise ValueError("no data; give --data, --task (`layerscope ls tasks`) or --preset paper")
        if self.data is not None and self.task:
            raise ValueError("--data and --task are two studies; run them one after the other")
        if self.deform and list(self.probe) == ["attention"]:
            raise ValueError(
                "the attention probe reads frames, and of deformed clips summaries alone are kept; add another "
                "(--probe attention,closed), or leave --deform out"
            )
        if self.kind is not None and (self.task or len(self.target) > 1):
            raise ValueError("'kind' is of a single target; leave it out")
        if (self.layers_as or self.beyond_plain) and not self.model:
            asked = "layers_as" if self.layers_as else "beyond_plain"
            raise ValueError(f"'{asked}' is about layers of a model; give one (`layerscope ls models`) or leave it out")
        if (self.beyond_plain or "search" in self.layers_as) and self.twins > 1 and not self.trained():
            raise ValueError(
                "a search and 'beyond_plain' look at one network, and here are only twins of several draws; leave "
                "'twins' out, or give a trained model"
            )
        if self.beyond_plain and not self.baseline:
            raise ValueError("'beyond_plain' needs a plain feature; give one (--baseline mfcc), or leave it out")
        return self

    def encoders(self) -> Iterator[Encoder]:
        """Load the encoders one after another, so that no two need be in memory.

        Raises
        ------
        LayerscopeError
            If any of them cannot be loaded, or two have one name: before the first is given, since its pass may take
            hours.
        """
        models = [(name, seed) for name in self.model for seed in range(self.draws(name))]
        # Loaded whole, which takes seconds: only then is it known that nothing of the files is missing or damaged.
        # Of an untrained twin the other draws differ in their numbers alone.
        later = [self.load_studied(name).name for name, seed in models[1:] if not seed]
        first = [self.load_studied(name, seed=seed) for name, seed in models[:1]]
        refuse_same_names([*(encoder.name for encoder in first), *later, *self.baseline])
        while first:
            yield first.pop()
        for name, seed in models[1:]:
            yield self.load_studied(name, seed=seed)
        for name in self.baseline:
            yield self.load(name)

    def load_studied(self, name: str, **how: Any) -> Encoder:
        """Load a model with the layers that are studied, or raise where it has not all that sets are made of."""
        from layerscope.probes.inputs import refuse_sets

        encoder = self.load(name, layers=self.layers, **how)
        refuse_sets(self.layers_as, encoder.name, encoder.layers)
        return encoder

    def trained(self) -> list[str]:
        """Return the models that are no untrained twins."""
        from layerscope.encoders.published_models import RANDOM

        return [name for name in self.model if not name.startswith(RANDOM)]

    def draws(self, name: str) -> int:
        """Return how many networks a model stands for: several of an untrained twin, one of any other."""
        from layerscope.encoders.published_models import RANDOM

        return self.twins if name.startswith(RANDOM) else 1


class Comparison(Computing, Sources):
    """Which layers are compared, on which clips."""

    data: Path = Field(strict=False, description="A folder, a CSV or a JSONL; no label of it is used.")
    model: Names = Field(min_length=1, description=Sources.model_fields["model"].description)
    # As many as every pass keeps of a clip (FRAMES_A_CLIP), so that none is encoded again for them.
    frames: int = Field(100, ge=2, description="Frames that are drawn of each clip, so that no long one dominates.")
    reach: bool = Field(
        default=False,
        description="Measure how far in time each layer hears: 8 clips of 10 s, each encoded some 20 times.",
    )


class Battery(Computing):
    """Which encoders are asked for concepts."""

    model: Names = Field(min_length=1, description="As of run; plain features (`layerscope ls baselines`) as well.")
    layers: str | None = Field(None, description=Sources.model_fields["layers"].description)
    no_twins: bool = Field(default=False, description="Leave out the untrained twin that each model is beside.")

    def encoders(self, given: Mapping[str, Encoder] = MappingProxyType({})) -> Iterator[Encoder]:
        """Load the encoders one after another, each model's untrained twin after it, so that no two are in memory.

        Those that are `given` by their names are neither loaded nor beside a twin.
        """
        from layerscope.encoders.model_names import twin_name

        for name in self.model:
            if name in given:
                yield given[name]
                continue
            yield self.load(name, layers=self.layers)
            twin = None if self.no_twins else twin_name(name)
            if twin is not None and twin not in self.model:
                yield self.load(twin, layers=self.layers)


def refuse_same_names(names: Sequence[str]) -> None:
    """Raise if two encoders have one name, by which alone results tell them apart."""
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"two models are called '{name}'; rename one (its directory, or the name that its code gives), or "
                "leave one out (--baseline none does, of a plain feature that is given as a model)"
            )


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


def make_plan(given: dict[str, Any], source: str) -> Plan:
    """Return a study, checked before anything is read; `source` is what an error names."""
    return checked(Plan, given, source)


def read_plan(path: Path, given: dict[str, Any] | None = None) -> Plan:
    """Read a study from TOML, whose keys are the fields of `Plan`; paths in it start at the file.

    Parameters
    ----------
    path : Path
        The file.
    given : dict, optional
        Options that go before the file's. A preset among them leaves nothing of the file's preset.

    Raises
    ------
    UsageError
        Naming the key that is wrong.
    """
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not readable as TOML ({error})") from error
    from layerscope.data.mirdata_tracks import PREFIX

    # A study file may be run from any directory.
    for key in ("data", "root"):
        if isinstance(written.get(key), str) and not written[key].startswith(PREFIX):
            written[key] = str(path.parent / Path(written[key]).expanduser())
    models = at_commas(written.get("model", []))
    if isinstance(models, list) and all(isinstance(name, str) for name in models):
        written["model"] = located(models, path.parent)
    return make_plan({**written, **(given or {})}, f"{path} with the options given" if given else str(path))
