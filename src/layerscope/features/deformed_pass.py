"""A pass over deformed sound, into a store of its own, and clean and deformed clips side by side.

What a pass over clean sound leaves, and where, knows nothing of this.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import soxr

from layerscope.data.audio import load, measure
from layerscope.data.deformations import Deformation
from layerscope.encoders.encoder import fingerprint_of, source_digest
from layerscope.errors import AudioError
from layerscope.features.decoding import ClipDecoder, Samples
from layerscope.features.encoder_pass import Pass
from layerscope.features.store import FeatureStore

__all__ = ["DeformedPass", "deformed_key", "side_by_side"]


@dataclass(frozen=True)
class DeformingDecoder(ClipDecoder):
    """What decodes and deforms clips for an encoder."""

    deformation: Deformation

    def samples(self, path: Path, start: float, end: float) -> Samples:
        """Return what is heard of a clip, deformed."""
        # At the file's own rate, from which clean sound is resampled too.
        rate = measure(path)[1]
        clean = load(path, rate, start, end)
        try:
            deformed = self.deformation.of(clean, rate)
        except AudioError as error:
            raise AudioError(f"{path}: cannot be deformed by {self.deformation}: {error}") from error
        return deformed if rate == self.sample_rate else soxr.resample(deformed, rate, self.sample_rate)


@dataclass(frozen=True)
class DeformedPass(Pass):
    """An encoder, one that reads no files, on its way over deformed clips.

    Attributes
    ----------
    deformation : Deformation
        Of every clip.
    """

    deformation: Deformation = field(kw_only=True)

    def store(self, cache: Path) -> FeatureStore:
        """Return the store of this pass in a cache directory."""
        clean = super().store(cache)
        told = {
            "deformation": str(self.deformation),
            "deforming": source_digest("layerscope.data.deformations", __name__),
        }
        return FeatureStore(
            cache / "features" / fingerprint_of({"clean": clean.directory.name, **told}), {**clean.description, **told}
        )

    @property
    def decoder(self) -> DeformingDecoder:
        """Return what decodes and deforms clips for the encoder."""
        return DeformingDecoder(**vars(super().decoder), deformation=self.deformation)


def deformed_key(key: str, deformation: str) -> str:
    """Return the key of a deformed clip, beside those of clean ones."""
    return f"{key} {deformation}"


def side_by_side(clean: FeatureStore, deformed: Mapping[str, FeatureStore]) -> FeatureStore:
    """Return the clips of a store, and those of others under their `deformed_key`, as one store that is only read."""
    both = copy.copy(clean)
    stores = {deformation: store.directory.name for deformation, store in deformed.items()}
    # A name of its own, by which trainings on these clips are told from those on others.
    both.directory = clean.directory.with_name(fingerprint_of({"clean": clean.directory.name, "deformed": stores}))
    both._places = dict(clean._places)
    for deformation, store in deformed.items():
        both._places |= {deformed_key(key, deformation): places for key, places in store._places.items()}
    return both
