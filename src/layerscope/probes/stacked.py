"""Many trainings of the mlp at once, on a GPU: each product of theirs is one of a stack.

A training of a few thousand clips multiplies matrices that are too small for a GPU. The trainings of a task differ in
their states, learning rate and seed; clips and targets they share, so that a step of all of them is a batched product.
Each has its own learning rate and stops for itself. What comes out is what the loop of `fit_mlp` gives, within
rounding: the random numbers are the same ones, drawn on the CPU in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import joblib
import numpy as np
import torch
from torch import Tensor

from layerscope.encoders.device import computing, upload
from layerscope.errors import ResourceError
from layerscope.features.row_blocks import Rows, row_blocks
from layerscope.probes.adam import StackedAdam
from layerscope.probes.mlp import DROPOUT, HIDDEN, LEARNING_RATES, MLP, Validation, batch_size, prediction_of
from layerscope.probes.problem import Prediction, Problem, loss_of, mixture_size, target_tensor
from layerscope.scores.layer_selection import choose

__all__ = ["fit_stacked", "problems_at_once"]

#: Of a device's free memory, what trainings may take: torch and its libraries need some besides.
SHARE = 0.7
#: Times that memory holds a parameter: itself, gradient, two moments, the best epoch's, and what a step makes of them.
COPIES = 8
#: Numbers of states, and of outputs, of all trainings that are looked at at once: 256 MB.
NUMBERS = 2**26
#: 4 bytes of a float32.
FLOAT32 = 4


@dataclass(frozen=True)
class Training:
    """One of a stack: the number of its problem, its learning rate and its seed."""

    place: int
    rate: float
    seed: int


def problems_at_once(shape: Sequence[int], outputs: int, train: int, seeds: int, device: torch.device) -> int:
    """Return of how many problems the states and trainings fit in a device's memory at once, one at least.

    Parameters
    ----------
    shape : sequence of int
        Of the states of a problem.
    outputs, train, seeds : int
        Classes, tags or dimensions; training windows; seeds.
    device : torch.device
        Which.
    """
    numbers = int(np.prod(shape[1:]))
    parameters = HIDDEN * (shape[-1] + outputs + 1) + outputs
    # A batch of states, gathered and with what a mixture makes of them, and the hidden layer and what led to it.
    step = batch_size(train) * (3 * numbers + 8 * HIDDEN)
    trainings = max(len(LEARNING_RATES), seeds)
    size = FLOAT32 * (shape[0] * numbers + trainings * (COPIES * parameters + step))
    # Twice what is looked at at once: as it is gathered, and as a mixture or the hidden layer makes of it.
    return max(1, int((room(device) - 2 * FLOAT32 * NUMBERS) // size))


def room(device: torch.device) -> float:
    """Return the bytes of a device that trainings may take."""
    if device.type != "cuda":
        return 1e9
    torch.cuda.empty_cache()  # so that what torch keeps of earlier stacks counts as free
    return SHARE * torch.cuda.mem_get_info(device)[0]


def fit_stacked(problems: Sequence[Problem], seeds: Sequence[int], device: torch.device) -> list[list[Prediction]]:
    """Train a probe for each problem and seed, as `fit_mlp` does for one after the other.

    Parameters
    ----------
    problems : sequence of Problem
        They differ in their states, which have one shape, and in nothing else; no settings are held.
    seeds : sequence of int
        See `fit_mlp`.
    device : torch.device
        Where they are trained.

    Returns
    -------
    list of list of Prediction, one a problem and seed

    Raises
    ------
    ResourceError
        If the device does not hold a single training.
    """
    with computing(device, "float32"):
        stack = Stack(problems, device)
        grids = [[Training(place, rate, seeds[0]) for rate in LEARNING_RATES] for place in range(len(problems))]
        grid = [training for of_problem in grids for training in of_problem]
        tries = dict(zip(grid, stack.train(grid), strict=True))
        best = [choose(of_problem, lambda training: tries[training].rank).chosen for of_problem in grids]
        others = [Training(training.place, training.rate, seed) for training in best for seed in seeds[1:]]
        ends = {training: tries[training] for training in best} | dict(zip(others, stack.train(others), strict=True))
        return [
            [stack.prediction(training, ends[Training(training.place, training.rate, seed)]) for seed in seeds]
            for training in best
        ]


@dataclass
class End:
    """A training's best epoch: its rank, its number, and the parameters, on the CPU."""

    rank: tuple[float, float]
    epoch: int
    parameters: dict[str, Tensor]


