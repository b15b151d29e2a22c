"""Adam for the mlp probe, with a learning rate that is halved where scores no longer rise; alone and in a stack."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

__all__ = ["Adam", "StackedAdam"]

#: What a score must exceed the best one by, as a share of it, in order to be better: `ReduceLROnPlateau`'s default.
RISE = 1e-4
#: Adam's own: shares of the running means that a step keeps, and what keeps a gradient of 0 from dividing.
BETAS, EPSILON = (0.9, 0.999), 1e-8


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
            beta1=BETAS[0], beta2=BETAS[1], lr=self.rate, weight_decay=0.0, eps=EPSILON, maximize=False,
        )  # fmt: skip

    def judge(self, score: float) -> None:
        """Halve the learning rate where scores have not risen for too long."""
        if score > self.best * (1 + RISE):
            self.best, self.without_rise = score, 0
        else:
            self.without_rise += 1
        if self.without_rise > self.patience:
            self.rate, self.without_rise = self.rate / 2, 0


class StackedAdam:
    """What an `Adam` for each of several trainings does, within rounding, in a few operations for all of them.

    Parameters
    ----------
    parameters : list of Tensor, shape (training, …)
        What is trained, on any device; changed in place.
    rates : sequence of float
        Learning rate of each training.
    patience : int
        See `Adam`.
    """

    def __init__(self, parameters: list[Tensor], rates: Sequence[float], patience: int) -> None:
        self.parameters, self.patience, self.steps = parameters, patience, 0
        self.means = [torch.zeros_like(parameter) for parameter in parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in parameters]
        self.rates = torch.tensor(rates, dtype=torch.float64)
        self.best = torch.full_like(self.rates, -math.inf)
        self.without_rise = torch.zeros_like(self.rates)
        self.negative_rates = self.sent()

    def sent(self) -> Tensor:
        """Return minus the rates, where the parameters are."""
        return -self.rates.to(self.parameters[0])

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Take a step of every training."""
        self.steps += 1
        unbiased, root = 1 - BETAS[0] ** self.steps, math.sqrt(1 - BETAS[1] ** self.steps)
        moments = zip(self.parameters, gradients, self.means, self.squares, strict=True)
        for parameter, gradient, mean, square in moments:
            mean.lerp_(gradient, 1 - BETAS[0])
            square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            # mean / unbiased over square ** 0.5 / root + epsilon, without a pass over memory for each division.
            change = torch.div(mean, square.sqrt().add_(EPSILON * root))
            parameter.addcmul_(change, over(self.negative_rates, change), value=root / unbiased)

    def judge(self, scores: Sequence[float]) -> None:
        """Halve the learning rates of trainings whose scores have not risen for too long."""
        now = torch.tensor(scores, dtype=torch.float64)
        rises = now > self.best * (1 + RISE)
        self.best = torch.where(rises, now, self.best)
        self.without_rise = torch.where(rises, 0, self.without_rise + 1)
        halved = self.without_rise > self.patience
        self.rates[halved] /= 2
        self.without_rise[halved] = 0
        self.negative_rates = self.sent()

    def take(self, places: Sequence[int]) -> None:
        """Go on with some of the trainings."""
        rows = torch.tensor(places)
        self.rates, self.best, self.without_rise = self.rates[rows], self.best[rows], self.without_rise[rows]
        there = rows.to(self.parameters[0].device)
        for tensors in (self.parameters, self.means, self.squares):
            # One after the other, so that no two need be there twice.
            for number, tensor in enumerate(tensors):
                tensors[number] = tensor[there]
        self.negative_rates = self.sent()


def over(values: Tensor, tensor: Tensor) -> Tensor:
    """Return a number a training in a shape that counts for all numbers of the training."""
    return values.view(-1, *[1] * (tensor.ndim - 1))
