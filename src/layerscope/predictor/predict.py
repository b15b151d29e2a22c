"""A layer and a probe at work: sound in, labels out, with the numbers of the run they come from."""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from layerscope.data.audio import RATES, load, refuse_unheard
from layerscope.encoders import Encoder, load_encoder
from layerscope.encoders.device import find_device, refuse_batch_seconds, refuse_precision
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.exported_encoder import read_portable
from layerscope.encoders.model_names import names_code
from layerscope.errors import AudioError, DataError, UsageError, checks_arguments, unknown
from layerscope.features.attended_frames import attended_means
from layerscope.features.clip_states import ClipStates
from layerscope.features.decoding import refuse_short
from layerscope.features.encoder_pass import Pass
from layerscope.features.windows import FRAME_RATE
from layerscope.predictor.manifest import MANIFEST, PROBE, Manifest, digests, read_manifest
from layerscope.probes import apply_probe
from layerscope.probes.frame_targets import averaged, context
from layerscope.probes.inputs import BLOCKS
from layerscope.targets import Calibration, KindOverTime, kind_named

__all__ = ["Predictor", "load_predictor"]

Samples = NDArray[np.floating]
Threshold = float | Mapping[str, float]


class Predictor:
    """Encoder, probe and what turns scores into answers.

    Parameters
    ----------
    manifest : Manifest
        What it answers, and how.
    encoder : Encoder
        Which gives the layers that are needed.
    weights : mapping of str to ndarray
        Of the probe; see `apply_probe`.
    """

    def __init__(self, manifest: Manifest, encoder: Encoder, weights: Mapping[str, NDArray[Any]]) -> None:
        self.manifest = manifest
        self.encoder = encoder
        self.weights = weights
        self.kind = kind_named(manifest.kind)
        self.positions = [encoder.layers.index(layer) for layer in manifest.layers]

    @checks_arguments
    def at(self, threshold: Threshold) -> Predictor:
        """Return this predictor with other thresholds of tags.

        Parameters
        ----------
        threshold : float or mapping of str to float
            The probability, in [0, 1], from which on a tag is given: of all tags, or of some by their names.

        Raises
        ------
        UsageError
            If it answers no tags, has no such tag, or a threshold is no probability.
        """
        known = dict(zip(self.manifest.names, self.manifest.thresholds, strict=False))
        # Beats have thresholds of their frames, which decode them and decide nothing alone.
        if self.kind.form != "tags" or self.kind.over_time:
            raise UsageError(f"a threshold is of tags; this predictor answers {self.kind.words(self.manifest.names)}")
        asked = threshold if isinstance(threshold, Mapping) else dict.fromkeys(known, threshold)
        for name, share in asked.items():
            if name not in known:
                raise unknown("tag", str(name), known)
            # False and NaN are no probabilities either.
            if isinstance(share, bool) or not isinstance(share, numbers.Real) or not 0 <= share <= 1:
                raise UsageError(f"a threshold is a probability in [0, 1], not {share!r} ({name})")
        thresholds = [float(asked.get(name, known[name])) for name in known]
        return Predictor(replace(self.manifest, thresholds=thresholds), self.encoder, self.weights)

    @checks_arguments
    def __call__(
        self,
        sound: str | Path | Samples | torch.Tensor,
        sample_rate: int | None = None,
        *,
        threshold: Threshold | None = None,
    ) -> dict[str, Any]:
        """Return the answer for a file or a waveform.

        Parameters
        ----------
        sound : str, Path, ndarray or Tensor
            A file, or samples, (samples,), (channel, samples) as torchaudio has them or (samples, channel) as soundfile
            does: the longer axis is time. Nominally in [-1, 1]; whole numbers are taken as a file's of their width.
            Channels are averaged.
        sample_rate : int, optional
            In Hz, of samples; they are resampled where the encoder wants another.
        threshold : float or mapping of str to float, optional
            Of tags; see `at`. By default those that were best for F1 on the validation clips.

        Returns
        -------
        dict
            ``label`` and ``probabilities`` (classes, key), ``tags`` and ``probabilities`` (tags), ``values``;
            of targets over time ``spans``, a list of (start, end, label), or ``beats`` and ``downbeats``, in seconds.

        Raises
        ------
        AudioError
            If there is less sound than the encoder needs, or values are none of sound.
        UsageError
            If samples have no rate, or are no waveform.
        """
        if threshold is not None:
            return self.at(threshold)(sound, sample_rate)
        return self.batch([sound], sample_rate)[0]

    @checks_arguments
    def predict_file(self, path: str | Path) -> dict[str, Any]:
        """Return the answer for a file.

        Raises
        ------
        AudioError
            If it cannot be read.
        """
        return self(path)

    @checks_arguments
    def batch(
        self, sounds: Sequence[str | Path | Samples | torch.Tensor], sample_rate: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the answers for several sounds, of which those of one length go through the encoder together.

        Parameters
        ----------
        sounds : sequence of str, Path, ndarray or Tensor
            Each as `__call__` takes it.
        sample_rate : int, optional
            In Hz, of all that are samples.

        Raises
        ------
        AudioError, UsageError
            As `__call__` does, for the first that cannot be used.
        """
        clips = {f"sound {number}": self.heard(sound, sample_rate) for number, sound in enumerate(sounds, 1)}
        return self.answers(clips)

    def answers(self, clips: Mapping[str, NDArray[np.float32]]) -> list[dict[str, Any]]:
        """Return the answers for what `heard` has returned, by the names that messages are to have."""
        return [self.answer(self.scores(states)) for states in self.one_pass.states_of(clips)]

    def heard(self, sound: str | Path | Samples | torch.Tensor, sample_rate: int | None = None) -> NDArray[np.float32]:
        """Return samples at the encoder's rate, (samples,), or raise what `__call__` raises."""
        if isinstance(sound, (str, os.PathLike)):
            samples = load(Path(sound), self.encoder.sample_rate)
            # By the file's name, and before any other is encoded.
            refuse_short(self.encoder, samples, str(sound))
            return samples
        if sample_rate is None or not RATES[0] <= sample_rate <= RATES[1]:
            wanted = f"a whole number from {RATES[0]} to {RATES[1]}"
            raise UsageError(f"a waveform needs its sample rate in Hz, {wanted}, not {sample_rate!r}")
        samples = mono(sound)
        if sample_rate != self.encoder.sample_rate:
            samples = soxr.resample(samples, sample_rate, self.encoder.sample_rate)
        try:
            refuse_unheard(samples)
        except AudioError as error:
            raise AudioError(f"the waveform {error}") from error
        refuse_short(self.encoder, samples, "the waveform")
        return samples

    def scores(self, states: ClipStates) -> NDArray[np.float32]:
        """Return what the probe says of a clip's states: (output,), or (frame, output) over time."""
        if isinstance(self.kind, KindOverTime):
            return apply_probe(self.weights, self.assemble(self.frames(states, self.kind.divisor)))
        if self.attends:
            return apply_probe(self.weights, self.attended(states))[0]
        return apply_probe(self.weights, self.assemble([layer.numpy() for layer in states.pooled])).mean(axis=0)

    @cached_property
    def one_pass(self) -> Pass:
        """Return the way from samples to states, as the run took it."""
        every = self.kind.over_time or self.manifest.stitched
        return Pass(self.encoder, self.manifest.window, frames=every, attended=self.attends)

    @property
    def attends(self) -> bool:
        """Return whether the probe pools the frames of a clip itself."""
        return self.manifest.probe == "attention"

    def attended(self, states: ClipStates) -> NDArray[np.float32]:
        """Return the frames of a clip that the probe attends to, (frame, width)."""
        frames = kept_frames(states)[self.positions[0]]
        return attended_means(frames) if self.manifest.stitched else frames

    def frames(self, states: ClipStates, divisor: int) -> list[NDArray[np.float32]]:
        """Return the states of a track's frames, so many averaged to one, (frame, width) for each layer."""
        layers = [averaged(frames, divisor) for frames in kept_frames(states)]
        return [context(layer, FRAME_RATE / divisor) for layer in layers] if self.encoder.baseline else layers

    def assemble(self, layers: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the probe's input for states of the encoder's layers, each (window, width)."""
        name, states = self.manifest.input, [layers[position] for position in self.positions]
        if name in BLOCKS:
            # Blocks are kept with the mean, or the frame itself, in front.
            return states[0][:, : states[0].shape[1] // BLOCKS[name]]
        if name.startswith("mean("):
            return np.mean(states, axis=0)
        return np.stack(states, axis=1) if name.startswith("weighted") else np.concatenate(states, axis=1)

    def answer(self, scores: NDArray[np.float32]) -> dict[str, Any]:
        """Return what scores say, in the words of the target."""
        calibration = Calibration(self.manifest.calibration, self.manifest.thresholds, self.manifest.surest)
        if isinstance(self.kind, KindOverTime):
            rate = FRAME_RATE / self.kind.divisor
            return self.kind.as_answer(self.kind.decode([scores], self.manifest.names, rate, calibration)[0])
        return self.kind.answer(scores, self.manifest.names, calibration)


def kept_frames(states: ClipStates) -> list[NDArray[np.float32]]:
    """Return the frames of a clip, (frame, width) for each layer, rounded as the run kept them."""
    return [(halves.float() * scale).numpy() for halves, scale in states.frames]


def mono(sound: Any) -> NDArray[np.float32]:
    """Return samples, (samples,), of a waveform in any of the usual shapes.

    Raises
    ------
    UsageError
        If it is none.

    Examples
    --------
    >>> mono(np.array([[0, 16384], [0, 16384], [16384, 16384]], np.int16))  # (samples, channel)
    array([0.25, 0.25, 0.5 ], dtype=float32)
    """
    waveform = np.asarray(sound.detach().cpu() if isinstance(sound, torch.Tensor) else sound)
    if waveform.dtype.kind not in "fiu" or waveform.ndim not in (1, 2) or not waveform.size:
        raise UsageError(
            f"a waveform is an array of numbers, (samples,) or (channel, samples), not {waveform.dtype} of shape "
            f"{waveform.shape}"
        )
    if waveform.dtype.kind == "u":
        raise UsageError("a waveform of unsigned whole numbers has no zero that is known; give signed ones or floats")
    # NumPy's own whole numbers, which lists and sums become: those of 16 bits would be all but silence.
    if waveform.dtype.kind == "i" and waveform.itemsize > 4:
        raise UsageError(
            f"a waveform of {waveform.dtype}, as no file has them, may be of any width; give int16, int32 or floats"
        )
    # Whole numbers are read as a file of that width would be.
    scale = 2.0 ** (8 * waveform.itemsize - 1) if waveform.dtype.kind == "i" else 1.0
    if waveform.ndim == 2:
        waveform = waveform.mean(axis=int(np.argmin(waveform.shape)))
    return (waveform / scale).astype(np.float32)


@checks_arguments
def load_predictor(
    directory: str | Path,
    encoder: Encoder | None = None,
    *,
    device: str | torch.device = "auto",
    precision: str | None = None,
    batch_seconds: float | None = None,
) -> Predictor:
    """Return the predictor that ``layerscope export`` wrote.

    Parameters
    ----------
    directory : str or Path
        Its directory; nothing else is needed, unless it was exported without weights.
    encoder : Encoder, optional
        The one that the run used, where that is somebody's own: it is code, and is not loaded by what a directory says.
    device, batch_seconds : str or torch.device, float, optional
        See `layerscope.load_encoder`.
    precision : str, optional
        How the network computes; by default as in the run, on whose states the probe was trained.

    Raises
    ------
    UsageError
        If it is no such directory, its encoder is somebody's own and is not given, or there is no such device or
        precision here.
    DataError
        If a file of it is missing or not what was written.

    Examples
    --------
    >>> import tempfile
    >>> from layerscope.study.export import export
    >>> from layerscope.study.options import make_plan
    >>> from layerscope.study.run import run
    >>> from layerscope.toymusic.composed_dataset import write_notes
    >>> place = Path(tempfile.mkdtemp())
    >>> notes = write_notes(place, count=40, first_seed=0, seconds=0.3)
    >>> plan = {"data": str(notes), "target": "instrument", "baseline": "mel", "probe": "closed"}
    >>> _ = run(make_plan(plan, "example"), place / "run")
    >>> _ = export(place / "run", place / "use", insist=True)  # forty notes prove nothing
    >>> predictor = load_predictor(place / "use")
    >>> answer = predictor(np.random.default_rng(0).normal(size=44_100), sample_rate=44_100)
    >>> sorted(answer)
    ['label', 'probabilities']
    """
    refuse_batch_seconds(batch_seconds)
    directory = Path(directory)
    path = directory / MANIFEST
    if not path.is_file():
        raise UsageError(f"{directory}: not a predictor ({MANIFEST} is missing); make one with `layerscope export`")
    manifest = read_manifest(path)
    found = digests(directory)
    for name, sha in manifest.files.items():
        if found.get(name) != sha:
            what = "is missing" if name not in found else "is not the file that was exported: it is damaged or changed"
            raise DataError(f"{directory / name}: {what}; export it again")
    try:
        encoder = encoder_of(manifest.encoder, directory, encoder, device, precision)
    except (KeyError, TypeError, ValueError, IndexError) as error:  # settings that are missing or of another type
        raise DataError(f"{path}: its encoder is not understood ({error!r}); export it again") from error
    if batch_seconds is not None:
        encoder.batch_seconds = batch_seconds
    missing = sorted(set(manifest.layers) - set(encoder.layers))
    if missing:
        raise DataError(f"{directory}: {encoder.name} does not give layer {missing[0]}, which the probe was trained on")
    return Predictor(manifest, encoder, load_file(directory / PROBE))


def encoder_of(
    told: dict[str, Any], directory: Path, encoder: Encoder | None, device: str | torch.device, precision: str | None
) -> Encoder:
    """Return the encoder that a manifest tells of: in its directory, where it refers to, or the one that is given.

    Nothing that a directory says is imported: code is run only where the caller names it.
    """
    exported = str(told.get("precision", "float32"))
    precision = precision or exported
    if "code" in told or "reference" not in told:
        if "code" not in told:
            place = find_device(device)
            refuse_precision(precision, place)
            return read_portable(told, directory, place, precision)
        if encoder is None:
            raise UsageError(
                f"{directory}: was trained on '{told['name']}', an encoder of somebody's own ('{told['code']}'), whose "
                "code is not run because a directory says so; if you trust it, give --encoder module:factory"
            )
        loaded, name = encoder, encoder.name
        if isinstance(loaded, LayeredEncoder):
            loaded = loaded.as_it_is().at(precision)
    elif names_code(told["reference"]):
        raise DataError(f"{directory}: refers to code ('{told['reference']}'), which is not run; export it again")
    else:
        loaded = load_encoder(told["reference"], layers=told["select"], device=device, precision=precision)
        name = told["reference"]
    # By the precision of the run, whatever that of this use is.
    fingerprint = loaded.fingerprint_at(exported) if isinstance(loaded, LayeredEncoder) else loaded.fingerprint
    if fingerprint != told["fingerprint"]:
        raise DataError(
            f"{directory}: '{name}' is not the encoder that was exported (its weights or code differ); export again"
        )
    return loaded
