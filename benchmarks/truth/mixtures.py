"""Whether `weighted` finds the mixture of layers that the targets were made of, and what its several starts gain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.truth.tables import judge, table
from layerscope.probes.convex_solver import Regression
from layerscope.probes.linear import PENALTIES, fit_linear
from layerscope.probes.linear_mixture import solve_mixture, tied_mixtures
from layerscope.probes.mlp import fit_mlp
from layerscope.probes.problem import Problem
from layerscope.targets import kind_named
from layerscope.targets.kind import Labels

CLIPS, DIM, OUTPUTS = 600, 12, 3
#: How far a share that `linear` learns may lie from the planted one, and the weight that an mlp is to give the planted
#: layers: its softmax stops early, before a layer has all.
NEAR, MOST = 0.1, 0.5
PLANTED = ((0.0, 0.0, 1.0, 0.0), (0.0, 0.5, 0.0, 0.5), (0.25, 0.25, 0.25, 0.25))


def planted(shares: tuple[float, ...], seed: int) -> Problem:
    """Return a problem whose classes follow from a mixture of layers, each of which is noise."""
    random = np.random.default_rng(seed)
    states = random.normal(size=(CLIPS, len(shares), DIM)).astype(np.float32)
    hidden = np.einsum("nld,l->nd", states, shares) / np.linalg.norm(shares)
    signal = hidden @ random.normal(size=(DIM, OUTPUTS)) + 0.3 * random.normal(size=(CLIPS, OUTPUTS))
    labels = Labels(kind_named("classes"), tuple(map(str, range(OUTPUTS))), signal.argmax(axis=1))
    parts = np.split(random.permutation(CLIPS), [int(0.6 * CLIPS), int(0.8 * CLIPS)])
    return Problem(states, np.arange(CLIPS), labels, *parts)


def shares_of(shares: tuple[float, ...], seed: int) -> list[NDArray[np.float64]]:
    """Return what the linear probe and the mlp find."""
    problem = planted(shares, seed)
    return [np.array(fit(problem, [0])[0].mixture) for fit in (fit_linear, fit_mlp)]


def losses(seed: int, penalty: float) -> tuple[float, float, float]:
    """Return the loss of the mixture, and those of equal shares and of the best single layer, each solved exactly."""
    problem = planted((0.2, 0.5, 0.3), seed)
    inputs = torch.from_numpy(problem.standardised()).double()[problem.train]
    regression = Regression(inputs, torch.from_numpy(problem.labels.values)[problem.train], "classes", OUTPUTS)
    found = solve_mixture(regression, penalty, tied_mixtures(regression))
    fixed = []
    for states in (inputs.mean(dim=1), *inputs.unbind(dim=1)):
        alone = replace(regression, inputs=states)
        fixed.append(alone.objective(penalty)(alone.solve(penalty, alone.zeros()).x)[0])
    return regression.objective(penalty)(found)[0], fixed[0], min(fixed[1:])


def main() -> None:
    """Print both tables."""
    errors: dict[str, float] = {}
    weights: dict[str, float] = {}
    rows = []
    for shares in PLANTED:
        linear, mlp = shares_of(shares, 0)
        planted_shares = " ".join(f"{share:.2f}" for share in shares)
        errors[planted_shares] = float(np.abs(linear - shares).max())
        weights[planted_shares] = float(mlp[np.array(shares) > 0].sum())
        rows.append([planted_shares, *(" ".join(f"{share:.2f}" for share in each) for each in (linear, mlp))])
    table(f"Planted mixtures of four layers, {CLIPS} clips.", ["planted", "linear", "mlp"], rows)
    judge(f"every share of linear lies within {NEAR:g} of the planted one", errors, high=NEAR)
    judge(f"an mlp gives the planted layers more than {100 * MOST:.0f} % of the weight", weights, MOST)
    told = {penalty: losses(0, penalty) for penalty in PENALTIES}
    table(
        "Penalised loss of the learned mixture on the training clips, and of mixtures that are fixed.",
        ["penalty", "learned", "equal shares", "best single layer"],
        ([f"{penalty:g}", *(f"{loss:.4f}" for loss in each)] for penalty, each in told.items()),
    )
    above = {f"penalty {penalty:g}": each[0] - min(each[1:]) for penalty, each in told.items()}
    judge("the learned mixture's is the lowest", above, high=1e-6)
