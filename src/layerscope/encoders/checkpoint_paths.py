"""The checkpoints of one training: which files a pattern or a folder means, by the steps in their names.

What is found is written as ``name@step=PATH``, which says what results call it and where it lies.
"""

from __future__ import annotations

import re
from decimal import Decimal
from glob import glob, has_magic
from pathlib import Path

from layerscope.errors import UsageError

__all__ = ["CHECKPOINT", "at_step", "checkpoints_at", "labelled"]

#: What a model of one training is called in results, as `at_step` makes it.
CHECKPOINT = re.compile(r"(?P<name>.+)@(?P<step>\d+)")
#: A number that is called a step, else the last one of a name.
NUMBER = r"(\d+(?:\.\d+)?)(?:([kKM])(?![A-Za-z]))?"
STEP = re.compile(rf"(?i:steps?|iter(?:ation)?s?)[-_=]?{NUMBER}|{NUMBER}(?=\D*$)")
#: What a letter after it stands for.
UNITS = {None: 1, "k": 1_000, "K": 1_000, "M": 1_000_000}
#: What names a model's weights beside a configuration: a folder of these is one model.
ONE_MODEL = ("config.json", "features.json")
#: Endings of files of weights.
WEIGHTS = (".pt", ".safetensors", ".ckpt")
#: What stands between a name and its number.
SEPARATORS = "-_.= "
#: What checkpoints are called that nothing names: not the place where somebody happens to work.
NAMELESS = "checkpoint"


def at_step(name: str, step: object) -> str:
    """Return what results call the model of a training after some steps, so that a page finds them together.

    Examples
    --------
    >>> at_step("mine", 1000)
    'mine@1000'
    """
    return f"{name}@{step}"


def labelled(text: str) -> tuple[str, str]:
    """Return the name that a model is given, or an empty text, and what it is.

    Examples
    --------
    >>> labelled("mine@1000=/"), labelled("toy-muq")
    (('mine@1000', '/'), ('', 'toy-muq'))
    """
    label, equals, path = text.partition("=")
    # A whole path alone, which means the same everywhere; files are called `epoch=3-step=1000.ckpt` too.
    given = bool(label and equals) and "/" not in label and path.startswith("/") and Path(path).exists()
    return (label, path) if given else ("", text)


def checkpoints_at(pattern: Path, *, folder_named: bool = True) -> list[str]:
    """Return the models that a pattern such as ``ckpt/*.pt`` or a folder of checkpoints means, in the order of steps.

    Parameters
    ----------
    pattern : Path
        Absolute.
    folder_named : bool
        Whether somebody named the folder of the files, and did not only stand in it.

    Returns
    -------
    list of str
        ``name@step=PATH``; empty where the path is neither a pattern nor a folder of checkpoints.

    Raises
    ------
    UsageError
        For a pattern without a match, a match without a number, or two of one step.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "mine"
    >>> for step in (900, 1000):
    ...     (place / f"checkpoint-{step}").mkdir(parents=True)
    >>> [text.partition("=")[0] for text in checkpoints_at(place)]
    ['checkpoint@900', 'checkpoint@1000']
    """
    if pattern.is_dir():
        paths = checkpoints_in(pattern)
    elif has_magic(str(pattern)) and not pattern.exists():
        paths = [Path(path) for path in sorted(glob(str(pattern)))]  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not paths:
            raise UsageError(f"model '{pattern}': no file or directory is called so")
    else:
        paths = []
    steps: dict[int, Path] = {}
    for path in paths:
        step = step_of(path)
        if step is None:
            raise UsageError(
                f"model '{pattern}': '{path.name}' has no number of a step; name what is meant more closely"
            )
        if step in steps:
            raise UsageError(f"model '{pattern}': '{steps[step].name}' and '{path.name}' are both of step {step:,}")
        steps[step] = path
    return [
        f"{at_step(common_name(paths, folder_named=folder_named), step)}={path}" for step, path in sorted(steps.items())
    ]


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder that is no model itself: files of weights, else directories, with steps."""
    if any((folder / name).is_file() for name in ONE_MODEL):
        return []
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    weights = [path for path in inside if path.is_file() and path.suffix in WEIGHTS]
    paths = weights or [path for path in inside if path.is_dir()]
    return paths if len(paths) > 1 and all(step_of(path) is not None for path in paths) else []


def stem_of(path: Path) -> str:
    """Return the name of a checkpoint without the ending of a file."""
    return path.name if path.is_dir() else path.stem


def step_of(path: Path) -> int | None:
    """Return the step in the name of a checkpoint.

    Examples
    --------
    >>> [step_of(Path(name)) for name in ("model_0900.pt", "epoch=3-step=1000.ckpt", "mine-1.5M.pt", "last.pt")]
    [900, 1000, 1500000, None]
    """
    place = STEP.search(stem_of(path))
    if place is None:
        return None
    number, unit = (place[1], place[2]) if place[1] else (place[3], place[4])
    step = Decimal(number) * UNITS[unit]
    return int(step) if step == int(step) else None


def common_name(paths: list[Path], *, folder_named: bool) -> str:
    """Return what the checkpoints are called without their steps, or the name of their folder where they differ."""
    stems = {STEP.sub("", stem_of(path), count=1).strip(SEPARATORS) for path in paths}
    if len(stems) == 1 and "" not in stems:
        return stems.pop()
    return paths[0].parent.name if folder_named else NAMELESS
