"""From mel to tokens: what a masked frame is to be recognised as.

Both take four stacked mel frames, 512 normalised values, a 25 Hz token. Names of parameters follow the published
checkpoints.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerscope.encoders.mel import MEL_BINS

__all__ = ["RandomProjection", "ResidualQuantizer", "pitch_frames", "stack_frames"]

STACKED = 4 * MEL_BINS
#: As in MuQ's checkpoint, whose codebooks hold 1,024 codes of 16 numbers.
WIDTH = 16
CODES = 1024
#: dB; about the deviation of semitones within a frame of music.
PITCH_SCALE = 12.0
#: Steps without use after which a code is put where data are.
STALE = 100


def stack_frames(mel: Tensor) -> Tensor:
    """Map (batch, mel, frame) to (batch, token, 512): four frames a token, what is left over dropped."""
    tokens = mel.shape[-1] // 4
    return mel[..., : 4 * tokens].unflatten(-1, (tokens, 4)).permute(0, 2, 3, 1).flatten(2)


def pitch_frames(semitones: Tensor) -> Tensor:
    """Map (batch, semitone, token) in dB to (batch, token, semitone) of about unit size."""
    return semitones.transpose(1, 2) / PITCH_SCALE


class RandomProjection(nn.Module):
    """A fixed projection and the nearest of fixed codes, by angle (Chiu et al. 2022, section 3).

    The codes are projections of data, so that none is dead.

    Parameters
    ----------
    codes : int
        How many.
    """

    random_projection: Tensor
    codebook: Tensor

    def __init__(self, codes: int) -> None:
        super().__init__()
        self.register_buffer("random_projection", torch.randn(STACKED, WIDTH))
        self.register_buffer("codebook", torch.randn(codes, WIDTH))

    @torch.no_grad()
    def fit(self, stacked: Tensor) -> None:
        """Draw directions and codes, given data (sample, 512), more samples than codes."""
        self.random_projection.copy_(torch.randn(STACKED, WIDTH))
        chosen = stacked[torch.randperm(len(stacked))[: len(self.codebook)]]
        self.codebook.copy_(F.normalize(chosen @ self.random_projection, dim=-1))

    @torch.no_grad()
    def forward(self, stacked: Tensor) -> Tensor:
        """Map (batch, token, 512) to codes (batch, token, 1)."""
        projected = F.normalize(stacked @ self.random_projection, dim=-1)
        return (projected @ F.normalize(self.codebook, dim=-1).T).argmax(dim=-1, keepdim=True)


class Projection(nn.Module):
    """A linear map whose rows have a direction and a length (Salimans & Kingma 2016), named as in the checkpoints."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        # So scaled, outputs are about as large as inputs.
        self.weight_v = nn.Parameter(torch.randn(outputs, inputs, 1) / inputs**0.5)
        self.weight_g = nn.Parameter(self.weight_v.detach().norm(dim=1, keepdim=True))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (sample, inputs) to (sample, outputs)."""
        return F.linear(x, (self.weight_g * F.normalize(self.weight_v, dim=1))[..., 0], self.bias)


class Codebook(nn.Module):
    """One stage of a residual quantizer: project, nearest code by angle, project back (Kumar et al. 2023, DAC)."""

    stale_counter: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.in_proj = Projection(inputs, WIDTH)
        self.out_proj = Projection(WIDTH, inputs)
        self.codebook = nn.Embedding(CODES, WIDTH)
        self.register_buffer("stale_counter", torch.zeros(CODES))

    def forward(self, residual: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (sample, inputs) to what it explains, the codes (sample,), and the loss that draws both together."""
        projected = self.in_proj(residual)
        codes = (F.normalize(projected, dim=-1) @ F.normalize(self.codebook.weight, dim=-1).T).argmax(dim=-1)
        nearest = self.codebook(codes)
        # A quarter for the commitment, as in DAC.
        loss = F.mse_loss(projected, nearest.detach()) * 0.25 + F.mse_loss(nearest, projected.detach())
        # Straight through: the choice has no gradient, so that it is passed on as if nothing were chosen.
        passed = projected + (nearest - projected).detach()
        return self.out_proj(passed), codes, loss

    @torch.no_grad()
    def mend(self, residual: Tensor, codes: Tensor) -> int:
        """Count how long codes go unused, and put those that are dead where data are; return how many."""
        self.stale_counter += 1
        self.stale_counter[codes.unique()] = 0
        dead = (self.stale_counter >= STALE).nonzero()[:, 0]
        if len(dead):
            projected = self.in_proj(residual)
            self.codebook.weight[dead] = projected[torch.randint(len(projected), (len(dead),))]
            self.stale_counter[dead] = 0
        return len(dead)


class ResidualQuantizer(nn.Module):
    """Codebooks one after another, each on what the ones before leave unexplained (MuQ's Mel-RVQ).

    Parameters
    ----------
    codebooks : int
        How many.
    inputs : int
        Width of what is quantized: 512 for stacked mel.
    """

    def __init__(self, codebooks: int, inputs: int = STACKED) -> None:
        super().__init__()
        self.quantizers = nn.ModuleList(Codebook(inputs) for _ in range(codebooks))

    def explain(self, samples: Tensor, *, mend: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Map (sample, inputs) to the reconstruction, codes (sample, codebook) and the loss of the codes."""
        residual, codes, losses = samples, [], []
        for quantizer in self.quantizers:
            explained, chosen, loss = quantizer(residual)
            if mend:
                cast(Codebook, quantizer).mend(residual, chosen)
            residual = residual - explained
            codes.append(chosen)
            losses.append(loss)
        return samples - residual, torch.stack(codes, dim=-1), torch.stack(losses).sum()

    @torch.no_grad()
    def forward(self, stacked: Tensor) -> Tensor:
        """Map (batch, token, inputs) to codes (batch, token, codebook)."""
        return self.explain(stacked.flatten(0, 1))[1].unflatten(0, stacked.shape[:2])
