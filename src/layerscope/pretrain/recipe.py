"""What a pretraining is: sizes, data, steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from layerscope.atomic_files import read_json
from layerscope.encoders.conformer import ConformerConfig
from layerscope.errors import UsageError

__all__ = ["Recipe", "read_recipe"]


class Recipe(BaseModel):
    """How an encoder is pretrained.

    Attributes
    ----------
    family : {"muq", "musicfm"}
        Residual vector quantization of mel, trained first (MuQ: Zhu et al. 2025), or a random projection of mel
        with one codebook (MusicFM: Won et al. 2024, after BEST-RQ: Chiu et al. 2022).
    data : Path, optional
        A folder of audio; the built-in corpus, streamed, by default.
    steps : int
        Of the optimizer; a finished training continues if it is asked for more.
    batch, seconds : int, float
        Clips in a step and their length.
    clips, clip_seconds : int, float, optional
        Keep so many clips of this length, and hear random stretches of them again and again; without, each step
        hears what was never heard before.
    learning_rate, warmup, decay : float, int, float
        Peak; steps until it is reached; share of the steps over which it falls to zero at the end.
    seed : int
        Of weights, masks and data.
    dim, depth, heads, feedforward, channels, kernel : int
        Of the conformer.
    codebooks, codes : int
        MuQ: how many residual codebooks, of 1,024 each. MusicFM: how many codes its one codebook has.
    pitch_codebooks : int
        MuQ: residual codebooks of semitones beside those of mel, so that pitch is asked for as well (the constant-Q
        target of MERT, Li et al. 2023, as tokens).
    visible : float
        Weight of the tokens that are not hidden, beside 1 for the hidden ones (HuBERT: Hsu et al. 2021, section
        II-B). To name what is heard is learnt first, and what is not heard sooner for it.
    quantizer_steps : int
        MuQ: steps of the quantizer's own training.
    precision : {"float32", "bfloat16"}
        Of the blocks; mel and losses are float32. On processors without bfloat16 arithmetic it is many times slower.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Literal["muq", "musicfm"] = "muq"
    data: Path | None = None
    steps: int = Field(7_000, ge=1)
    batch: int = Field(8, ge=1)
    # Two spans of a mask at the least: one is hidden, one is heard.
    seconds: float = Field(6.0, gt=0.8)
    clips: int | None = Field(None, ge=1)
    clip_seconds: float = Field(12.0, gt=0.8)
    learning_rate: float = Field(8e-4, gt=0)
    warmup: int = Field(400, ge=1)
    decay: float = Field(0.25, ge=0, le=1)
    seed: int = Field(0, ge=0)
    dim: int = 192
    depth: int = 6
    heads: int = 3
    feedforward: int = 384
    channels: int = 8
    kernel: int = 9
    codebooks: int = Field(3, ge=1)
    pitch_codebooks: int = Field(0, ge=0)
    codes: int = Field(2048, ge=2)
    visible: float = Field(0.0, ge=0)
    quantizer_steps: int = Field(1500, ge=1)
    precision: Literal["float32", "bfloat16"] = "float32"

    def conformer(self, mel_mean: float, mel_std: float) -> ConformerConfig:
        """Return the configuration of the encoder."""
        sizes = self.model_dump(include={"dim", "depth", "heads", "feedforward", "channels", "kernel"})
        return ConformerConfig(**sizes, mel_mean=mel_mean, mel_std=mel_std)


def read_recipe(path: Path | None, **given: Any) -> Recipe:
    """Return the recipe of a JSON file, what is given here over it.

    Raises
    ------
    UsageError
        Naming the key that is wrong.

    Examples
    --------
    >>> read_recipe(None, family="musicfm", steps=100).steps
    100
    """
    written = read_json(path, UsageError) if path else {}
    try:
        return Recipe.model_validate({**written, **given})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{path or 'recipe'}: '{'.'.join(map(str, first['loc']))}': {first['msg']}") from error
