"""Published models: which files they are, pinned, and what is known of them without having them.

The one place for what a name of `load_encoder` stands for, for the list of ``layerscope ls models``, and for the
licence in a model card.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from layerscope.atomic_files import cache_directory
from layerscope.encoders.conformer import ConformerConfig
from layerscope.encoders.download import fetch_files, local_directory
from layerscope.encoders.plain_features import BASELINES

__all__ = ["HUB", "MODELS", "PACKAGED", "RANDOM", "ModelFacts", "PublishedModel", "catalogue", "licence_of", "packaged"]

#: Before a name: its untrained twin; before ``owner/name``: a repository of the hub.
RANDOM, HUB = "random:", "hf:"
OURS, LIBRARY = "layerscope (MIT)", "transformers (Apache-2.0)"
NON_COMMERCIAL = "CC BY-NC 4.0 (non-commercial)"


@dataclass(frozen=True)
class PublishedModel:
    """A model on the hub, pinned.

    Attributes
    ----------
    repository, revision : str
        Where on the hub, and the commit.
    weights, settings : str
        The two files it consists of.
    sha256 : str
        Of the weights file.
    licence : str
        Of the weights.
    parameters : float
        In millions.
    config : ConformerConfig
        Sizes, known without its files.
    """

    repository: str
    revision: str
    weights: str
    settings: str
    sha256: str
    licence: str
    parameters: float
    config: ConformerConfig = field(default_factory=ConformerConfig)

    def cached(self) -> bool:
        """Return whether the weights are already on disk."""
        return local_directory(self.repository, self.revision, [self.settings, self.weights]) is not None

    def fetch(self) -> Path:
        """Return the weights file, its settings beside it, downloaded where they are not on disk."""
        digests = {self.settings: None, self.weights: self.sha256}
        return fetch_files(self.repository, self.revision, digests) / self.weights


MUSICFM = PublishedModel(
    "minzwon/MusicFM", "4513b38bc25ad1d227b1980819b9691ba97f4d87", "pretrained_msd.pt", "msd_stats.json",
    "218b483a0256ddef736267425fabb166fd97008983696bb9270def464b47bded", "MIT", 329,
)  # fmt: skip
MODELS: dict[str, PublishedModel] = {
    "muq": PublishedModel(
        "OpenMuQ/MuQ-large-msd-iter", "0562a57814f6f8bbd9fdea0a25921a2fce1a841a", "model.safetensors", "config.json",
        "273febab2be02872c37d2c37e48a9d6c52c1c9392f3eeeabd498efa281ccb7a6", NON_COMMERCIAL, 333,
    ),
    "musicfm": MUSICFM,
    "musicfm-fma": replace(
        # Files fetched before 13 February 2024 were wrong; the digest refuses them.
        MUSICFM, weights="pretrained_fma.pt", settings="fma_stats.json",
        sha256="68392eee13d34c2941b3761934abb6b1e67b2e9df498695bda2ea5c1087d4b96",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model that has a name.

    Attributes
    ----------
    name : str
        As `load_encoder` takes it.
    depth, width : int
        Number of the last layer; width of its frames.
    million : float
        Parameters.
    licence : str
        Of the weights.
    sample_rate, frame_rate : int, float
        Hz; of the last layer.
    code : str
        Whose code computes the states, and its licence.
    hidden_states : str, optional
        Which of its authors' ``hidden_states`` the layers are, where the numbers differ, or what they call them.
    first : tuple of (int, float), optional
        Width and frame rate of layer 0, where layers differ.
    """

    name: str
    depth: int
    width: int
    million: float
    licence: str
    # Of MuQ, MusicFM and MERT-v2 alike.
    sample_rate: int = 24_000
    frame_rate: float = 25.0
    code: str = OURS
    hidden_states: str = ""
    first: tuple[int, float] | None = None

    @property
    def widths(self) -> str:
        """Return the width of a frame, or of the first and the last layer's."""
        return f"{self.first[0]}–{self.width}" if self.first else str(self.width)

    @property
    def frame_rates(self) -> str:
        """Return the rate of the frames, or of the first and the last layer's, in Hz."""
        return f"{self.first[1]:g}–{self.frame_rate:.4g}" if self.first else f"{self.frame_rate:g}"

    @property
    def official(self) -> str:
        """Return what its authors call the layers."""
        return self.hidden_states or f"hidden_states[0–{self.depth}]"

    @property
    def cached(self) -> bool:
        """Return whether the weights are on disk; of a repository, at any commit."""
        if not self.name.startswith(HUB):
            return self.name in PACKAGED or MODELS[self.name].cached()
        place = cache_directory() / "models" / self.name.removeprefix(HUB).replace("/", "--")
        return any(path for name in ("*/*.safetensors", "*/pytorch_model*.bin") for path in place.glob(name))


