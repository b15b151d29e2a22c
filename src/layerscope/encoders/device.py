"""Where networks compute and how precisely, and what crosses between there and the CPU.

Precisions: ``float32`` everywhere; ``tf32``, in which an NVIDIA GPU rounds the factors of products to 10 bits after the
point; ``bf16``, in which matrix products and convolutions take and give 7 bits, by torch's autocast: weights, spectra
and the sum that every block adds to stay float32, and so does what norms and softmax reckon with inside.
"""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from layerscope.errors import UsageError

__all__ = [
    "MOST_BATCH_SECONDS",
    "PRECISIONS",
    "Arriving",
    "bfloat16_products",
    "computing",
    "device_label",
    "find_device",
    "refuse_batch_seconds",
    "refuse_precision",
    "tf32_products",
    "upload",
    "wait_for",
]

PRECISIONS = ("float32", "tf32", "bf16")
#: Other names of float16, whose largest number is 65,504.
HALF = ("float16", "fp16", "half", "f16")
#: The first NVIDIA GPUs (Ampere) that multiply in tf32 and bf16.
AMPERE = (8, 0)
#: Audio that is encoded at once, at most: twelve days, which no memory holds.
MOST_BATCH_SECONDS = 1e6


def find_device(name: str | torch.device) -> torch.device:
    """Return the device of a name.

    Parameters
    ----------
    name : str or torch.device
        ``auto`` (CUDA where there is one, then MPS, then the CPU), ``cpu``, ``cuda``, ``cuda:n`` or ``mps``.

    Raises
    ------
    UsageError
        If there is no such device here, saying what there is.

    Examples
    --------
    >>> find_device("cpu")
    device(type='cpu')
    """
    devices, name = devices_here(), str(name)
    if name == "auto":
        return torch.device(next(iter(devices)))
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise UsageError(f"device '{name}' is none; give auto, cpu, cuda, cuda:n or mps")
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in devices:
        here = ", ".join(device_label(torch.device(device)) for device in devices)
        raise UsageError(f"device '{name}' is not there; this machine, as torch sees it, has {here}")
    return torch.device(wanted)


def devices_here() -> list[str]:
    """Return the names of the devices of this machine, the fastest first."""
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return [*gpus, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]


def device_label(device: torch.device) -> str:
    """Return a device as people know it: ``cuda:0 (NVIDIA H100 80GB HBM3)``.

    Examples
    --------
    >>> device_label(torch.device("cpu"))
    'cpu'
    """
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def refuse_precision(precision: str, device: torch.device) -> None:
    """Raise where a device does not compute so.

    Raises
    ------
    UsageError
        For what is no precision, for float16, and for one that the device lacks.

    Examples
    --------
    >>> refuse_precision("bf16", torch.device("cpu"))
    """
    if precision in HALF:
        raise UsageError(
            f"precision '{precision}': states of MuQ and MusicFM exceed 65,504, the largest number of float16, and "
            "become infinite; bf16 takes as much memory and has the range of float32"
        )
    if precision not in PRECISIONS:
        raise UsageError(f"precision '{precision}' is none; give {', '.join(PRECISIONS)}")
    cuda = device.type == "cuda" and torch.version.cuda is not None
    ampere = cuda and torch.cuda.get_device_capability(device) >= AMPERE
    if precision == "tf32" and not ampere:
        raise UsageError(
            f"precision 'tf32' is of NVIDIA GPUs from Ampere on (A100, RTX 30), not of {device_label(device)}; give "
            "float32, or bf16"
        )
    # Older ones emulate it, slower than float32.
    if precision == "bf16" and cuda and not ampere:
        raise UsageError(f"precision 'bf16': {device_label(device)} has none (Ampere and later have); give float32")
    if precision == "bf16" and not torch.amp.is_autocast_available(device.type):
        raise UsageError(f"precision 'bf16': torch {torch.__version__} has none on {device}; give float32")


def refuse_batch_seconds(seconds: Any) -> None:
    """Raise for what is no length of audio that is encoded at once; none is as long as it is by default.

    Examples
    --------
    >>> refuse_batch_seconds(0.0)
    Traceback (most recent call last):
    layerscope.errors.UsageError: batch_seconds is 0.0; give seconds of audio above 0, up to 1e+06
    """
    if seconds is None:
        return
    # By type too: true is no second.
    known = isinstance(seconds, numbers.Real) and not isinstance(seconds, bool)
    if not (known and 0 < float(seconds) <= MOST_BATCH_SECONDS):
        raise UsageError(f"batch_seconds is {seconds!r}; give seconds of audio above 0, up to {MOST_BATCH_SECONDS:g}")


@contextmanager
def computing(device: torch.device, precision: str) -> Iterator[None]:
    """Have networks compute in a precision, whatever the caller's own settings are."""
    # torch multiplies convolutions in tf32 on a GPU unless it is told not to: float32 would not be what it says.
    products = tf32_products(allowed=precision == "tf32") if device.type == "cuda" else nullcontext()
    # Autocast and no network in bfloat16: the sum that each block adds to would lose the digits of what is added.
    # Disabled for the others too, for the caller may have enabled it.
    with products, bfloat16_products(device, allowed=precision == "bf16"):
        yield


def bfloat16_products(device: torch.device, *, allowed: bool) -> AbstractContextManager[Any]:
    """Allow or forbid that networks multiply in bfloat16 on a device."""
    # Some have none to forbid, such as "meta", where a network is only counted.
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16, enabled=allowed)


@contextmanager
def tf32_products(*, allowed: bool) -> Iterator[None]:
    """Allow or forbid that CUDA rounds the factors of matrix products and convolutions to tf32."""
    matrices, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matrices.allow_tf32, convolutions.allow_tf32
    matrices.allow_tf32 = convolutions.allow_tf32 = allowed
    try:
        yield
    finally:
        matrices.allow_tf32, convolutions.allow_tf32 = before


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device; from pinned memory, so that nobody waits for the copy."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def wait_for(device: torch.device) -> None:
    """Return when a device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class Arriving:
    """Tensors on their way to the CPU, while their device goes on computing.

    Parameters
    ----------
    tensors : mapping of str to sequence of Tensor
        All on one device, by name the parts of what is written as one.

    Examples
    --------
    >>> Arriving({"a": [torch.arange(3), torch.arange(2)]}).arrays()
    {'a': [array([0, 1, 2]), array([0, 1])]}
    """

    def __init__(self, tensors: Mapping[str, Sequence[Tensor]]) -> None:
        device = next(iter(tensors.values()))[0].device
        self.stream: torch.cuda.Stream | None = None
        if device.type != "cuda":
            # MPS shares its memory with the CPU, and hands out unfinished copies where nobody waits.
            self.copies = {name: [part.cpu() for part in parts] for name, parts in tensors.items()}
            return
        # A stream of its own, so that the copies run beside what is computed next; torch pins where they go.
        self.stream = torch.cuda.Stream(device)
        self.stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self.stream):
            self.copies = {
                name: [part.to("cpu", non_blocking=True) for part in parts] for name, parts in tensors.items()
            }
        for parts in tensors.values():
            for part in parts:
                part.record_stream(self.stream)  # their memory may be given away only after the copy

    def arrays(self) -> dict[str, list[NDArray[Any]]]:
        """Return the arrays, once all of them are there."""
        if self.stream is not None:
            self.stream.synchronize()
        return {name: [part.numpy() for part in parts] for name, parts in self.copies.items()}
