"""The cut encoder and its probe as one ONNX file, for places without torch: phones, browsers, plug-ins, C++.

It takes ``waveform``, (batch, samples) at the encoder's rate, of one window's length at most, and gives ``scores``,
(batch, output): what `apply_probe` says of the means over time. Both lengths are free. Several windows of a clip are
averaged by the caller, as a predictor does.

The file computes in float32, as onnxruntime's kernels on the CPU do, which its metadata says. Where the run did in
bfloat16, its score is of states that differ a little: the card and the terminal say so (`onnx_note`).
"""

from __future__ import annotations

import copy
import importlib.util
import json
import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from layerscope.atomic_files import write_atomically
from layerscope.encoders.encoder import Encoder, LayeredEncoder
from layerscope.encoders.mel import HOP, N_FFT, MelSpectrogram, mel_decibels
from layerscope.errors import ModelError, UsageError

__all__ = ["DftMel", "onnx_note", "refuse_onnx", "write_onnx"]

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
#: Of scores, between torch and the file: kernels add in other orders.
TOLERANCE = 1e-4
#: Seconds of noise that is scored by both, beside that with which the graph is traced.
CHECKED = (1.0, 1.7)
#: Any: the graph depends on no value.
SEED = 0


def refuse_onnx(encoder: Encoder, probe: str, *, over_time: bool, copied: bool) -> None:
    """Raise a `UsageError` where an answer cannot be one ONNX file, before any work."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"--onnx needs {', '.join(missing)}: pip install 'layerscope[onnx]'")
    if encoder.baseline:
        raise UsageError(f"{encoder.name} is a plain feature, which is no network; export a layer as ONNX (--model)")
    if not isinstance(encoder, LayeredEncoder):
        raise UsageError(
            f"{encoder.name} is an encoder of your own, whose code may be anything: export it as ONNX there"
        )
    if probe == "knn":
        raise UsageError("the knn probe looks its training windows up, which no ONNX file does; export --probe linear")
    if probe == "attention":
        raise UsageError(
            "the attention probe pools stretches of frames that are cut outside of the network; export --probe linear"
        )
    if over_time:
        raise UsageError("an answer over time is decoded outside of the network; leave --onnx out")
    if not copied:
        raise UsageError("--onnx holds the weights, and --no-weights leaves them out; say one of the two")


def onnx_note(precision: str) -> str:
    """Return what an ONNX file computes otherwise than the run whose score it has, or an empty text.

    Examples
    --------
    >>> onnx_note("float32")
    ''
    >>> onnx_note("bf16")
    'model.onnx computes in float32, the run whose score this is in bf16: answers may differ a little'
    """
    if precision == "float32":
        return ""
    return f"model.onnx computes in float32, the run whose score this is in {precision}: answers may differ a little"


class DftMel(nn.Module):
    """`MelSpectrogram` by a convolution with the cosines and sines of its window: torch exports no short-time FFT."""

    basis: Tensor
    filters: Tensor

    def __init__(self, mel: MelSpectrogram) -> None:
        super().__init__()
        bins, times = torch.arange(N_FFT // 2 + 1), torch.arange(N_FFT)
        # Whole turns left out before the angle is rounded, in double precision.
        angles = (bins[:, None] * times % N_FFT).double() * (2 * math.pi / N_FFT)
        waves = torch.cat([angles.cos(), angles.sin()]) * mel.window.double().cpu()
        self.register_buffer("basis", waves.float()[:, None])
        self.register_buffer("filters", mel.filters.cpu())

    def forward(self, waveforms: Tensor) -> Tensor:
        """Map (batch, samples) to (batch, mel, frame), in dB relative to 1.0."""
        padded = nn.functional.pad(waveforms[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")
        real, imaginary = nn.functional.conv1d(padded, self.basis, stride=HOP).chunk(2, dim=1)
        return mel_decibels(real.square() + imaginary.square(), self.filters)


class ProbedEncoder(nn.Module):
    """Waveforms to scores.

    Parameters
    ----------
    encoder : LayeredEncoder
        Cut after the last of the layers that the probe takes.
    input_name : str
        Whether the probe takes layers apart, (layer, width), their mean, or all side by side: see `Manifest.input`.
    weights : mapping of str to ndarray
        See `layerscope.probes.applied.apply_probe`.
    """

    def __init__(self, encoder: LayeredEncoder, input_name: str, weights: Mapping[str, NDArray[Any]]) -> None:
        super().__init__()
        self.model = with_exported_mel(encoder.model)
        self.layers, self.mixed, self.mean = (
            encoder.layers,
            input_name.startswith("weighted"),
            input_name.startswith("mean("),
        )
        self.weights = {name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in weights.items()}

    def forward(self, waveform: Tensor) -> Tensor:
        """Map (batch, samples) to (batch, output)."""
        states = enumerate(self.model.states(waveform, self.layers[-1]))
        pooled = [state.mean(dim=1) for layer, state in states if layer in self.layers]
        x = torch.stack(pooled, dim=1) if self.mixed or self.mean else torch.cat(pooled, dim=1)
        if self.mean:
            x = x.mean(dim=1)
        x = (x - self.weights["mean"]) * self.weights["scale"]
        if "mixture" in self.weights:
            x = (x * self.weights["mixture"][:, None]).sum(dim=1)
        if "hidden.weight" in self.weights:
            x = torch.relu(x @ self.weights["hidden.weight"] + self.weights["hidden.bias"])
        scores: Tensor = x @ self.weights["output.weight"] + self.weights["output.bias"]
        return scores * self.weights["output.scale"] + self.weights["output.shift"]


def with_exported_mel(model: nn.Module) -> Any:
    """Return a copy of a model on the CPU whose mel front end can be exported."""
    copied = copy.deepcopy(model).cpu().eval()
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, MelSpectrogram):
                setattr(module, name, DftMel(child))
    return copied


def write_onnx(
    path: Path,
    encoder: LayeredEncoder,
    input_name: str,
    weights: Mapping[str, NDArray[Any]],
    names: Sequence[str],
    window: float,
) -> None:
    """Write the file, held to torch on noise of two lengths.

    Parameters
    ----------
    path : Path
        The file; ``sample_rate``, ``names`` and ``window`` (seconds at the most) are in its metadata.
    encoder : LayeredEncoder
        Cut, and of the layers that the probe takes.
    input_name : str
        See `Manifest.input`.
    weights, names, window
        See `Manifest` and `apply_probe`.

    Raises
    ------
    ModelError
        If torch cannot export this model, or the file does not say what torch says.
    """
    probed = ProbedEncoder(encoder, input_name, weights).eval()
    shortest = encoder.minimum_samples
    # Two, since torch takes a length of one for a constant.
    traced = noise(2, max(shortest, round(encoder.sample_rate)))
    shapes = {"waveform": {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of torchvision, which nobody asked for
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of the exporter's own code
            program = torch.onnx.export(
                probed, (traced,), dynamo=True, dynamic_shapes=shapes, input_names=["waveform"],
                output_names=["scores"], verbose=False,
            )  # fmt: skip
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"{encoder.name}: torch does not export it as ONNX ({reason}); leave --onnx out") from error
    assert program is not None
    about = {"sample_rate": encoder.sample_rate, "names": list(names), "window": window, "precision": "float32"}
    program.model.metadata_props.update({name: json.dumps(value) for name, value in about.items()})
    content = program.model_proto.SerializeToString()
    refuse_different(content, encoder, probed)
    write_atomically(path, content)


def refuse_different(content: bytes, encoder: LayeredEncoder, probed: ProbedEncoder) -> None:
    """Raise a `ModelError` if an ONNX file says something else than torch, whose front end is that of the run."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    probed.model = encoder.model.cpu()
    for batch, seconds in enumerate(CHECKED, start=1):
        waveforms = noise(batch, max(encoder.minimum_samples, round(seconds * encoder.sample_rate)))
        with torch.inference_mode():
            expected = probed(waveforms).numpy()
        (scores,) = session.run(None, {"waveform": waveforms.numpy()})
        gap = float(np.abs(scores - expected).max() / max(1.0, np.abs(expected).max()))
        # Written so that NaN, which is smaller than nothing, is refused too.
        if not gap <= TOLERANCE:
            raise ModelError(
                f"{encoder.name}: the ONNX file and torch differ by {gap:.1e} of the scores; leave --onnx out"
            )


def noise(batch: int, samples: int) -> Tensor:
    """Return noise, (batch, samples)."""
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(SEED))
