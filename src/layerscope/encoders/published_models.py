"""What is known of published models without having them: for lists, and for the licence in a model card."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.atomic_files import cache_directory
from layerscope.encoders.conformer import ConformerModel
from layerscope.encoders.conformer_checkpoint import read_checkpoint
from layerscope.encoders.model_names import HUB, MODELS, PACKAGED, RANDOM, packaged
from layerscope.encoders.plain_features import BASELINES

__all__ = ["ModelFacts", "catalogue", "licence_of"]


@dataclass(frozen=True)
class ModelFacts:
    """A published model.

    Attributes
    ----------
    name : str
        As `load_encoder` takes it.
    depth, width : int
        Number of the last layer; width of a frame.
    official : str
        What its authors call the layers.
    million : float
        Parameters.
    sample_rate, frame_rate : int, float
        Hz.
    licence : str
        Of the weights.
    code : str
        Whose code computes the states, and its licence.
    cached : bool
        Whether the weights are on disk.
    """

    name: str
    depth: int
    width: int
    official: str
    million: float
    sample_rate: int
    frame_rate: float
    licence: str
    code: str
    cached: bool


OURS, LIBRARY = "layerscope (MIT)", "transformers (Apache-2.0)"
NON_COMMERCIAL = "CC BY-NC 4.0 (non-commercial)"
#: Models that a name stands for whose commit is looked up when they are fetched.
ON_THE_HUB = (
    ("m-a-p/MERT-v1-95M", 12, 768, "hidden_states[0–12]", 95, 24_000, 75.0, NON_COMMERCIAL, LIBRARY),
    ("m-a-p/MERT-v1-330M", 24, 1024, "hidden_states[0–24]", 330, 24_000, 75.0, NON_COMMERCIAL, LIBRARY),
    ("m-a-p/MERT-v2-30s", 24, 1024, "hidden_states[0–23], from layer 1", 632, 24_000, 25.0, NON_COMMERCIAL, OURS),
    ("m-a-p/MERT-v2-FullSong", 24, 1024, "hidden_states[0–23], from layer 1", 632, 24_000, 25.0, NON_COMMERCIAL, OURS),
    ("m-a-p/music2vec-v1", 12, 768, "hidden_states[0–12]", 95, 16_000, 50.0, "MIT, as its page says", LIBRARY),
)


def catalogue() -> list[ModelFacts]:
    """Return the models that are known by name: those of the package, those that are pinned, others on the hub."""
    own = [toy_facts(name, million) for name, million in PACKAGED.items()]
    pinned = [
        ModelFacts(
            name, model.config.depth, model.config.dim, f"hidden_states[0–{model.config.depth}]", model.parameters,
            ConformerModel.sample_rate, ConformerModel.frame_rate, model.licence, OURS, model.cached(),
        )
        for name, model in MODELS.items()
    ]  # fmt: skip
    return own + pinned + [ModelFacts(HUB + row[0], *row[1:], is_cached(row[0])) for row in ON_THE_HUB]


def toy_facts(name: str, million: float) -> ModelFacts:
    """Return the facts of an encoder that comes with the package."""
    config = read_checkpoint(packaged(name)).config
    return ModelFacts(
        name, config.depth, config.dim, f"hidden_states[0–{config.depth}]", million, ConformerModel.sample_rate,
        ConformerModel.frame_rate, "MIT", OURS, cached=True,
    )  # fmt: skip


def is_cached(repository: str) -> bool:
    """Return whether weights of a repository are on disk, at any commit."""
    place = cache_directory() / "models" / repository.replace("/", "--")
    return any(place.glob("*/*.safetensors")) or any(place.glob("*/pytorch_model.bin"))


def licence_of(name: str) -> str:
    """Return the licence of a model's weights, as far as it is known here."""
    if name in BASELINES:
        return "none needed: a plain feature has no weights"
    if name.startswith(RANDOM):
        return "none needed: the weights are random"
    known = {facts.name: facts.licence for facts in catalogue()}
    return known.get(name.partition("@")[0], "not known here; it is that of the model that was given")
