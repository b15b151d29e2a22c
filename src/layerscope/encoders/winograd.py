"""Convolutions of 3 x 3 with a quarter of the products: Winograd's F(4 x 4, 3 x 3), after Lavin and Gray 2016.

A tile of 6 x 6 pixels and the kernel are each transformed, multiplied place by place (36 products of matrices, channels
by channels, instead of 144), and transformed back to 4 x 4 pixels. PyTorch's library for CPUs multiplies all 144.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["convolve", "pays"]

#: Pixels of a tile's output and of its input; two more, because the kernel reaches one pixel to either side.
OUTPUT, TILE = 4, 6
#: Where the polynomials of Toom and Cook are evaluated, beside infinity. With 1/2 and -2, rounding loses less than with
#: 2 and -2, which are the usual ones (Barabasz et al. 2020, Error analysis and improving the accuracy of Winograd).
POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)
#: Tiles that are transformed at once: the processor's caches hold them, and products of matrices are still large.
TILES_AT_ONCE = 384
#: Of fewer channels, the transforms cost as much as the products that they save.
FEWEST_CHANNELS = 256


def powers(columns: int) -> Tensor:
    """Return the powers of each point, and of infinity, which is the highest alone: (TILE, columns), float64."""
    finite = torch.tensor(POINTS, dtype=torch.float64)[:, None] ** torch.arange(columns)
    infinity = torch.zeros(1, columns, dtype=torch.float64)
    infinity[0, -1] = 1
    return torch.cat([finite, infinity])


def of_both_axes(matrix: Tensor) -> Tensor:
    """Return the transform of a flattened square, given that of one axis."""
    return torch.kron(matrix.contiguous(), matrix.contiguous()).float()


#: Of input tiles (36, 36), kernels (36, 9) and products (16, 36). A correlation is the transpose of the product of
#: polynomials, hence the inverse of the input's powers.
INPUT_TRANSFORM = of_both_axes(torch.linalg.inv(powers(TILE)).T)
KERNEL_TRANSFORM = of_both_axes(powers(TILE - OUTPUT + 1))
OUTPUT_TRANSFORM = of_both_axes(powers(OUTPUT).T)


def pays(maps: Tensor, kernels: Tensor) -> bool:
    """Return whether `convolve` is the faster way to the same numbers: float32 on a CPU, and channels enough."""
    # Half precision has units of its own in new processors; libraries for GPUs choose such algorithms themselves.
    plain = maps.device.type == "cpu" and maps.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    # A graph that is exported is to hold for any size; strips are of the size at hand.
    return plain and min(kernels.shape[:2]) >= FEWEST_CHANNELS and not torch.compiler.is_compiling()


def convolve(maps: Tensor, kernels: Tensor, bias: Tensor) -> Tensor:
    """Return what ``conv2d(maps, kernels, bias, padding=1)`` does, but for rounding.

    Parameters
    ----------
    maps : Tensor, shape (batch, inputs, height, width), float32
    kernels : Tensor, shape (outputs, inputs, 3, 3), float32
    bias : Tensor, shape (outputs,), float32

    Returns
    -------
    Tensor, shape (batch, outputs, height, width), float32
        With channels last in memory.

    Examples
    --------
    >>> convolve(torch.ones(1, 1, 4, 5), torch.ones(1, 1, 3, 3), torch.zeros(1))[0, 0, 1].round().tolist()
    [6.0, 9.0, 9.0, 9.0, 6.0]
    """
    (batch, inputs, height, width), outputs = maps.shape, len(kernels)
    rows, columns = -(-height // OUTPUT), -(-width // OUTPUT)
    kernels = (KERNEL_TRANSFORM @ kernels.permute(2, 3, 1, 0).reshape(9, -1)).view(TILE**2, inputs, outputs)
    convolved = maps.new_empty(batch, rows, OUTPUT, columns, OUTPUT, outputs)
    step = max(1, TILES_AT_ONCE // (batch * columns))
    for row in range(0, rows, step):
        strip = convolved[:, row : row + step]
        # Negative padding cuts off what lies above and below the strip.
        above, below = 1 - OUTPUT * row, OUTPUT * (row + strip.shape[1]) + 1 - height
        pixels = F.pad(maps.permute(0, 2, 3, 1), (0, 0, 1, OUTPUT * columns + 1 - width, above, below))
        tiles = pixels.unfold(1, TILE, OUTPUT).unfold(2, TILE, OUTPUT).permute(4, 5, 0, 1, 2, 3)
        transformed = (INPUT_TRANSFORM @ tiles.reshape(TILE**2, -1)).view(TILE**2, -1, inputs)
        products = OUTPUT_TRANSFORM @ torch.bmm(transformed, kernels).view(TILE**2, -1)
        pieces = products.view(OUTPUT, OUTPUT, batch, strip.shape[1], columns, outputs)
        torch.add(pieces.permute(2, 3, 0, 4, 1, 5), bias, out=strip)
    whole = convolved.view(batch, rows * OUTPUT, columns * OUTPUT, outputs)
    return whole[:, :height, :width].permute(0, 3, 1, 2)
