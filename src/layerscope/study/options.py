"""What is asked for: the options of a study, as the command line, a TOML file or a call says them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from layerscope.encoders import BASELINES, Encoder, load_encoder
from layerscope.errors import UsageError, unknown
from layerscope.probes import PROBES
from layerscope.targets import kind_named
from layerscope.tasks import PAPER_TASKS, TASKS

__all__ = ["Plan", "Probing", "checked", "make_plan", "read_plan"]

Asked = TypeVar("Asked", bound="Probing")


class Probing(BaseModel):
    """How features are probed.

    Attributes
    ----------
    target : list of str
        The columns to predict, each a task of its own; in one of them several numeric columns (or beats and
        downbeats) with commas between.
    kind : str, optional
        What the target is, where it should not be worked out.
    probe : list of str
        Which probes.
    seeds : int
        How many trainings of each probe that has randomness.
    folds : int, optional
        Cross-validate with this many folds that are made, where the data bring neither splits nor folds.
    split_seed : int
        Of the split that is made, and of the resamples.
    window : float, optional
        Longest window in seconds; the task's or the model's own by default.
    allow_leaks : bool
        Go on although a group or the same audio lies on both sides of a split.
    """

    model_config = ConfigDict(extra="forbid")

    target: list[str] = Field(default_factory=lambda: ["label"])
    kind: str | None = None
    probe: list[str] = Field(default_factory=lambda: list(PROBES))
    seeds: int = Field(5, ge=1)
    folds: int | None = Field(None, ge=3)
    split_seed: int = Field(0, ge=0)
    window: float | None = Field(None, gt=0)
    allow_leaks: bool = False

    @field_validator("target", mode="before")
    @classmethod
    def one_or_more(cls, value: Any) -> Any:
        """Take a single target for a list of one."""
        return [value] if isinstance(value, str) else value


class Plan(Probing):
    """A study, as the command line and a TOML file say it.

    Attributes
    ----------
    data : Path, optional
        A folder, CSV or JSONL.
    task : list of str
        Tasks of the benchmark.
    root : Path, optional
        Where relative audio paths of `data` start, or the directory that holds the tasks' data sets.
    preset : {"paper", "robust"}, optional
        ``paper``: the mlp probe with one seed, on published splits, and without tasks all fourteen; ``robust``: all
        probes, five seeds, and splits without shared singers or songs, which is also the default.
    strict : bool
        Refuse a task whose copy on disk is not complete.
    partial : bool
        Run the tasks whose data are there, and say which are not.
    model, baseline : list of str
        What is compared.
    layers : str, optional
        Which layers of every model, such as ``"0-5"``.
    """

    data: Path | None = None
    task: list[str] = Field(default_factory=list)
    root: Path | None = None
    preset: Literal["paper", "robust"] | None = None
    strict: bool = False
    partial: bool = False
    model: list[str] = Field(default_factory=list)
    baseline: list[str] = Field(default_factory=lambda: list(BASELINES))
    layers: str | None = None

    def encoders(self) -> Iterator[Encoder]:
        """Load the encoders one after another, so that no two need be in memory."""
        for name in self.model:
            yield load_encoder(name, layers=self.layers)
        for name in self.baseline:
            yield load_encoder(name)


#: What a preset sets, where it is not said otherwise; the seed of the one training is not MARBLE's 1234 but 0.
PRESETS: dict[str, dict[str, Any]] = {"paper": {"probe": ["mlp"], "seeds": 1}, "robust": {}}


def read_plan(path: Path) -> Plan:
    """Read a study from TOML, whose keys are those of `Plan`; paths start at the file.

    Raises
    ------
    UsageError
        Naming the key that is wrong.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not readable as TOML ({error})") from error
    for key in ("data", "root"):
        if isinstance(written.get(key), str):
            written[key] = str(path.parent / Path(written[key]).expanduser())
    return make_plan(written, str(path))


def make_plan(written: dict[str, Any], source: str) -> Plan:
    """Check what is asked for before anything is read."""
    preset = written.get("preset")
    if preset in PRESETS:
        written = {**PRESETS[preset], **written}
        if "data" not in written and not written.get("task"):
            written["task"] = list(PAPER_TASKS)
    plan = checked(Plan, written, source)
    for name in plan.baseline:
        if name not in BASELINES:
            raise unknown("baseline", name, BASELINES)
    for name in plan.task:
        if name not in TASKS:
            raise unknown("task", name, TASKS)
    if not plan.model and not plan.baseline:
        raise UsageError(f"{source}: nothing to study; give a model (`layerscope ls models`) or a baseline")
    if plan.data is None and not plan.task:
        raise UsageError(f"{source}: no data; give --data, --task (`layerscope ls tasks`) or --preset paper")
    if plan.data is not None and plan.task:
        raise UsageError(f"{source}: --data and --task are two studies; run them one after the other")
    if plan.kind is not None and (plan.task or len(plan.target) > 1):
        raise UsageError(f"{source}: 'kind' is of a single target; leave it out")
    return plan


def checked(sort: type[Asked], written: dict[str, Any], source: str) -> Asked:
    """Return what was asked for as a model, or raise naming the field that is wrong."""
    try:
        asked = sort.model_validate(written)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise unknown("key", name, sort.model_fields) from error
        raise UsageError(f"{source}: '{name}': {first['msg']}") from error
    if asked.kind is not None:
        kind_named(asked.kind)
    for name in asked.probe:
        if name not in PROBES:
            raise unknown("probe", name, PROBES)
    return asked
