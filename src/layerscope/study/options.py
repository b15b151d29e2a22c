"""A study's options, each declared once: a field with its type, default and help.

The command line has a field's name as an option and a TOML file as a key; `layerscope.probe` takes those of `Probing`.
What a value is checked against is imported when there is one to check, so that ``--help`` is quick.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from layerscope.errors import UsageError
from layerscope.study.option_base import Computing, Options, checked
from layerscope.study.option_values import (
    PRESETS,
    Names,
    absolute,
    at_commas,
    default_probes,
    known_names,
    located,
    one_or_more,
    refuse_same_names,
)

if TYPE_CHECKING:
    from typing import Self

    from layerscope.encoders import Encoder

__all__ = ["Battery", "Call", "Comparison", "Models", "Plan", "Probing", "Sources", "make_plan", "read_plan"]


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

    @property
    def about_layers(self) -> str:
        """Return which option that is about layers of a model is asked for, or an empty text."""
        return "layers_as" if self.layers_as else "beyond_plain" if self.beyond_plain else ""

    @model_validator(mode="after")
    def refuse_what_attention_lacks(self) -> Self:
        """Raise for attention alone where sets are asked for, or other poolings than the mean that it stands with."""
        if list(self.probe) == ["attention"] and self.about_layers:
            raise ValueError(
                f"the attention probe reads the frames of one layer, and '{self.about_layers}' is about more; add "
                "another (--probe attention,closed)"
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
        if self.about_layers and not self.model:
            raise ValueError(
                f"'{self.about_layers}' is about layers of a model; give one (`layerscope ls models`) or leave it out"
            )
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
