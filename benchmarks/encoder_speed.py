"""Full-size MuQ and MusicFM against the official code, in one process: `python -m benchmarks.encoder_speed`.

Weights are random and the same on both sides; speed does not depend on them. The official side needs the package `muq`
(docs/benchmarks.md says how it is installed beside the environment). Where it is missing, that is said, and this
project's own code is measured alone. MusicFM has no package: its encoder is the same network, and muq's class stands
for it, with MusicFM's head.

On CUDA each line is of so many windows at once, in place of threads, and the official code is measured twice: with
products in float32, and as torch has it by default, which rounds the factors of convolutions to tf32.

A second table holds what each change of the network gave, alternatives that were not kept among them.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
import types
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from layerscope.encoders.conformer import ConformerConfig, ConformerModel, ResidualConvolution, depthwise, fused
from layerscope.encoders.device import tf32_products
from layerscope.encoders.mel import SAMPLE_RATE
from layerscope.toymusic.composer import compose_note
from layerscope.toymusic.synthesizer import render

SECONDS = 30
REPEATS = 3
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
#: Windows at once on CUDA, where one does not fill it.
WINDOWS = (1, 10)
#: What differs between the two: MuQ predicts eight codebooks, MusicFM one random projection.
HEADS = {
    "muq": {"use_rvq_target": True, "codebook_size": 8192},
    "musicfm": {"use_rvq_target": False, "codebook_size": 4096},
}
#: Where facebook/wav2vec2-conformer-rope-large-960h-ft, whose configuration both models took, differs from defaults.
BLOCK: dict[str, Any] = {
    "hidden_act": "swish",
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "position_embeddings_type": "rotary",
}

Action = Callable[[], Any]
Encode = Callable[[Tensor], Any]
Seconds = tuple[float, float]


def main() -> None:
    """Measure and print."""
    console = Console(width=140)
    machine = torch.cuda.get_device_name() if DEVICE == "cuda" else f"{platform.machine()}, {os.cpu_count()} cores"
    console.print(f"{machine}, torch {torch.__version__}, {time.strftime('%d %B %Y')}")
    console.print(f"bfloat16 is multiplied by {bfloat16_units()}")
    counts = sorted({1, len(os.sched_getaffinity(0))}) if DEVICE == "cpu" else WINDOWS
    table = Table(title=f"A window of {SECONDS} s, seconds, medians of {REPEATS}, alternating (in brackets: of CPU)")
    for column in ("model", "threads" if DEVICE == "cpu" else "windows", "official", *ours_and_ratios()):
        table.add_column(column, justify="right")
    with torch.inference_mode():
        for name in HEADS:
            compare(name, counts, table, console)
        console.print(table)
        console.print(parts())


def bfloat16_units() -> str:
    """Return which of a CPU's units multiply bfloat16; without any it cannot be faster."""
    path = Path("/proc/cpuinfo")
    if DEVICE == "cuda" or not path.is_file():
        return "the device" if DEVICE == "cuda" else "units that this system does not tell"
    flags = {"amx_bf16", "avx512_bf16"} & set(path.read_text(encoding="utf-8").split())
    return ", ".join(sorted(flags)) or "no unit of this processor: it cannot be faster here"


def ours_and_ratios() -> list[str]:
    """Return the columns after the official one."""
    kinds = ("float32", "bf16") if DEVICE == "cpu" else ("official by default", "float32", "tf32", "bf16")
    return [column for kind in kinds for column in (kind, "ratio")]


def compare(name: str, counts: Sequence[int], table: Table, console: Console) -> None:
    """Add the rows of a model, and print how far its states are from the official."""
    model = ConformerModel(ConformerConfig()).eval().to(DEVICE)
    official = official_network(name)
    waveform = sound().to(DEVICE)
    networks: dict[str, Encode] = {"float32": lambda batch: list(model.states(batch, model.depth))}
    if official is None:
        console.print(f"{name}: the package muq is not installed: nothing official to compare with")
    else:
        network = settled(official, waveform)
        tensors = {key.removeprefix("model."): value for key, value in network.state_dict().items()}
        model.load_state_dict({key: tensors.get(key, value) for key, value in model.state_dict().items()})
        networks["official"] = lambda batch: network(batch).hidden_states
        console.print(f"{name}: muq {version('muq')}, transformers {version('transformers')}"
                      f"{'' if name == 'muq' else ' (MusicFM has no package: muq stands for it)'}")  # fmt: skip
    for count in counts:
        if DEVICE == "cpu":
            torch.set_num_threads(count)
        batch = waveform if DEVICE == "cpu" else waveform.expand(count, -1).contiguous()
        seconds = alternating(ways(networks, batch))
        row = [name, str(count), told(seconds["official"]) if official else "–"]
        for kind in ours_and_ratios()[::2]:
            row += [told(seconds[kind]) if kind in seconds else "–",
                    ratio(seconds["official"], seconds[kind]) if official else "–"]  # fmt: skip
        table.add_row(*row)
    states = {kind: action() for kind, action in ways(networks, waveform).items()}
    if official is not None:
        largest = max(float((a - b).abs().max()) for a, b in zip(states["official"], states["float32"], strict=True))
        console.print(f"{name}: float32 differs from the official states by {largest:.1e} at most")
    for kind in sorted({"tf32", "bf16"} & set(states)):
        relative = [float((a - b).norm() / a.norm()) for a, b in zip(states["float32"], states[kind], strict=True)]
        console.print(
            f"{name}: {kind} differs from float32 by {relative[0]:.2%} (layer 0) to {max(relative):.2%} of the norm"
        )


