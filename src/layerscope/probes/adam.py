"""Adam for the mlp probe, with a learning rate that is halved where scores no longer rise."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim.adamw import adamw

__all__ = ["Adam"]

#: What a score must exceed the best one by, as a share of it, in order to be better: `ReduceLROnPlateau`'s default.
RISE = 1e-4


class Adam:
    """What `torch.optim.AdamW` without decay and `ReduceLROnPlateau` do, to the last bit.

    Those import torch's compiler as soon as they are made, which costs every worker time and memory.

    Parameters
    ----------
    parameters : iterable of Parameter
        What is trained.
    rate : float
        Learning rate.
    patience : int
        Scores without a rise after which the next one halves the rate.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float, patience: int) -> None:
        self.parameters = list(parameters)
        self.rate, self.patience = rate, patience
        self.means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.steps = [torch.zeros((), device=parameter.device) for parameter in self.parameters]
        self.best, self.without_rise = -math.inf, 0

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take a step, for which every parameter must have a gradient."""
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        # Without decay AdamW is Adam (docs/decisions.md).
        adamw(
            [*self.parameters], gradients, self.means, self.squares, [], self.steps, fused=True, amsgrad=False,
            beta1=0.9, beta2=0.999, lr=self.rate, weight_decay=0.0, eps=1e-8, maximize=False,
        )  # fmt: skip

    def judge(self, score: float) -> None:
        """Halve the learning rate where scores have not risen for too long."""
        if score > self.best * (1 + RISE):
            self.best, self.without_rise = score, 0
        else:
            self.without_rise += 1
        if self.without_rise > self.patience:
            self.rate, self.without_rise = self.rate / 2, 0
