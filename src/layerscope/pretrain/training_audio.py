"""What a training hears: mel, and semitones where pitch is asked for, of the built-in corpus or a folder of audio.

Clips are heard once as they come, or, with `Recipe.clips`, a fixed number of them is kept in the cache and heard
again and again: cheaper than composing, and shared by all trainings that ask for the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor, nn

from layerscope.atomic_files import cache_directory, read_tensors, write_tensors
from layerscope.data.audio import EXTENSIONS, load
from layerscope.encoders.encoder import fingerprint_of, source_digest
from layerscope.encoders.mel import HOP, SAMPLE_RATE, MelSpectrogram, hann_window
from layerscope.errors import AudioError, DataError
from layerscope.pretrain.recipe import Recipe
from layerscope.toymusic.composed_dataset import PRETRAINING, stream

__all__ = ["SEMITONES", "Sound", "fitting_sound", "keep", "kept_directory", "listed_sound", "sound_batches"]

Samples = NDArray[np.float32]

#: The pieces of one training are far from those of another seed.
#: Twenty-five of them fit below the seeds of development.
SEED_STRIDE = 20_000_000
#: Clips that statistics and codes are drawn from, and clips in a kept file.
SHARD = 256
#: MIDI numbers from E2, a guitar's lowest string, up to G7.
LOWEST, SEMITONES = 40, 64
#: 0.34 s: a semitone at E2 is 4.8 Hz, a bin 2.9 Hz.
LONG_FFT = 8192
FLOOR = 1e-8


@dataclass(frozen=True)
class Sound:
    """A batch.

    Attributes
    ----------
    mel : Tensor, shape (batch, mel, frame)
        In dB, 100 Hz.
    semitones : Tensor, shape (batch, semitone, token)
        In dB relative to the mean of the frame, 25 Hz.
    """

    mel: Tensor
    semitones: Tensor

    @classmethod
    def joined(cls, parts: Sequence[Sound]) -> Sound:
        """Return batches as one."""
        return cls(torch.cat([part.mel for part in parts]), torch.cat([part.semitones for part in parts]))

    def to(self, device: torch.device) -> Sound:
        """Return the batch on a device."""
        return Sound(self.mel.to(device), self.semitones.to(device))


class Semitones(nn.Module):
    """Waveforms to the loudness of 64 semitones up from E2 (MIDI 40): Gaussians in pitch on a long FFT."""

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", hann_window(LONG_FFT))
        # Without 0 Hz, which has no pitch.
        frequencies = torch.arange(1, LONG_FFT // 2 + 1) * SAMPLE_RATE / LONG_FFT
        pitches = 69 + 12 * torch.log2(frequencies / 440.0)
        distance = pitches[:, None] - torch.arange(LOWEST, LOWEST + SEMITONES)
        # So narrow that less than 2 % of a tone is heard a semitone away.
        self.register_buffer("filters", torch.exp(-0.5 * (distance / 0.35).square()))

    def forward(self, waveforms: Tensor) -> Tensor:
        """Map (batch, samples) to (batch, semitone, token); the level of a frame is taken out, pitch stays."""
        spectrum = torch.stft(waveforms, LONG_FFT, 4 * HOP, window=self.window, center=True, pad_mode="reflect",
                              return_complex=True)[:, 1:, : waveforms.shape[1] // HOP // 4]  # fmt: skip
        decibels = 10.0 * torch.log10(self.filters.T @ spectrum.abs().square() + FLOOR)
        centred: Tensor = decibels - decibels.mean(dim=1, keepdim=True)
        return centred


@cache
def analysers() -> tuple[MelSpectrogram, Semitones]:
    """Return what is computed of every clip."""
    return MelSpectrogram(), Semitones()


@torch.no_grad()
def analyse(waveforms: list[Samples]) -> Sound:
    """Return mel and semitones of equally long waveforms, whole tokens of them."""
    mel, semitones = analysers()
    batch = torch.from_numpy(np.stack(waveforms))
    # Whole tokens, so that mel has four frames to each of semitones.
    whole = batch[:, : batch.shape[1] // (4 * HOP) * 4 * HOP]
    return Sound(mel(whole), semitones(whole))


def sound_batches(recipe: Recipe, first: int) -> Iterator[Sound]:
    """Yield batches, beginning with number `first`: the same ones however often one resumes."""
    if recipe.clips is None:
        clips = waveforms_of(recipe, first * recipe.batch, recipe.seconds)
        while True:
            yield analyse([next(clips) for _ in range(recipe.batch)])
    directory, number = keep(recipe), first
    while True:
        yield drawn(directory, recipe, number)
        number += 1


def fitting_sound(recipe: Recipe) -> Sound:
    """Return the clips that statistics and codes are drawn from: the first that are kept, or clips of their own."""
    if recipe.clips is not None:
        return read_shard(keep(recipe) / shard_name(0), slice(None))
    # Far from every clip that is trained on.
    return whole_shard(waveforms_of(recipe, SEED_STRIDE // 2, recipe.seconds))


def whole_shard(clips: Iterator[Samples]) -> Sound:
    """Return as many clips as a shard holds, sixteen of which are analysed at once."""
    return Sound.joined([analyse([next(clips) for _ in range(16)]) for _ in range(SHARD // 16)])


def drawn(directory: Path, recipe: Recipe, number: int) -> Sound:
    """Return a batch of random stretches of random clips that are kept."""
    random = np.random.default_rng([recipe.seed, number])
    tokens = round(recipe.seconds * SAMPLE_RATE) // (4 * HOP)
    parts = []
    for clip in random.integers(0, whole_shards(recipe) * SHARD, recipe.batch):
        sound = read_shard(directory / shard_name(int(clip) // SHARD), slice(int(clip) % SHARD, int(clip) % SHARD + 1))
        start = int(random.integers(0, sound.semitones.shape[2] - tokens + 1))
        mel = sound.mel[..., 4 * start : 4 * (start + tokens)]
        parts.append(Sound(mel, sound.semitones[..., start : start + tokens]))
    return Sound.joined(parts)


def keep(recipe: Recipe) -> Path:
    """Put the clips of a recipe into the cache, as far as they are not there, and return where."""
    directory = kept_directory(recipe)
    for number in range(whole_shards(recipe)):
        path = directory / shard_name(number)
        if path.is_file():
            # Once: batches are slices, which no digest is of.
            read_tensors(path)
            continue
        sound = whole_shard(waveforms_of(recipe, number * SHARD, recipe.clip_seconds))
        arrays = {name: value.numpy().astype(np.float16) for name, value in vars(sound).items()}
        write_tensors(path, arrays, {"first": number * SHARD})
    return directory


def whole_shards(recipe: Recipe) -> int:
    """Return how many files the clips of a recipe fill, the last one to its end."""
    return -(-(recipe.clips or 0) // SHARD)


def shard_name(number: int) -> str:
    """Return the name of a file of kept clips."""
    return f"{number:05d}.safetensors"


def kept_directory(recipe: Recipe) -> Path:
    """Return where the clips of a recipe are kept: another place for other data, or other code that makes them."""
    modules = ("composer", "styles", "synthesizer", "composed_dataset")
    told = {
        "data": listed_sound(recipe),
        "seed": recipe.seed,
        "seconds": recipe.clip_seconds,
        "source": source_digest(
            __name__, "layerscope.encoders.mel", *(f"layerscope.toymusic.{name}" for name in modules)
        ),
    }
    return cache_directory() / "pretraining" / fingerprint_of(told)


def listed_sound(recipe: Recipe) -> list[str] | None:
    """Return the path and size of each file that a recipe's clips are drawn from; nothing for the built-in corpus."""
    if recipe.data is None:
        return None
    return [f"{path} {path.stat().st_size}" for path in audio_files(recipe.data)]