def ways(networks: dict[str, Encode], batch: Tensor) -> dict[str, Action]:
    """Return what each network does with a batch, in each precision in which it is measured."""

    def in_precision(encode: Encode, *, matrices: bool = False, convolutions: bool = False) -> Any:
        # One switch for both, unless it is torch's own default that is asked for.
        with tf32_products(allowed=matrices):
            torch.backends.cudnn.allow_tf32 = convolutions
            return encode(batch)

    actions = {kind: functools.partial(in_precision, encode) for kind, encode in networks.items()}
    ours = networks["float32"]
    if DEVICE == "cuda":
        if "official" in networks:
            default = functools.partial(in_precision, networks["official"], convolutions=True)
            actions["official by default"] = default
        actions["tf32"] = functools.partial(in_precision, ours, matrices=True, convolutions=True)
    return actions | {"bf16": lambda: in_bfloat16(actions["float32"])}


def official_network(name: str) -> Any:
    """Return the official network with random weights, or None where the package is not installed."""
    try:
        version("muq")
    except PackageNotFoundError:
        return None
    if "muq" not in sys.modules:
        # Without its __init__, which imports MuQ-MuLan as well, and with it torchvision and more.
        package = types.ModuleType("muq")
        found: Any = importlib.util.find_spec("muq")
        package.__path__ = list(found.submodule_search_locations)
        sys.modules["muq"] = package
    network: Any = importlib.import_module("muq.muq.muq").MuQ
    configuration: Any = importlib.import_module("transformers").Wav2Vec2ConformerConfig
    block = json.loads(configuration(**BLOCK).to_json_string())
    config = ConformerConfig()
    stat = {"melspec_2048_mean": config.mel_mean, "melspec_2048_std": config.mel_std}
    torch.manual_seed(0)
    return network({"stat": stat, "w2v2_config": block, **HEADS[name]}).to(DEVICE)


