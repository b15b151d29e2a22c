"""The encoder with what only its pretraining needs: the quantizer, the masks, and the head that names tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerscope.encoders.conformer import ConformerModel
from layerscope.pretrain.quantizers import CODES, RandomProjection, ResidualQuantizer, pitch_frames, stack_frames
from layerscope.pretrain.recipe import Recipe
from layerscope.pretrain.training_audio import SEMITONES, Sound

__all__ = ["MaskedModel", "Outcome", "draw_mask"]

SPAN_TOKENS = 10  # 0.4 s
MASKED_SHARE = 0.6
#: Deviation of what stands in the place of hidden mel, as in BEST-RQ (Chiu et al. 2022).
NOISE = 0.1


@dataclass(frozen=True)
class Outcome:
    """What a step showed.

    Attributes
    ----------
    loss : Tensor
        Cross-entropy of the masked tokens, the mean over codebooks; with the others, weighted, where these count.
    accuracy : float
        Share of masked tokens named right, first codebook.
    majority : float
        What naming the commonest token of the batch would give.
    used : int
        Different tokens of the first codebook in the batch.
    """

    loss: Tensor
    accuracy: float
    majority: float
    used: int


def draw_mask(batch: int, tokens: int) -> Tensor:
    """Return which tokens are hidden, (batch, token): spans of 0.4 s, each with probability 0.6, at least one of each.

    Both models mask so (Won et al. 2024; Zhu et al. 2025).
    """
    spans = -(-tokens // SPAN_TOKENS)
    hidden = torch.rand(batch, spans) < MASKED_SHARE
    hidden[~hidden.any(dim=1), 0] = True
    hidden[hidden.all(dim=1), -1] = False
    return hidden.repeat_interleave(SPAN_TOKENS, dim=1)[:, :tokens]


class MaskedModel(nn.Module):
    """A conformer that learns to name hidden tokens.

    Parameters
    ----------
    recipe : Recipe
        Sizes.
    mel_mean, mel_std : float
        Of the data, in dB.
    """

    def __init__(self, recipe: Recipe, mel_mean: float, mel_std: float) -> None:
        super().__init__()
        self.encoder = ConformerModel(recipe.conformer(mel_mean, mel_std))
        self.quantizer: RandomProjection | ResidualQuantizer = (
            ResidualQuantizer(recipe.codebooks) if recipe.family == "muq" else RandomProjection(recipe.codes)
        )
        self.pitch_quantizer = ResidualQuantizer(recipe.pitch_codebooks, SEMITONES) if recipe.pitch_codebooks else None
        self.codebooks = recipe.pitch_codebooks + (recipe.codebooks if recipe.family == "muq" else 1)
        self.codes = CODES if recipe.family == "muq" else recipe.codes
        self.linear = nn.Linear(recipe.dim, self.codebooks * self.codes)
        self.visible = recipe.visible
        self.autocasts = recipe.precision == "bfloat16"

    def freeze_quantizers(self) -> None:
        """Keep the quantizers as they are: they were trained first."""
        for quantizer in (self.quantizer, self.pitch_quantizer):
            if quantizer is not None:
                quantizer.requires_grad_(False)

    def tokens(self, mel: Tensor, semitones: Tensor) -> Tensor:
        """Return what is to be named, (batch, token, codebook), of normalised mel and of semitones."""
        codes: Tensor = self.quantizer(stack_frames(mel))
        if self.pitch_quantizer is None:
            return codes
        return torch.cat([codes, self.pitch_quantizer(pitch_frames(semitones))], dim=-1)

    def forward(self, sound: Sound) -> Outcome:
        """Hide spans of a sound, and compare what the model names them with what they are."""
        with torch.no_grad():
            config = self.encoder.config
            mel = (sound.mel - config.mel_mean) / config.mel_std
            tokens = self.tokens(mel, sound.semitones)
            mask = draw_mask(*tokens.shape[:2]).to(mel.device)
            # A token is four frames of mel.
            frames = mask.repeat_interleave(4, dim=1)[:, None]
            hidden = torch.where(frames, NOISE * torch.randn_like(mel), mel)
        with torch.autocast(mel.device.type, torch.bfloat16, enabled=self.autocasts):
            *_, state = self.encoder.conformer.states(self.encoder.conv(hidden), self.encoder.depth)
            logits = self.linear(state[mask]).unflatten(-1, (self.codebooks, self.codes))
            heard = self.linear(state[~mask]).unflatten(-1, logits.shape[1:]) if self.visible else None
        wanted = tokens[mask]
        # bfloat16 has too few digits for a sum over a thousand codes.
        loss = F.cross_entropy(logits.float().flatten(0, 1), wanted.flatten())
        if heard is not None:
            seen = F.cross_entropy(heard.float().flatten(0, 1), tokens[~mask].flatten())
            # A mean, so that steps do not grow with the weight.
            loss = (loss + self.visible * seen) / (1 + self.visible)
        first = wanted[:, 0]
        counts = torch.bincount(first, minlength=self.codes)
        return Outcome(
            loss,
            float((logits[:, 0].argmax(dim=-1) == first).float().mean()),
            float(counts.max() / counts.sum()),
            int((counts > 0).sum()),
        )
