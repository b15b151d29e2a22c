"""What decides on the states of a pass, and so the name of its store: the same is found again, else made anew."""

from __future__ import annotations

from pathlib import Path

import soxr

from layerscope.encoders.encoder import Encoder, fingerprint_of, source_digest
from layerscope.features.attended_frames import ATTENDED_RATE, MOST_ATTENDED
from layerscope.features.pooling import Pooling
from layerscope.features.store import FeatureStore
from layerscope.features.windows import FRAME_RATE

__all__ = ["store_of"]

#: Files that decide what states are.
SOURCES = tuple(
    f"layerscope.{name}"
    for name in (
        *("data.audio", "data.sound_parts", "data.unread_formats", "data.sound_chunks", "data.unfinished_headers"),
        *("data.mpeg_audio", "data.ogg_pages", "data.file_views", "features.encoder_pass", "features.decoding"),
        *("features.batches", "features.clip_states", "features.pooling", "features.shard_writer", "features.windows"),
    )
)


def store_of(
    cache: Path, encoder: Encoder, window: float, pooling: Pooling, *, frames: bool, attended: bool
) -> FeatureStore:
    """Return the store of a pass in a cache directory.

    Parameters
    ----------
    cache : Path
        The directory.
    encoder, window, pooling, frames, attended
        See `layerscope.features.encoder_pass.Pass`.
    """
    description = {
        "encoder": encoder.name,
        "fingerprint": encoder.fingerprint,
        "layers": list(encoder.layers),
        "widths": list(encoder.widths),
        "baseline": encoder.baseline,
        "untrained": encoder.untrained,
        "precision": encoder.precision,
        "official": [encoder.official_name(layer) for layer in encoder.layers],
        "window_seconds": window,
        "frames_per_second": FRAME_RATE if frames else None,
        "pooling": pooling,
        "resampler": f"soxr {soxr.__version__} HQ",
        # States of code that has changed since must not be found (docs/decisions.md, "Keys are contents").
        "source": source_digest(*SOURCES),
    }
    if attended and not frames:
        # Only then, so that stores without them keep their names.
        description["attended_frames"] = f"{ATTENDED_RATE} a second, {MOST_ATTENDED} of a clip at most"
        description["source"] = source_digest(*SOURCES, "layerscope.features.attended_frames")
    # The name is left out, so that the same network under another name finds the same states; of the precision the
    # encoder's fingerprint tells.
    anonymous = {key: value for key, value in description.items() if key not in ("encoder", "precision")}
    return FeatureStore(cache / "features" / fingerprint_of(anonymous), description)