def settled(network: nn.Module, waveform: Tensor) -> nn.Module:
    """Return a network in evaluation, its norms with the statistics of a sound: random ones would be 0 and 1."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None
    network.train()(waveform[:, : 4 * SAMPLE_RATE])
    return network.eval()


def sound() -> Tensor:
    """Return a window of notes."""
    notes = np.concatenate([render(compose_note(number, 1.5)) for number in range(8)])
    return torch.from_numpy(np.resize(notes, SECONDS * SAMPLE_RATE)).float()[None]


def in_bfloat16(action: Action) -> Any:
    """Return what an action does where products are of bfloat16."""
    with torch.autocast(DEVICE, torch.bfloat16):
        return action()


def alternating(actions: dict[str, Action], repeats: int = REPEATS) -> dict[str, Seconds]:
    """Return the median seconds and seconds of CPU of each action, run in turns after one that does not count."""
    taken: dict[str, list[Seconds]] = {name: [] for name in actions}
    for turn in range(repeats + 1):
        for name, action in actions.items():
            started, started_cpu = time.perf_counter(), time.process_time()
            action()
            if DEVICE == "cuda":
                torch.cuda.synchronize()
            if turn:
                taken[name].append((time.perf_counter() - started, time.process_time() - started_cpu))
    return {
        name: (statistics.median(wall for wall, _ in turns), statistics.median(cpu for _, cpu in turns))
        for name, turns in taken.items()
    }


def told(seconds: Seconds) -> str:
    """Return both clocks as text."""
    return f"{seconds[0]:.3g} ({seconds[1]:.3g})"


def ratio(slow: Seconds, fast: Seconds) -> str:
    """Return by how much one is faster, by both clocks."""
    return f"{slow[0] / fast[0]:.2f} ({slow[1] / fast[1]:.2f})"


def parts() -> Table:
    """Return what each change gave, on one thread."""
    torch.set_num_threads(1)
    table = Table(title="What each change gave: milliseconds of CPU, one thread" if DEVICE == "cpu" else "Parts")
    for column in ("part", "way", "float32", "bf16"):
        table.add_column(column, justify="left" if column in {"part", "way"} else "right")
    clock = 1 if DEVICE == "cpu" else 0
    for part, ways in {
        "front end": front_ends(),
        "convolution over time of a block": convolutions_over_time(),
        "first half of a feed-forward": dense_layers(),
        "queries and keys": projections(),
        "attention": attentions(),
    }.items():
        for way, action in ways.items():
            cells = []
            for context in (nullcontext(), torch.autocast(DEVICE, torch.bfloat16)):
                with context:
                    # What oneDNN packed in float32 stays so.
                    skipped = "packed" in way and not isinstance(context, nullcontext)
                    cells.append("–" if skipped else f"{1000 * alternating({way: action})[way][clock]:.3g}")
            table.add_row(part, way, *cells)
    return table


def front_ends() -> dict[str, Action]:
    """Return the ways to compute the two residual blocks."""
    model = ConformerModel(ConformerConfig()).eval().to(DEVICE)
    mel = model.mel(sound().to(DEVICE))[:, None] / 20
    last = mel.to(memory_format=torch.channels_last)

    def apart(maps: Tensor, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
        return cast(Tensor, norm(convolution(maps)))

    def at_once(maps: Tensor, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
        return F.conv2d(maps, *fused(convolution, norm), convolution.stride, convolution.padding)

    def blocks(x: Tensor, step: Callable[[Tensor, nn.Conv2d, nn.BatchNorm2d], Tensor]) -> Tensor:
        for block in cast(list[ResidualConvolution], model.conv.conv):
            main = step(step(x, block.conv1, block.bn1).relu(), block.conv2, block.bn2)
            x = (main + step(x, block.conv3, block.bn3)).relu()
        return x

    return {
        "as published": lambda: blocks(mel, apart),
        "norms in the kernels": lambda: blocks(mel, at_once),
        "channels last": lambda: blocks(last, apart),
        "both": lambda: blocks(last, at_once),
        "both, in place, and Winograd's products in float32 (kept)": lambda: model.conv.conv(last),
    }


def convolutions_over_time() -> dict[str, Action]:
    """Return the ways to convolve each channel over time."""
    x, kernels = frames(), torch.randn(1024, 1, 31, device=DEVICE)
    return {
        "of one axis, as published": lambda: F.conv1d(x.transpose(1, 2), kernels, padding="same", groups=1024),
        "of an image of height one (kept)": lambda: depthwise(x, kernels),
    }


def dense_layers() -> dict[str, Action]:
    """Return the ways to multiply by a matrix."""
    x, layer = frames(), nn.Linear(1024, 4096, device=DEVICE)
    ways: dict[str, Action] = {"a linear layer (kept)": lambda: layer(x)}
    if DEVICE == "cpu":
        # Here, because its import warns of what PyTorch is to give up.
        packed = importlib.import_module("torch.utils.mkldnn").to_mkldnn(layer)
        ways["packed by oneDNN before"] = lambda: packed(x.to_mkldnn()).to_dense()
    return ways


def projections() -> dict[str, Action]:
    """Return the ways to project one input twice."""
    x, first, second = frames(), nn.Linear(1024, 1024, device=DEVICE), nn.Linear(1024, 1024, device=DEVICE)
    both = nn.Linear(1024, 2048, device=DEVICE)
    return {"two layers (kept)": lambda: (first(x), second(x)), "one of twice the width": lambda: both(x)}


def attentions() -> dict[str, Action]:
    """Return the ways to attend, 16 heads of 64."""
    heads = frames().unflatten(-1, (16, 64)).transpose(1, 2)

    def written_out() -> Tensor:
        return (heads @ heads.transpose(-1, -2) / 8).softmax(-1) @ heads

    return {
        "written out": written_out,
        "scaled_dot_product_attention (kept)": lambda: F.scaled_dot_product_attention(heads, heads, heads),
    }


def frames() -> Tensor:
    """Return a window's frames of the published width."""
    return torch.randn(1, 25 * SECONDS, 1024, device=DEVICE)


if __name__ == "__main__":
    main()
