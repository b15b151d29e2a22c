"""The loop: batches in, a checkpoint and a log out; a killed training continues where it was, to the bit."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from layerscope.atomic_files import (
    damaged,
    digest,
    discard,
    owned_directory,
    read_header,
    read_tensors,
    write_atomically,
    write_tensors,
)
from layerscope.errors import DataError
from layerscope.pretrain.model import MaskedModel
from layerscope.pretrain.quantizers import RandomProjection, ResidualQuantizer, pitch_frames, stack_frames
from layerscope.pretrain.recipe import Recipe
from layerscope.pretrain.released_format import write_layout
from layerscope.pretrain.training_audio import fitting_sound, listed_sound, sound_batches

__all__ = ["pretrain"]

CHECKPOINT_EVERY = 500
LOG_EVERY = 50
CLIP_NORM = 1.0


def pretrain(recipe: Recipe, out: Path, report: Callable[[dict[str, float]], None] = lambda _: None) -> Path:
    """Pretrain an encoder, or continue, and write it in the layout of its published family.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    out : Path
        Its directory: ``checkpoint.safetensors`` and ``log.jsonl`` while it lasts, ``encoder/`` when it is done.
    report : callable
        Called with each line of the log.

    Returns
    -------
    Path
        ``encoder/``, a directory that `load_encoder` takes.

    Raises
    ------
    UsageError
        If `out` holds another pretraining, or one of more steps.
    DataError
        If the folder of audio holds none that can be read.
    ResourceError
        If another process pretrains in `out`.
    """
    with owned_directory(out, "pretraining", recipe.model_dump(mode="json"), growing=["steps"]):
        train(recipe, out, report)
    return out / "encoder"


def train(recipe: Recipe, out: Path, report: Callable[[dict[str, float]], None]) -> None:
    """Take the steps that are still to be taken, with a line of the log and a checkpoint now and then."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    checkpoint = out / "checkpoint.safetensors"
    if checkpoint.is_file():
        model, optimizer, step, seconds = resume(checkpoint, recipe, device)
    else:
        model, optimizer, step, seconds = begin(recipe, device)
    batches = sound_batches(recipe, first=step)
    model.train()
    # As if the earlier part had just ended, so that the log's minutes go on.
    started = time.monotonic() - seconds
    if step < recipe.steps:
        # The recipe tells of more steps than an encoder that is there has seen.
        discard(out / "encoder" / "model.safetensors")
    while step < recipe.steps:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * rate_share(step, recipe)
        outcome = model(next(batches).to(device))
        optimizer.zero_grad(set_to_none=True)
        outcome.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        step += 1
        if step % LOG_EVERY == 0 or step == recipe.steps:
            line = {
                "step": step,
                "hours": round(step * recipe.batch * recipe.seconds / 3600, 3),
                "minutes": round((time.monotonic() - started) / 60, 2),
                "loss": round(float(outcome.loss.detach()), 4),
                "accuracy": round(outcome.accuracy, 4),
                "majority": round(outcome.majority, 4),
                "codes": outcome.used,
            }
            append_line(out / "log.jsonl", line)
            report(line)
        if step % CHECKPOINT_EVERY == 0 or step == recipe.steps:
            save_checkpoint(checkpoint, model, optimizer, recipe, step, time.monotonic() - started)
    # Also where no step was left to take: an earlier training may have been killed between its checkpoint and this.
    write_layout(model, recipe, out / "encoder")


def begin(recipe: Recipe, device: torch.device) -> tuple[MaskedModel, torch.optim.AdamW, int, float]:
    """Return a new model with its quantizer fitted, its optimizer, step 0 and 0 seconds."""
    torch.manual_seed(recipe.seed)
    sound = fitting_sound(recipe)
    mean, deviation = float(sound.mel.mean()), float(sound.mel.std())
    model = MaskedModel(recipe, mean, deviation)
    stacked = stack_frames((sound.mel - mean) / deviation).flatten(0, 1)
    if isinstance(model.quantizer, RandomProjection):
        model.quantizer.fit(stacked)
    else:
        fit_residual(model.quantizer, stacked, recipe.quantizer_steps)
    if model.pitch_quantizer is not None:
        fit_residual(model.pitch_quantizer, pitch_frames(sound.semitones).flatten(0, 1), recipe.quantizer_steps)
    model.freeze_quantizers()
    model.zero_grad(set_to_none=True)  # those of the quantizer's own training would be clipped with the rest
    model.to(device)
    return model, make_optimizer(model, recipe), 0, 0.0