#: Encoders that come with the package, pretrained on its own music.
PACKAGED = {
    "toy-muq": ModelFacts("toy-muq", 6, 192, 4.8, "MIT"),
    "toy-musicfm": ModelFacts("toy-musicfm", 6, 192, 4.1, "MIT"),
}
PINNED = [
    ModelFacts(name, model.config.depth, model.config.dim, model.parameters, model.licence)
    for name, model in MODELS.items()
]
MERT2 = ModelFacts("hf:m-a-p/MERT-v2-30s", 24, 1024, 632, NON_COMMERCIAL,
                   hidden_states="hidden_states[0–23], from layer 1")  # fmt: skip
#: Models whose commit is looked up when they are fetched.
ON_THE_HUB = [
    ModelFacts("hf:m-a-p/MERT-v1-95M", 12, 768, 95, NON_COMMERCIAL, 24_000, 75.0, LIBRARY),
    ModelFacts("hf:m-a-p/MERT-v1-330M", 24, 1024, 330, NON_COMMERCIAL, 24_000, 75.0, LIBRARY),
    MERT2,
    replace(MERT2, name="hf:m-a-p/MERT-v2-FullSong"),
    ModelFacts("hf:m-a-p/music2vec-v1", 12, 768, 95, "MIT, as its page says", 16_000, 50.0, LIBRARY),
    ModelFacts("hf:OpenMuQ/MuQ-MuLan-large", 12, 1024, 333, NON_COMMERCIAL),
    ModelFacts("hf:laion/larger_clap_music", 18, 1024, 68, "Apache-2.0", 48_000, 3.2, LIBRARY,
               "blocks of audio_encoder", (128, 25.6)),
    ModelFacts("hf:mispeech/dasheng-base", 12, 768, 86, "Apache-2.0", 16_000, hidden_states="blocks[0–11]"),
    ModelFacts("hf:facebook/encodec_32khz", 6, 128, 29, NON_COMMERCIAL, 32_000, 50.0, LIBRARY,
               "stages of encoder", (64, 32_000.0)),
    ModelFacts("hf:descript/dac_44khz", 5, 1024, 22, "MIT", 44_100, 44_100 / 512, LIBRARY,
               "stages of encoder", (64, 44_100.0)),
]  # fmt: skip


def packaged(name: str) -> Path:
    """Return the directory of an encoder that comes with the package."""
    return Path(str(files("layerscope.encoders") / "weights" / name))


def catalogue() -> list[ModelFacts]:
    """Return the models that are known by name: those of the package, those that are pinned, others on the hub."""
    return [*PACKAGED.values(), *PINNED, *ON_THE_HUB]


def licence_of(name: str) -> str:
    """Return the licence of a model's weights, as far as it is known here.

    Examples
    --------
    >>> licence_of("musicfm"), licence_of("random:muq")
    ('MIT', 'none needed: the weights are random')
    """
    if name in BASELINES:
        return "none needed: a plain feature has no weights"
    if name.startswith(RANDOM):
        return "none needed: the weights are random"
    known = {facts.name: facts.licence for facts in catalogue()}
    # Any revision has the licence of its repository.
    return known.get(name.partition("@")[0], "not known here; it is that of the model that was given")
