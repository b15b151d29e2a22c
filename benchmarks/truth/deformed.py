"""Which deformation breaks which layer, how far layers hear, and that noise says nothing: of made sound and encoders.

``python -m benchmarks.truth deformed`` prints both.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch

import layerscope as ls
from layerscope.report.paper_tables import as_markdown
from layerscope.report.robustness_panels import least_lost
from layerscope.similarity.time_reach import reach_tables
from layerscope.study.options import make_plan
from layerscope.study.run import run

__all__ = ["main"]

RATE, CLIPS = 16_000, 80
#: The tones of the two classes below 2 kHz and above 4 kHz, in Hz.
LOW, HIGH = (300, 1300), (5000, 7000)
DEFORMATIONS = ["lowpass:3000", "gain:-3", "noise:30", "mp3:128"]


class TwoBands(ls.Encoder):
    """Layer 1 hears what is below 2 kHz, layer 2 what is above 4 kHz."""

    name, sample_rate, frame_rate, layers, dim, minimum_samples = "two bands", RATE, 50.0, (1, 2), 8, 640
    fingerprint = "two bands, 1"

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return the loudness of eight bands of each half."""
        window = torch.hann_window(640, device=waveforms.device)
        spectrum = torch.stft(waveforms, 640, 320, window=window, return_complex=True).abs().transpose(1, 2)
        halves = [spectrum[..., :80], spectrum[..., 160:320]]
        bands = [torch.nn.functional.adaptive_avg_pool1d(half, 8) for half in halves]
        return torch.log(torch.stack(bands, dim=1) + 1e-3)


class Averages(ls.Encoder):
    """Layer k is the mean of 2^k + 1 frames of 20 ms around each."""

    name, sample_rate, frame_rate, layers, dim, minimum_samples = "averages", RATE, 50.0, (3, 5, 7), 160, 320
    fingerprint = "averages, 1"

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return the averages."""
        spectrum = torch.fft.rfft(waveforms.unfold(1, 320, 320)).abs().square()[..., 1:]
        bands = spectrum.clamp_min(1e-12).log().transpose(1, 2)
        means = [
            torch.nn.functional.avg_pool1d(bands, 2**layer + 1, 1, 2 ** (layer - 1), count_include_pad=False)
            for layer in self.layers
        ]
        return torch.stack(means, dim=1).transpose(2, 3)


def two_bands() -> TwoBands:
    """Return the encoder."""
    return TwoBands()


def write_clips(place: Path, *, heard: bool) -> Path:
    """Write clips whose classes are heard in both halves alike, or not at all, and return their table."""
    random, time = np.random.default_rng(0), np.arange(RATE // 2) / RATE
    place.mkdir()
    rows = []
    for number in range(CLIPS):
        sounding = number % 2 if heard else int(random.integers(2))
        sound = 0.02 * random.standard_normal(len(time))
        sound += sum(0.2 * np.sin(2 * np.pi * tones[sounding] * time) for tones in (LOW, HIGH))
        soundfile.write(place / f"{number}.wav", 10 ** random.uniform(-0.5, 0) * sound, RATE)
        rows.append({"path": f"{number}.wav", "label": ("dull", "bright")[number % 2]})
    pd.DataFrame(rows).to_csv(place / "table.csv", index=False)
    return place / "table.csv"


def main() -> None:
    """Print what is found."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        os.environ["LAYERSCOPE_CACHE"] = str(place / "cache")
        for name, heard in (("heard in both halves", True), ("noise", False)):
            given = {"model": ["benchmarks.truth.deformed:two_bands"], "baseline": [], "probe": ["closed"], "folds": 5}
            table = write_clips(place / name, heard=heard)
            results = run(make_plan({**given, "data": table, "deform": DEFORMATIONS}, "truth"), place / f"{name}, run")
            assert results.robustness is not None
            rows = results.robustness.table.query("metric == 'accuracy'")
            columns = ["deformation", "strength", "layer", "clean", "value", "difference_low", "difference_high"]
            print(f"\nlabels: {name}\n\n{as_markdown(rows[[*columns, 'loses_least']].round(3))}\n")
            said = least_lost(results.only(results.sole_task()), rows)
            print(*(said or ["Nothing is said."]), sep="\n")
    random = np.random.default_rng(0)
    windows = [random.normal(0, 0.1, 10 * RATE).astype(np.float32) for _ in range(8)]
    reaches, _ = reach_tables(Averages(), windows)
    # A change is in proportion to the frames that are replaced: 90 % of it arises within 90 % of a half.
    truth = [0.9 * (2**layer + 1) / 2 * 0.02 for layer in Averages.layers]
    found = reaches[["layer", "reach", "lowest", "highest"]].assign(truth=truth)
    print(f"\nreach, s\n\n{as_markdown(found.assign(ratio=found.reach / found.truth).round(3))}")