def fit_residual(quantizer: ResidualQuantizer, stacked: Tensor, steps: int) -> None:
    """Train a residual quantizer to reconstruct (sample, inputs)."""
    optimizer = torch.optim.AdamW(quantizer.parameters(), lr=1e-3, weight_decay=0.0)
    for _ in range(steps):
        batch = stacked[torch.randint(len(stacked), (2048,))]
        rebuilt, _, loss = quantizer.explain(batch, mend=True)
        optimizer.zero_grad(set_to_none=True)
        (torch.nn.functional.mse_loss(rebuilt, batch) + loss).backward()
        optimizer.step()


def make_optimizer(model: MaskedModel, recipe: Recipe) -> torch.optim.AdamW:
    """Return the optimizer; norms and biases do not decay."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        # This decay and the betas below are those of fairseq's recipes for wav2vec 2.0 and HuBERT.
        {"params": [tensor for tensor in trained if tensor.ndim > 1], "weight_decay": 0.01},
        {"params": [tensor for tensor in trained if tensor.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def rate_share(step: int, recipe: Recipe) -> float:
    """Return the share of the peak learning rate at a step: up, level, and down to zero at the end."""
    left = (recipe.steps - step) / max(1.0, recipe.decay * recipe.steps)
    return min(1.0, (step + 1) / recipe.warmup, left)


def trained_on(recipe: Recipe) -> dict[str, Any]:
    """Return all that a training depends on but for its steps, as JSON has it: the recipe, and the audio's files."""
    told = recipe.model_dump(mode="json", exclude={"steps"})
    return {**told, "files": digest(json.dumps(listed_sound(recipe)))}


def save_checkpoint(
    path: Path, model: MaskedModel, optimizer: torch.optim.AdamW, recipe: Recipe, step: int, seconds: float
) -> None:
    """Write weights, the optimizer's state and the random state, whole or not at all."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
    # Masks and noise are drawn from it: a resumed training must draw the same.
    tensors["random"] = torch.get_rng_state()
    config = model.encoder.config
    header = {
        "step": step, "seconds": seconds, "mel_mean": config.mel_mean, "mel_std": config.mel_std,
        "of": trained_on(recipe),
    }  # fmt: skip
    write_tensors(path, {name: value.detach().cpu().numpy() for name, value in tensors.items()}, header)


def resume(path: Path, recipe: Recipe, device: torch.device) -> tuple[MaskedModel, torch.optim.AdamW, int, float]:
    """Return what a checkpoint holds.

    Raises
    ------
    DataError
        If it is of another recipe or other audio, or its values are not finite.
    """
    header, now = read_header(path), trained_on(recipe)
    # One of an earlier version does not say what it is of.
    before = header.get("of", now)
    if before != now:
        other = ", ".join(key for key in now if before.get(key) != now[key])
        raise DataError(f"{path}: is of another training (different: {other}); put it back, or choose another --out")
    tensors = {name: torch.from_numpy(value) for name, value in read_tensors(path).items()}
    model = MaskedModel(recipe, header["mel_mean"], header["mel_std"])
    model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
    model.freeze_quantizers()
    model.to(device)
    optimizer = make_optimizer(model, recipe)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, field = name.split(".")
            state.setdefault(int(number), {})[field] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["random"])
    # A training that has diverged would go on to its end without learning.
    if not math.isfinite(float(sum(value.double().sum() for value in model.state_dict().values()))):
        raise DataError(f"{path}: holds values that are not finite; begin again with a lower learning rate")
    return model, optimizer, int(header["step"]), float(header["seconds"])


def append_line(path: Path, line: dict[str, float]) -> None:
    """Add a line to the log; lines of steps that a resumed training repeats are dropped."""
    try:
        before = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        kept = [text for text in before if json.loads(text)["step"] < line["step"]]
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from error
    write_atomically(path, ("\n".join([*kept, json.dumps(line)]) + "\n").encode())
