"""Put pretrained encoders into the package: `python -m benchmarks.weights runs/toy-muq runs/toy-musicfm`.

Each gets a card: what it was trained on and how, its curve, and the scores that `docs/demo-results.md` holds.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from layerscope.report.figure_style import SERIES, drawing, new_figure

PLACE = Path("src/layerscope/encoders/weights")
SCORES = Path("docs/demo-results.md")
FILES = ("model.safetensors", "config.json", "model_stats.json")
#: Lines of the log that a point of the curve is the mean of: each is one batch.
SMOOTHED = 5

#: Trainings that ended and were continued with more steps: the rate had fallen and rose again.
HISTORY = {
    "muq": "First to 4,000 steps, from there as if for 11,000 up to 8,500, then to 9,500, "
    "from there as if for 13,500 up to 11,000, then to 12,500, then to the end",
    "musicfm": "First to 4,500 steps, then to 11,000, from there as if for 15,000 up to 12,500, then to 14,500, "
    "then to the end",
}
QUANTIZERS = {
    "muq": "residual codebooks of mel (MuQ's way), trained first, and of semitones, so that pitch is asked for as well",
    "musicfm": "a random projection of mel and one codebook of random codes (MusicFM's way, BEST-RQ)",
}


def main() -> None:
    """Copy and describe."""
    for directory in map(Path, sys.argv[1:]):
        recipe = json.loads((directory / "recipe.json").read_text(encoding="utf-8"))
        log = [json.loads(line) for line in (directory / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        name = f"toy-{recipe['family']}"
        target = PLACE / name
        target.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            if (directory / "encoder" / file).is_file():
                shutil.copy(directory / "encoder" / file, target / file)
        curve(log).savefig(target / "curve.png", dpi=110, metadata={"Software": None}, facecolor="white")
        (target / "README.md").write_text(card(name, recipe, log), encoding="utf-8")


def curve(log: list[dict[str, float]]) -> Figure:
    """Draw loss, and masked accuracy beside that of the majority code."""
    with drawing():
        figure = new_figure(8, 3)
        left, right = figure.subplots(1, 2)
        hours = smoothed(log, "hours")
        left.plot(hours, smoothed(log, "loss"), color=SERIES[0])
        left.set_ylabel("loss, nats a token")
        right.plot(hours, smoothed(log, "accuracy"), color=SERIES[0], label="masked accuracy")
        right.plot(hours, smoothed(log, "majority"), color=SERIES[1], linestyle="--", label="majority code")
        right.legend(frameon=False)
        for axes in (left, right):
            axes.set_xlabel("hours of audio heard")
    return figure


def smoothed(log: list[dict[str, float]], key: str) -> list[float]:
    """Return means of neighbouring lines."""
    values = [line[key] for line in log]
    groups = [values[first : first + SMOOTHED] for first in range(0, len(values), SMOOTHED)]
    return [sum(group) / len(group) for group in groups]


def card(name: str, recipe: dict[str, Any], log: list[dict[str, float]]) -> str:
    """Return the model card."""
    last = {key: smoothed(log, key)[-1] for key in ("loss", "accuracy", "majority")}
    layout = {"muq": "MuQ", "musicfm": "MusicFM"}[recipe["family"]]
    sizes = f"{recipe['depth']} conformer blocks of {recipe['dim']}, {recipe['heads']} heads"
    data = f"{recipe['clips']:,} pieces of {recipe['clip_seconds']:g} s (seeds from 0 on)"
    steps = f"{log[-1]['step']:,} steps of {recipe['batch']} random stretches of {recipe['seconds']:g} s"
    heard = f"{log[-1]['hours']:.0f} hours of audio, {log[-1]['minutes']:.0f} minutes on one CPU core"
    end = f"loss {last['loss']:.2f}, masked accuracy {100 * last['accuracy']:.1f} %"
    return f"""---
license: mit
library_name: layerscope
tags: [music, self-supervised]
---

# {name}

A small encoder in the layout of {layout}, pretrained by layerscope on music that it composes itself
(`layerscope.toymusic`). It is for demonstrations, tests and teaching: it has heard no recording. Licence of the
weights: MIT.

- **Sizes**: {sizes}, 24 kHz in, 25 Hz out, float16.
- **Tokens**: {QUANTIZERS[recipe["family"]]}. Spans of 0.4 s are masked with probability 0.6.
- **Data**: {data}.
- **Training**: {steps}: {heard}. {HISTORY[recipe["family"]]}: the learning rate fell at each end and rose again,
  which the command below, in one go, does not repeat.
- **At its end**: {end}, majority code {100 * last["majority"]:.1f} %.

![Loss and masked accuracy over hours of audio](curve.png)

```sh
layerscope pretrain --recipe benchmarks/recipes/{name}.json --out runs/{name}
```

Sums come out in another order on another machine, so that the weights are the same only on one like this.

## Measured

`docs/demo-results.md` has the whole table, and says how it was measured.

{scores_of(name)}
"""


def scores_of(name: str) -> str:
    """Return this encoder's rows of the first table of the results."""
    if not SCORES.is_file():
        return ""
    lines = [line for line in SCORES.read_text(encoding="utf-8").split("\n## ")[1].splitlines() if line.startswith("|")]
    rows, task = lines[:2], ["", ""]
    for line in lines[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        task = cells[:3] if cells[0] else task
        if cells[3] == name:
            rows.append("| " + " | ".join([*task, *cells[3:]]) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
