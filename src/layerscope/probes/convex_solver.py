"""What the linear probe solves: the penalised loss and its gradient, the basis in which that is small, the solution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from torch import Tensor

from layerscope.features.row_blocks import LazyRows, Rows, row_blocks
from layerscope.probes.problem import loss_of
from layerscope.targets.kind import Form

__all__ = [
    "ITERATIONS", "MANY", "TOLERANCES", "Regression", "basis_of_rank", "linear_scores", "shares",
]  # fmt: skip

ITERATIONS = 5000
#: Largest gradient and relative gain at which a solution is taken as converged; frames, many and alike, need less, and
#: single precision does (a test holds both to scikit-learn).
TOLERANCES = (1e-8, 1e-15)
FRAME_TOLERANCES = (1e-4, 1e-7)
#: Windows above which single precision does: double takes many times as long (docs/decisions.md).
MANY = 10_000
#: Multiplications that one penalty's solution may take, about ten minutes of a core: beyond, the last iteration stands.
#: A layer of 1024 on 270,000 windows and 87 tags may so take 400 iterations, several times what it needs.
WORK = 2e13
FEWEST_ITERATIONS = 20


def basis_of_rank(trained: Rows) -> NDArray[np.float64] | None:
    """Return an orthonormal basis of the training windows, (dim, rank), where these are fewer than the columns.

    With a layer axis every layer's states count as windows.
    The penalised optimum lies in their span and the penalty does not see a rotation, so that the solution is the
    same and its size that of the data (the representer theorem).
    """
    columns = trained.shape[-1]
    if int(np.prod(trained.shape[:-1])) >= columns:
        return None
    basis: NDArray[np.float64] = np.linalg.qr(trained[:].reshape(-1, columns).astype(np.float64).T)[0]
    return basis


def linear_scores(parameters: Tensor, inputs: Tensor, outputs: int) -> Tensor:
    """Return scores (window, output) for a vector of parameters."""
    dim = inputs.shape[-1]
    weights = parameters[: dim * outputs].view(dim, outputs)
    intercepts = parameters[dim * outputs : (dim + 1) * outputs]
    if inputs.ndim == 3:
        inputs = torch.einsum("nld,l->nd", inputs, shares(parameters[(dim + 1) * outputs :]))
    return inputs @ weights + intercepts


def shares(amounts: Tensor) -> Tensor:
    """Return amounts, none negative, as shares: other than of a softmax, a layer of none can come back."""
    return amounts / amounts.sum()


Objective = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]


@dataclass(frozen=True)
class Regression:
    """Targets to be predicted of standardised states by linear scores, whose weights are penalised.

    Attributes
    ----------
    inputs : Tensor or LazyRows, shape (window, dim) or (window, layer, dim), float64, or float32 where there are many
        Standardised. With a layer axis the problem is no longer convex, and what is found depends on the start.
    targets : Tensor
        As `loss_of` takes them.
    form : {"classes", "tags", "values"}
        Which loss: cross-entropy, the sum over tags of binary cross-entropy, half the squared error.
    outputs : int
        Classes, tags or dimensions.
    """

    inputs: Tensor | LazyRows
    targets: Tensor
    form: Form
    outputs: int

    @property
    def layers(self) -> int:
        """Return how many layers are mixed, 0 where there is no mixture."""
        return self.inputs.shape[1] if len(self.inputs.shape) == 3 else 0

    @property
    def iterations(self) -> int:
        """Return how many iterations a solution may take."""
        affordable = WORK / (2 * float(np.prod(self.inputs.shape)) * self.outputs)
        return int(min(ITERATIONS, max(FEWEST_ITERATIONS, affordable)))

    def zeros(self) -> NDArray[np.float64]:
        """Return weights and intercepts to start from, without shares of layers: of 0 each they would have no sum."""
        return np.zeros((self.inputs.shape[-1] + 1) * self.outputs)

    def objective(self, penalty: float) -> Objective:
        """Return the function that `solve` minimises: parameters to the penalised loss and its gradient."""
        inputs, outputs, form = self.inputs, self.outputs, self.form
        weights = inputs.shape[-1] * outputs
        many = torch.float64 if len(inputs) <= MANY else torch.float32
        precision = inputs.dtype if isinstance(inputs, Tensor) else many
        wanted = self.targets if form == "classes" else self.targets.to(precision)
        # Sums over tags and dimensions make them separate problems, each with the same penalty.
        # `loss_of` averages over outputs, hence the product; half the squared error is what is promised above.
        factor = {"classes": 1.0, "tags": float(outputs), "values": outputs / 2}[form]

        def objective(vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            parameters = torch.from_numpy(vector).to(precision).requires_grad_()
            value, gradient = 0.0, np.zeros(len(vector))
            for block in row_blocks(inputs.shape):
                rows = torch.as_tensor(inputs[block]).to(precision)
                # `loss_of` is the mean of a block.
                share = len(rows) / len(inputs)
                loss = share * factor * loss_of(form, linear_scores(parameters, rows, outputs), wanted[block])
                if not block.start:
                    # Neither intercepts nor shares are penalised: both stand behind the weights.
                    loss = loss + penalty / 2 * parameters[:weights].square().sum()
                value += float(loss.detach())
                # L-BFGS itself works in float64, also where the loss is single.
                gradient += torch.autograd.grad(loss, parameters)[0].double().numpy()
            return value, gradient

        return objective

    def solve(self, penalty: float, start: NDArray[np.float64], *, roughly: bool = False) -> OptimizeResult:
        """Minimise the penalised loss by L-BFGS.

        Parameters
        ----------
        penalty : float
            Of the weights, above 0.
        start : ndarray
            Parameters to start from.
        roughly : bool
            Stop where frames would.

        Returns
        -------
        OptimizeResult
            SciPy's; ``x`` are the parameters.
        """
        gradient, gain = TOLERANCES if len(self.inputs) <= MANY and not roughly else FRAME_TOLERANCES
        layers, most = self.layers, self.iterations
        return minimize(
            self.objective(penalty),
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(None, None)] * (len(start) - layers) + [(0.0, None)] * layers if layers else None,
            options={"maxiter": most, "maxfun": 2 * most, "gtol": gradient, "ftol": gain, "maxcor": 30},
        )
