"""What a name of a model stands for, what results call it, and which names are none."""

from __future__ import annotations

import re
from pathlib import Path

from layerscope.encoders.checkpoint_paths import labelled
from layerscope.encoders.conformer import ConformerConfig
from layerscope.encoders.download import fetch_repository
from layerscope.encoders.encoder_address import installed_encoders
from layerscope.encoders.plain_features import BASELINES
from layerscope.encoders.published_models import HUB, MODELS, PACKAGED, RANDOM
from layerscope.encoders.states_on_disk import FEATURES
from layerscope.errors import UsageError

__all__ = [
    "SEED", "UNTRAINED_SIZES", "names_code", "pinned", "refuse_address", "refuse_twin", "result_name",
    "stands_for_itself", "twin_name", "without_seed",
]  # fmt: skip

#: Between the name of an untrained twin and the seed of its weights.
SEED = "#"
#: A page of a model on the hub, with its branch or commit, and any other address.
PAGE = re.compile(
    r"(?:hf://|(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/)(?!datasets/|spaces/|collections/|papers/)"
    r"([^/?#]+/[^/?#]+)(?:/(?:tree|blob|resolve)/([^/?#]+))?"
)
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
#: Sizes that exist untrained only, for demonstrations: ``random:small``.
UNTRAINED_SIZES = {"small": ConformerConfig(dim=64, depth=4, heads=4, feedforward=128, channels=16)}
#: Names of networks that this package knows, wherever it runs.
KNOWN_NETWORKS = (*MODELS, *PACKAGED, *UNTRAINED_SIZES)


def names_code(name: str) -> bool:
    """Return whether a name stands for an encoder of someone's own, whose loading runs code of theirs.

    Examples
    --------
    >>> names_code("my_package.encoders:make"), names_code("hf:m-a-p/MERT-v1-95M"), names_code("toy-muq")
    (True, False, False)
    """
    if name.partition("?")[0] in installed_encoders():
        return True
    # A path may hold a colon too: what is on disk is no address of code.
    return ":" in name and not name.startswith((RANDOM, HUB)) and not Path(name).exists()


def stands_for_itself(name: str) -> bool:
    """Return whether a name is that of a model or plain feature, on the hub or of one's own, and no path.

    Examples
    --------
    >>> stands_for_itself("muq"), stands_for_itself("hf:m-a-p/MERT-v1-95M"), stands_for_itself("models/mine")
    (True, True, False)
    >>> stands_for_itself("mine:factory?step=1000"), stands_for_itself("ckpt/step-?.pt")
    (True, False)
    """
    known = (*KNOWN_NETWORKS, *BASELINES, *installed_encoders())
    # What a factory takes stands behind a question mark, which in a pattern of paths means any letter.
    return name in known or name.startswith(HUB) or ("?" in name and names_code(name))


def result_name(name: str) -> str:
    """Return what results call a model: its name, or that of its directory or repository.

    Examples
    --------
    >>> result_name("hf:m-a-p/MERT-v1-95M@main"), result_name("random:muq"), result_name("models/my-model/")
    ('MERT-v1-95M', 'random:muq', 'my-model')
    """
    label = labelled(name)[0]
    if label:
        return label
    if name.startswith(RANDOM):
        return RANDOM + result_name(name.removeprefix(RANDOM))
    if name in (*KNOWN_NETWORKS, *BASELINES):
        return name
    if name.startswith(HUB):
        return name.removeprefix(HUB).partition("@")[0].rpartition("/")[2]
    # Resolved, because `.` has no name of its own.
    return Path(name).resolve().name


def twin_name(name: str) -> str | None:
    """Return the name of a model's untrained twin, None where it has none: of twins, plain features and own encoders.

    Examples
    --------
    >>> twin_name("toy-muq"), twin_name("mfcc"), twin_name("random:toy-muq"), twin_name("my_package.encoders:make")
    ('random:toy-muq', None, None, None)
    """
    source = labelled(name)[1]
    # States on disk are of no network that is at hand.
    on_disk = (Path(source) / FEATURES).is_file()
    alone = on_disk or source.startswith(RANDOM) or source in BASELINES or names_code(source)
    return None if alone else RANDOM + source


def without_seed(name: str) -> str:
    """Return the name of an untrained twin, whichever draw of its weights results tell of.

    Examples
    --------
    >>> from layerscope import load_encoder
    >>> without_seed(load_encoder("random:small", seed=2).name), without_seed("random:small")
    ('random:small', 'random:small')
    """
    return name.partition(SEED)[0] if name.startswith(RANDOM) else name


def pinned(name: str) -> str:
    """Return a name that stands for the same weights everywhere and for ever, as far as there is one.

    A model on the hub is named with its commit; a directory by its whole path.
    """
    label, path = labelled(name)
    if label:
        return f"{label}={Path(path).resolve()}"
    source = name.removeprefix(RANDOM)
    prefix = RANDOM if source != name else ""
    if source.startswith(HUB):
        # A fetched directory is called by its commit.
        return f"{prefix}{HUB}{source.removeprefix(HUB).partition('@')[0]}@{fetch_repository(source[3:]).name}"
    if source in KNOWN_NETWORKS or not Path(source).exists():
        return name
    return prefix + str(Path(source).resolve())


def refuse_address(source: str) -> None:
    """Raise for nothing, and for an address, with the name that stands for its model where there is one."""
    if not source.strip():
        raise UsageError(
            "no model is named; write one of `layerscope ls models`, such as muq, or random:muq for its twin"
        )
    try:
        Path(source).exists()
    except OSError as error:
        raise UsageError(f"model '{source[:60]}…': no name of a file or a model ({error.strerror})") from error
    if page := PAGE.match(source):
        named = HUB + page[1] + (f"@{page[2]}" if page[2] not in (None, "main") else "")
        raise UsageError(f"'{source}' is the address of a page; write {named} for the model on it")
    if ADDRESS.match(source):
        raise UsageError(f"'{source}' is an address; fetch the files and give --model their directory")


def refuse_twin(source: str) -> None:
    """Raise for what has no untrained twin, though a name of its own."""
    if source in BASELINES or names_code(source):
        weightless = source in BASELINES
        reason = "a plain feature has no weights" if weightless else "the weights of your own encoder are its own"
        raise UsageError(f"'{RANDOM}{source}': {reason}; leave it out, or take the twin of another model")
    if source.startswith(RANDOM) or (SEED in source and not Path(source).exists()):
        plain = source.removeprefix(RANDOM).partition(SEED)[0]
        raise UsageError(f"'{RANDOM}{source}': write {RANDOM}{plain}; --twins says how many draws of its weights")
