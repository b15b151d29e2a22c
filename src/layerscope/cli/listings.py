"""What there is, as tables: models, tasks, plain features, probes, metrics, and what the cache holds."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from rich.table import Table

from layerscope.cli.terminal import plain_table, print_table
from layerscope.study.options import Models

if TYPE_CHECKING:
    from layerscope.features.cached_stores import CachedStore

__all__ = ["LISTS", "cache_table", "print_encoders"]


def list_models() -> Table:
    """Return the published models as a table."""
    from layerscope.encoders.published_models import catalogue

    table = plain_table("name", "layers", "official", "width", "million", "Hz in", "frames/s", "on disk",
                        "licence of weights", "of code")  # fmt: skip
    for facts in catalogue():
        table.add_row(
            facts.name, f"0–{facts.depth}", facts.official, facts.widths, f"{facts.million:.0f}",
            str(facts.sample_rate), facts.frame_rates, "yes" if facts.cached else "no", facts.licence, facts.code,
        )  # fmt: skip
    table.caption = (
        "Also: a directory, or hf:owner/name, in any of their layouts, HuBERT's, wav2vec 2.0's, WavLM's,\n"
        "data2vec-audio's, UniSpeech's, Whisper's, AST's, CLAP's, Dasheng's, EnCodec's or DAC's (docs/models.md);\n"
        "random:NAME is the untrained twin. No code of a repository is run."
    )
    return table


def list_tasks() -> Table:
    """Return the tasks of the benchmark as a table."""
    from layerscope.targets import kinds
    from layerscope.tasks import PAPER_TASKS, data_directory, known_tasks

    table = plain_table("name", "kind", "train", "valid", "test", "metric", "size", "on disk", "paper", "licence")
    for name, task in known_tasks().items():
        sizes = [f"{task.expected[split]:,}" if split in task.expected else "?" for split in ("train", "valid", "test")]
        there = "yes" if (data_directory() / task.folder).is_dir() else "no"
        table.add_row(name, task.kind, *sizes, kinds()[task.kind].metrics[0].name, task.source.size, there,
                      "yes" if name in PAPER_TASKS else "", task.source.licence)  # fmt: skip
    table.caption = f"Data are looked for in {data_directory()} (LAYERSCOPE_DATA, or --root)."
    return table


def list_baselines() -> Table:
    """Return the plain features as a table."""
    from layerscope.encoders import BASELINES

    table = plain_table("name", "width", "frames/s", "what")
    for name, (function, width, hop) in BASELINES.items():
        table.add_row(name, str(width), str(24_000 // hop), str(function.__doc__).split(",")[0].removeprefix("Return "))
    return table


def list_probes() -> Table:
    """Return the probes as a table."""
    from layerscope.probes import PROBES

    table = plain_table("name", "what")
    for name, fit in PROBES.items():
        doc = sys.modules[fit.__module__].__doc__ or ""
        table.add_row(name, doc.split("\n")[0].removesuffix("."))
    return table


def list_metrics() -> Table:
    """Return the metrics as a table."""
    from layerscope.targets import kinds

    table = plain_table("target", "metric", "chooses layers")
    for kind in kinds().values():
        for metric in kind.metrics:
            table.add_row(kind.name, metric.name, "yes" if metric is kind.metrics[0] else "")
    return table


def cache_table(stores: list[CachedStore]) -> Table:
    """Return a row for each store of the cache."""
    table = plain_table("model", "window", "kept", "MB", "last added")
    for store in stores:
        day = time.strftime("%Y-%m-%d", time.localtime(store.changed)) if store.changed else ""
        kept = "frames" if store.frames else "summaries"
        table.add_row(store.encoder, f"{store.window:g} s", kept, f"{store.size / 1e6:,.1f}", day)
    return table


def print_encoders(models: Models) -> None:
    """Hold encoders to the contract, and print what they are."""
    from layerscope.encoders import verify

    table = plain_table("model", "layers", "width", "Hz in", "frames/s", "window, s", "shortest, s", "fingerprint")
    for name in models.model:
        encoder = models.load(name, layers=models.layers)
        verify(encoder, name)
        narrow, wide = min(encoder.widths), max(encoder.widths)
        table.add_row(
            encoder.name, f"{encoder.layers[0]}–{encoder.layers[-1]}",
            f"{narrow}–{wide}" if narrow < wide else str(wide), str(encoder.sample_rate),
            f"{encoder.frame_rate:g}", f"{encoder.window:.4g}", f"{encoder.minimum_samples / encoder.sample_rate:.3f}",
            encoder.fingerprint[:12],
        )  # fmt: skip
    table.caption = (
        "The contract is kept: shapes, types and rates as stated; the same states again, alone and in a batch;\n"
        "nothing that is not finite."
    )
    print_table(table)


#: What `layerscope ls` can list.
LISTS = {
    "models": list_models,
    "tasks": list_tasks,
    "baselines": list_baselines,
    "probes": list_probes,
    "metrics": list_metrics,
}