class Stack:
    """Problems on a device, and their trainings.

    Parameters
    ----------
    problems, device
        See `fit_stacked`.
    """

    def __init__(self, problems: Sequence[Problem], device: torch.device) -> None:
        self.problems, self.device = problems, device
        first = problems[0]
        self.states = States([problem.standardised() for problem in problems], device)
        self.outputs, self.layers = len(first.labels.names), mixture_size(first.states)
        targets, _ = target_tensor(first)
        self.train_rows = torch.from_numpy(first.windows_of(first.train))
        self.valid_rows = torch.from_numpy(first.windows_of(first.valid))
        self.wanted = targets[torch.from_numpy(first.window_clip)[self.train_rows]].to(device)
        self.validation = Validation(first)

    def train(self, trainings: Sequence[Training]) -> list[End]:
        """Train as many at once as memory holds, and return the best epoch of each."""
        ends: list[End] = []
        most = len(trainings)
        while len(ends) < len(trainings):
            # Tried again here, and not while the error is handled, which holds on to what filled the memory.
            if (together := self.attempt(trainings[len(ends) : len(ends) + most])) is None:
                most = -(-most // 2)
                torch.cuda.empty_cache()
            else:
                ends += together
        return ends

    def attempt(self, trainings: Sequence[Training]) -> list[End] | None:
        """Train together, or return None where memory does not hold all of them."""
        try:
            return Together(self, trainings).train()
        except torch.OutOfMemoryError as error:
            if len(trainings) == 1:
                raise ResourceError(
                    f"{self.device} has no memory for a single training of {self.states.shape[-1]:,} columns; end what "
                    "else uses it, or give --device cpu: what is encoded and trained is kept"
                ) from error
        return None

    @torch.inference_mode()
    def prediction(self, training: Training, end: End) -> Prediction:
        """Return what a training says of all windows of its problem."""
        parameters = {name: value[None].to(self.device) for name, value in end.parameters.items()}
        windows = torch.arange(self.states.shape[0])[None]
        blocks = self.states.blocks([training.place], windows, self.rows_at_once(1))
        outputs = torch.cat([outputs_of(parameters, states)[0].cpu() for states in blocks]).numpy()
        return prediction_of(self.problems[training.place], end.parameters, outputs, training.rate, end.epoch)

    def rows_at_once(self, trainings: int) -> int:
        """Return how many rows so many trainings may look at at once."""
        return max(1, NUMBERS // (trainings * max(HIDDEN, int(np.prod(self.states.shape[1:])))))


class States:
    """Standardised states of several problems: on a device where it has room for them, else sent row by row.

    Parameters
    ----------
    states : sequence of ndarray or LazyRows, shape (window, …)
        One a problem.
    device : torch.device
        Where to.
    """

    def __init__(self, states: Sequence[Rows], device: torch.device) -> None:
        self.states, self.device, self.shape = states, device, states[0].shape
        self.sent: Tensor | None = None
        if FLOAT32 * len(states) * float(np.prod(self.shape)) <= room(device):
            self.sent = torch.empty((len(states), *self.shape), device=device)
            for place, rows in enumerate(states):
                for block in row_blocks(self.shape):
                    self.sent[place, block] = upload(torch.from_numpy(rows[block]), device)

    def blocks(self, places: Sequence[int], rows: Tensor, size: int) -> Iterator[Tensor]:
        """Yield rows of problems on the device, (place, size, …), of a table of them on the CPU, (place, row)."""
        if self.sent is not None:
            problems = torch.tensor(places, device=self.device)[:, None]
            for block in rows.to(self.device).split(size, dim=1):
                yield self.sent[problems, block]
            return
        for block in rows.split(size, dim=1):
            taken = [self.states[place][of_place.numpy()] for place, of_place in zip(places, block, strict=True)]
            yield upload(torch.from_numpy(np.stack(taken)), self.device)


class Draws:
    """The random numbers of a seed, as the loop draws them: first weights, then by epoch the order and the dropout."""

    def __init__(self, seed: int, stack: Stack) -> None:
        self.rows = len(stack.train_rows)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.parameters = MLP(stack.states.shape[-1], stack.outputs, stack.layers).state_dict()
            self.generator = torch.Generator()
            self.generator.set_state(torch.get_rng_state())

    def epoch(self) -> tuple[Tensor, Tensor]:
        """Return the order of the training windows, and which hidden units are kept of each, (window, unit)."""
        order = torch.randperm(self.rows, generator=self.generator)
        kept = torch.empty((self.rows, HIDDEN), dtype=torch.bool)
        for batch in kept.split(batch_size(self.rows)):
            batch.copy_(torch.empty(batch.shape).bernoulli_(1 - DROPOUT, generator=self.generator))
        return order, kept


class Together:
    """Trainings that take their steps together, and leave one by one.

    Parameters
    ----------
    stack : Stack
        Of what.
    trainings : sequence of Training
        Which.
    """

    def __init__(self, stack: Stack, trainings: Sequence[Training]) -> None:
        self.stack, self.live = stack, list(trainings)
        self.draws = {training.seed: Draws(training.seed, stack) for training in trainings}
        first = [self.draws[training.seed].parameters for training in trainings]
        self.names = list(first[0])
        parameters = [torch.stack([each[name] for each in first]).to(stack.device) for name in self.names]
        self.kept = [parameter.clone() for parameter in parameters]
        rates = [training.rate for training in trainings]
        self.optimizer = StackedAdam(parameters, rates, stack.problems[0].schedule.halve_after)
        self.places = list(range(len(trainings)))
        self.ranks = [(-np.inf, -np.inf)] * len(trainings)
        self.epochs = [0] * len(trainings)
        self.pair_up()

    def pair_up(self) -> None:
        """Find which trainings see the same states in the same order."""
        self.pairs = sorted({(training.place, training.seed) for training in self.live})
        numbers = {pair: number for number, pair in enumerate(self.pairs)}
        self.seeds = sorted({training.seed for training in self.live})
        device = self.stack.device
        self.pair_of = torch.tensor([numbers[training.place, training.seed] for training in self.live], device=device)
        self.seed_of = torch.tensor([self.seeds.index(training.seed) for training in self.live], device=device)

    def train(self) -> list[End]:
        """Train until all have stopped; return the best epoch of each."""
        schedule = self.stack.problems[0].schedule
        draws = self.drawn()
        with ThreadPoolExecutor(joblib.cpu_count()) as threads:
            for epoch in range(1, schedule.epochs + 1):
                self.run_epoch(draws)
                # While the device computes, which is asked for nothing before `validate`.
                draws = self.drawn()
                ranks = self.validate(threads)
                self.optimizer.judge([score for score, _ in ranks])
                self.keep_better(epoch, ranks)
                staying = [
                    row for row, place in enumerate(self.places) if epoch - self.epochs[place] < schedule.stop_after
                ]
                if not staying:
                    break
                draws = self.leave_only(staying, draws)
        cpu = [kept.cpu() for kept in self.kept]
        return [
            End(self.ranks[place], self.epochs[place], {name: cpu[n][place] for n, name in enumerate(self.names)})
            for place in range(len(self.ranks))
        ]

    def drawn(self) -> dict[int, tuple[Tensor, Tensor]]:
        """Return the order and dropout of an epoch, by seed; the dropout is on the device."""
        epochs = {seed: self.draws[seed].epoch() for seed in self.seeds}
        return {seed: (order, upload(kept, self.stack.device)) for seed, (order, kept) in epochs.items()}

    def run_epoch(self, draws: dict[int, tuple[Tensor, Tensor]]) -> None:
        """Take one step for each batch of the training windows."""
        orders = torch.stack([draws[seed][0] for seed in self.seeds])
        rows = {seed: self.stack.train_rows[order] for seed, order in zip(self.seeds, orders, strict=True)}
        size = batch_size(orders.shape[1])
        places, table = [place for place, _ in self.pairs], torch.stack([rows[seed] for _, seed in self.pairs])
        for states, order, kept in zip(
            self.stack.states.blocks(places, table, size),
            orders.to(self.stack.device).split(size, dim=1),
            torch.stack([draws[seed][1] for seed in self.seeds]).split(size, dim=1),
            strict=True,
        ):
            dropout = kept.to(states.dtype) / (1 - DROPOUT)
            wanted = self.stack.wanted[order]
            self.step(states[self.pair_of], dropout[self.seed_of], wanted[self.seed_of])

    def step(self, states: Tensor, dropout: Tensor, wanted: Tensor) -> None:
        """Take a step of each training, on (training, window, …)."""
        parameters = [parameter.detach().requires_grad_() for parameter in self.optimizer.parameters]
        outputs = outputs_of(dict(zip(self.names, parameters, strict=True)), states, dropout)
        form = self.stack.problems[0].labels.kind.form
        # The mean over all is a share of the sum of each one's mean, as all have as many windows.
        loss = len(states) * loss_of(form, outputs.flatten(0, 1), wanted.flatten(0, 1))
        self.optimizer.step(torch.autograd.grad(loss, parameters))

    @torch.inference_mode()
    def validate(self, threads: ThreadPoolExecutor) -> list[tuple[float, float]]:
        """Return the rank of each training on the validation clips."""
        rows = self.stack.valid_rows
        together = max(1, NUMBERS // (max(1, len(rows)) * self.stack.outputs))
        ranks: list[tuple[float, float]] = []
        for first in range(0, len(self.live), together):
            some = slice(first, first + together)
            parameters = {name: each[some] for name, each in zip(self.names, self.optimizer.parameters, strict=True)}
            places = [training.place for training in self.live[some]]
            blocks = self.stack.states.blocks(
                places, rows.expand(len(places), -1), self.stack.rows_at_once(len(places))
            )
            outputs = torch.cat([outputs_of(parameters, states).cpu() for states in blocks], dim=1)
            # Sorting, which ranking metrics spend their time with, releases the interpreter's lock.
            ranks += threads.map(self.stack.validation.rank, outputs.numpy())
        return ranks

    def keep_better(self, epoch: int, ranks: Sequence[tuple[float, float]]) -> None:
        """Keep the parameters of trainings that validation likes better than ever."""
        better = [row for row, place in enumerate(self.places) if ranks[row] > self.ranks[place]]
        for row in better:
            self.ranks[self.places[row]], self.epochs[self.places[row]] = ranks[row], epoch
        if better:
            rows = torch.tensor(better, device=self.stack.device)
            places = torch.tensor([self.places[row] for row in better], device=self.stack.device)
            for kept, parameter in zip(self.kept, self.optimizer.parameters, strict=True):
                kept[places] = parameter[rows]

    def leave_only(
        self, staying: Sequence[int], draws: dict[int, tuple[Tensor, Tensor]]
    ) -> dict[int, tuple[Tensor, Tensor]]:
        """Go on with some of the trainings; return what is drawn for them."""
        if len(staying) < len(self.live):
            self.live, self.places = [self.live[row] for row in staying], [self.places[row] for row in staying]
            self.optimizer.take(staying)
            self.pair_up()
        return {seed: draws[seed] for seed in self.seeds}


def outputs_of(parameters: dict[str, Tensor], states: Tensor, dropout: Tensor | None = None) -> Tensor:
    """Return what `MLP` does, of each training: states (training, window, …) to outputs (training, window, output)."""
    if "mixture" in parameters:
        states = torch.einsum("tnld,tl->tnd", states, parameters["mixture"].softmax(dim=1))
    hidden = torch.baddbmm(parameters["hidden.bias"][:, None], states, parameters["hidden.weight"].mT).relu()
    if dropout is not None:
        hidden = hidden * dropout
    return torch.baddbmm(parameters["output.bias"][:, None], hidden, parameters["output.weight"].mT)
