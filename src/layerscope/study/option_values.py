"""What may be written for an option: names with commas between them, names that there are, models and places on disk.

What a value is checked against is imported when there is one to check, so that ``--help`` is quick.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from layerscope.errors import UsageError

__all__ = [
    "PRESETS", "Names", "absolute", "at_commas", "default_probes", "known_names", "located", "one_or_more",
    "refuse_same_names",
]  # fmt: skip

#: What a preset sets, where it is not said otherwise; the seed of the one training is not MARBLE's 1234 but 0.
PRESETS: dict[str, dict[str, Any]] = {"paper": {"probe": ["mlp"], "seeds": 1}, "robust": {}}


def known_names(field: str) -> Iterable[str]:
    """Return the names that a field may hold."""
    from layerscope.encoders import BASELINES
    from layerscope.features.pooling import POOLINGS
    from layerscope.probes import PROBES
    from layerscope.probes.few_label_probe import FEW_LABEL_PROBES
    from layerscope.targets import kinds
    from layerscope.tasks import known_tasks

    names: dict[str, Iterable[str]] = {
        "probe": PROBES,
        "few_labels": FEW_LABEL_PROBES,
        "pooling": POOLINGS,
        "baseline": BASELINES,
        "task": known_tasks(),
        "kind": kinds(),
        "preset": PRESETS,
    }
    return names[field]


def default_probes() -> list[str]:
    """Return the probes of a study that names none."""
    from layerscope.probes import DEFAULT_PROBES

    return list(DEFAULT_PROBES)


def at_commas(value: Any) -> Any:
    """Split names at commas, in one string or in each of several; ``none`` alone is none of them."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        return value  # for pydantic to refuse
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    return [] if names == ["none"] else names


def one_or_more(value: Any) -> Any:
    """Take a single text for a list of one, and a tuple for a list."""
    return [value] if isinstance(value, str) else list(value) if isinstance(value, tuple) else value


def absolute(path: Path) -> Path:
    """Return a path from the root, whose links stay."""
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - `resolve` follows links


def located(models: Sequence[str], directory: Path) -> list[str]:
    """Return models that lie in a directory by their whole paths, every checkpoint that a pattern or folder means.

    Any other name stays as it is.
    """
    from layerscope.encoders.checkpoint_paths import checkpoints_at
    from layerscope.encoders.model_names import stands_for_itself
    from layerscope.encoders.published_models import RANDOM

    names: list[str] = []
    for model in models:
        source = model.removeprefix(RANDOM)
        if not source or stands_for_itself(source):
            names.append(model)
            continue
        typed = Path(source).expanduser()
        path = absolute(directory / typed)
        named = bool((typed if path.is_dir() else typed.parent).name.strip("."))
        if source == model and (checkpoints := checkpoints_at(path, folder_named=named)):
            names += checkpoints
        else:
            names.append(f"{RANDOM if source != model else ''}{path}" if path.exists() else model)
    return names


def refuse_same_names(names: Sequence[str]) -> None:
    """Raise if two encoders have one name, by which alone results tell them apart."""
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"two models are called '{name}'; rename one (its directory, or the name that its code gives), or "
                "leave one out (--baseline none does, of a plain feature that is given as a model)"
            )


#: Names, with commas between them or one by one.
Names = Annotated[list[str], BeforeValidator(at_commas)]