def read_shard(path: Path, rows: slice) -> Sound:
    """Return clips of a kept file."""
    with safe_open(path, "pt") as file:
        return Sound(*(file.get_slice(name)[rows].float() for name in ("mel", "semitones")))


def waveforms_of(recipe: Recipe, first: int, seconds: float) -> Iterator[Samples]:
    """Yield waveforms of the corpus or a folder, from number `first` on, without end."""
    if recipe.data is None:
        return stream(PRETRAINING + SEED_STRIDE * recipe.seed + first, seconds)
    return folder_clips(recipe.data, recipe.seed, first, seconds)


def audio_files(folder: Path) -> list[Path]:
    """Return the files of a folder that may be audio, in order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)


def folder_clips(folder: Path, seed: int, first: int, seconds: float) -> Iterator[np.ndarray[Any, Any]]:
    """Yield random stretches of the files of a folder; clip number n is the same however often one resumes."""
    paths = audio_files(folder)
    samples, bad, number = round(seconds * SAMPLE_RATE), 0, first
    while True:
        random = np.random.default_rng([seed, number])
        # Some damaged files are passed over; so many in a row mean that there is no audio.
        if bad > 100 or not paths:
            raise DataError(f"{folder}: no audio that can be read, of {len(paths)} files")
        number += 1
        try:
            whole = load(paths[int(random.integers(len(paths)))], SAMPLE_RATE)
            bad = 0
        except AudioError:
            bad += 1
            continue
        # A file shorter than a clip is heard again from its start, so that no silence is learnt.
        start = int(random.integers(max(1, len(whole) - samples + 1)))
        yield np.resize(whole[start:], samples)
