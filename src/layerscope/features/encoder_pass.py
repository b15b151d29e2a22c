"""The one way from clips to states: decode, cut, encode, stitch, summarise, keep.

Each distinct (audio span, encoder) is decoded and encoded once; what it leaves is keyed by content, so that another
task, layer, probe, seed or command finds it again. States are summarised on the device where they arise, and only what
is kept comes to the CPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.atomic_files import sweep
from layerscope.data.audio import is_surveyed, sound_digest
from layerscope.encoders.encoder import Encoder
from layerscope.encoders.own_encoder import author_answers, is_own, memory_faults
from layerscope.errors import AudioError, UsageError
from layerscope.features.attended_frames import attended_of_clip
from layerscope.features.batches import BatchSize, Window, encode_windows
from layerscope.features.cache_key import store_of
from layerscope.features.clip_states import Assembly, ClipStates, refuse_non_finite, take_together
from layerscope.features.decoding import AHEAD_SECONDS, Ahead, ClipDecoder, Decoded, decoders, decoding_workers
from layerscope.features.frame_sample import FRAMES_A_CLIP, sampled_frames, sampled_of_clips
from layerscope.features.pooling import MOMENTS, SPREAD, Pooling
from layerscope.features.shard_writer import Shard, ShardWriter
from layerscope.features.store import ClipEntry, FeatureStore
from layerscope.features.windows import FRAME_RATE, Cutting, frame_count

__all__ = ["Extraction", "Pass", "among"]

Samples = NDArray[np.float32]
Progress = Callable[[int, float], None]
#: What encodes the missing clips of shards: a pass, the shards, where they go, frames to sample, counts, progress.
ShardsEncoder = Callable[
    ["Pass", Sequence[pd.DataFrame], FeatureStore, Mapping[str, int], "Extraction", Progress], None
]

#: A shard is the unit of resumption: a killed run repeats the one being encoded and the two being written at most.
SHARD_SECONDS = 300.0
#: The other bound, which clips below 1.2 s reach first: it keeps the list of clips in a shard's header short.
SHARD_CLIPS = 256
#: Share of its time that a pass looks for what other runs have added, at most: the longer a store, the longer it takes.
LOOKING = 0.02


@dataclass
class Extraction:
    """What a pass did, and what it could not use.

    Attributes
    ----------
    decoded, encoded, cached : int
        Clips that were decoded, clips that were encoded, and clips that were there already.
    windows : int
        Windows that went through the encoder.
    failed : dict of str to str
        Key of each clip that could not be used, and why.
    """

    decoded: int = 0
    encoded: int = 0
    cached: int = 0
    windows: int = 0
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pass:
    """An encoder on its way over clips.

    Attributes
    ----------
    encoder : Encoder
        All its layers are kept.
    window : float
        Longest window in seconds.
    frames : bool
        Whether every frame is kept, beside the summary of its window.
    attended : bool
        Whether some frames are kept for probes that attend to them, where not all are.
    spread : bool
        Whether deviation and maximum are kept beside the mean, of models.
    """

    encoder: Encoder
    window: float
    frames: bool = False
    attended: bool = False
    spread: bool = False

    def __post_init__(self) -> None:
        """Raise for windows that are shorter than what the encoder can take."""
        shortest = self.encoder.minimum_samples / self.encoder.sample_rate
        if self.window < shortest:
            raise UsageError(
                f"a window of {self.window:g} s is shorter than the {shortest:.3g} s that {self.encoder.name} needs; "
                "give a longer one"
            )

    @property
    def cutting(self) -> Cutting:
        """Return how clips are cut."""
        return Cutting(self.window, overlapping=self.frames)

    @cached_property
    def batch_size(self) -> BatchSize:
        """Return how much is encoded at once, which the pass learns as it goes."""
        return BatchSize(self.encoder)

    @property
    def pooling(self) -> Pooling:
        """Return how frames are summarised: plain features by six moments, the mean among them."""
        return "moments" if self.encoder.baseline else "spread" if self.spread else "mean"

    @property
    def on_gpu(self) -> bool:
        """Return whether the CPU is free while the encoder works."""
        return self.encoder.device.partition(":")[0] in ("cuda", "mps")

    @property
    def decodes_by_processes(self) -> bool:
        """Return whether processes decode, which take seconds to begin, and not threads."""
        return self.on_gpu and not self.encoder.reads_files

    @property
    def decoder(self) -> ClipDecoder:
        """Return what decodes clips for the encoder."""
        encoder = self.encoder
        return ClipDecoder(encoder.name, encoder.sample_rate, encoder.minimum_samples, self.cutting)

    def stored_bytes(self, clips: pd.DataFrame) -> float:
        """Return what clips take on disk."""
        width, seconds = sum(self.encoder.widths), clips.drop_duplicates("clip_key").clip_seconds
        windows = sum(len(self.cutting.pooled_spans(length)) for length in seconds)
        # Pooled states are float32 (4 bytes), kept and sampled frames float16 (2).
        pooled = 4 * windows * width * {"moments": MOMENTS, "spread": SPREAD}.get(self.pooling, 1)
        return pooled + 2 * width * (self.kept_frames(seconds) + sum(sampled_of_clips(clips, width).values()))

    def kept_frames(self, seconds: Iterable[float]) -> float:
        """Return how many frames clips of these lengths keep: all of them, some, or none."""
        if self.frames:
            return FRAME_RATE * float(sum(seconds))
        return float(sum(attended_of_clip(length, self.cutting) for length in seconds)) if self.attended else 0.0

    def store(self, cache: Path) -> FeatureStore:
        """Return the store of this pass in a cache directory."""
        return store_of(cache, self.encoder, self.window, self.pooling, frames=self.frames, attended=self.attended)

    def states_of(self, clips: Mapping[str, Samples]) -> list[ClipStates]:
        """Return the states of clips that are at hand, on the CPU.

        Parameters
        ----------
        clips : mapping of str to ndarray, shape (samples,), float32
            Samples at the encoder's rate, as many as it needs at the least (`refuse_short`), by names for messages.

        Raises
        ------
        ModelError
            If a state is not finite.
        """
        assemblies, windows = [], []
        for name, samples in clips.items():
            cut, spans = self.cutting.cut(samples, self.encoder.sample_rate)
            windows.append(list(cut))
            # Nothing is sampled: samples serve comparisons, which read the store.
            none = np.zeros(0, np.int64)
            assemblies.append(self.assembly(spans, name, none))
        self.encode(assemblies, windows, lambda _: None)
        states = [clip.states.on_cpu() for clip in assemblies]
        for name, clip in zip(clips, states, strict=True):
            for layer, pooled in zip(self.encoder.layers, clip.pooled, strict=True):
                refuse_non_finite(self.encoder, layer, pooled.numpy(), [name], [len(pooled)])
        return states

    def assembly(self, spans: list[tuple[float, float]], name: str, rows: NDArray[np.int64]) -> Assembly:
        """Return what the windows of a clip are put together in."""
        attends = self.attended and not self.frames
        return Assembly(self.encoder, self.cutting, self.pooling, spans, name, rows, attends)

    def encode(
        self, clips: Sequence[Assembly], windows: Sequence[Sequence[Any]], finish: Callable[[int], None]
    ) -> None:
        """Encode the windows of several clips, those of equal length together."""
        if self.encoder.reads_files:
            for clip, (states,) in zip(clips, windows, strict=True):
                take_together([(clip, 0)], [layer[None] for layer in states])
                finish(1)
        else:
            cuts = zip(clips, windows, strict=True)
            together = [Window(clip, number, samples) for clip, cut in cuts for number, samples in enumerate(cut)]
            encode_windows(self.encoder, self.batch_size, together, finish)

    def missing(self, clips: pd.DataFrame, store: FeatureStore, sample: int = FRAMES_A_CLIP) -> dict[str, int]:
        """Return the keys of clips that the store lacks, and how many of the frames of each are to be sampled."""
        wanted = sampled_of_clips(clips, sum(self.encoder.widths), sample)
        return {key: count for key, count in wanted.items() if not store.holds(key, count)}

    def extract(
        self,
        clips: pd.DataFrame,
        store: FeatureStore,
        progress: Progress = lambda *_: None,
        sample: int = FRAMES_A_CLIP,
        encode_shards: ShardsEncoder | None = None,
    ) -> Extraction:
        """Encode every clip that the store does not hold yet.

        Parameters
        ----------
        clips : DataFrame
            Columns ``clip``, ``path``, ``start``, ``end``, ``clip_key``, ``clip_seconds``.
        store : FeatureStore
            Where states go, shard by shard.
        progress : callable
            Called with the clips and the seconds of audio that have been dealt with since the last call.
        sample : int
            Frames of a clip that are sampled at most.
        encode_shards : callable, optional
            What encodes shards in place of this process, as `Pass.encode_shards` does.

        Returns
        -------
        Extraction
            With the reasons of the clips that could not be used.

        Raises
        ------
        ModelError
            If a state is not finite, naming clip and layer.
        ResourceError
            If the store cannot be written.
        """
        done = Extraction()
        self.encoder.expect_files(map(Path, clips.path))
        missing = self.missing(clips, store, sample)
        distinct = clips.drop_duplicates("clip_key")
        held = distinct[~among(missing, distinct)]
        done.cached = len(held)
        # Also where nothing is missing: a kill may come between a shard's name and the end of its temporary directory.
        sweep(store.directory)
        if len(held):
            progress(len(held), float(held.clip_seconds.sum()))
        # Planned over all clips, then filtered: which clips share a shard must not depend on what is stored already.
        shards = [rows for rows in plan_shards(distinct) if among(missing, rows).any()]
        (encode_shards or Pass.encode_shards)(self, shards, store, missing, done, progress)
        return done

    def encode_shards(
        self,
        shards: Sequence[pd.DataFrame],
        store: FeatureStore,
        missing: Mapping[str, int],
        done: Extraction,
        progress: Progress = lambda *_: None,
        executor: Executor | None = None,
    ) -> None:
        """Encode what is missing of shards, and count in `done` what was done; see `extract`.

        What decodes is started for these shards, unless it is given.
        """
        with nullcontext(executor) if executor else self.decoders() as decoding, ShardWriter(store) as writer:
            for found, rows, clips in self.ahead(shards, store, missing, decoding):
                if len(found):
                    done.cached += len(found)
                    progress(len(found), float(found.clip_seconds.sum()))
                self.add_shard(writer, rows, clips, missing, done, progress)

    def decoders(self) -> AbstractContextManager[Executor]:
        """Return what decodes for the pass, on all cores of this process."""
        return decoders(decoding_workers(), processes=self.decodes_by_processes)

    def ahead(
        self, shards: Sequence[pd.DataFrame], store: FeatureStore, missing: Mapping[str, int], executor: Executor
    ) -> Ahead:
        """Return of each shard the clips that another run has added meanwhile, and those to encode, being decoded."""

        def wanted() -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
            due = 0.0
            for shard in shards:
                # Another run may have added a shard since the last one; what it holds is not encoded twice.
                if (began := time.monotonic()) >= due:
                    store.refresh()
                    due = began + (time.monotonic() - began) / LOOKING
                rows = shard[among(missing, shard)]
                held = np.array([store.holds(key, missing[key]) for key in rows.clip_key], dtype=bool)
                yield rows[held], rows[~held]

        decode = self.read_file if self.encoder.reads_files else self.decoder.decode
        return Ahead(wanted(), decode, executor, AHEAD_SECONDS * decoding_workers())

    def read_file(self, path: str, start: float, end: float) -> Decoded:
        """Return the states of a clip, of an encoder that reads files; an end of NaN is that of the file."""
        encoder, place = self.encoder, Path(path)
        # The audio is decoded all the same: its digest shows the same sound in two splits.
        samples = self.decoder.samples(place, start, end)
        subject = f"{encoder.name}, given {path}"
        with author_answers(subject, type(encoder).__module__) if is_own(encoder) else nullcontext():
            states = encoder.encode_file(place, start, end)
        spans = [(0.0, states[0].shape[0] / encoder.frame_rate)]
        return Decoded([states], spans, sound_digest(samples), len(samples) / encoder.sample_rate)

    def add_shard(
        self,
        writer: ShardWriter,
        rows: pd.DataFrame,
        decoding: Iterable[Future[Decoded]],
        sampled: Mapping[str, int],
        done: Extraction,
        progress: Progress,
    ) -> None:
        """Encode the clips of a shard as they come out of the decoder, and have them written."""
        clips: list[Assembly] = []
        entries: list[ClipEntry] = []
        windows: list[Sequence[Any]] = []
        for row, future in zip(rows.itertuples(), decoding, strict=True):
            done.decoded += 1
            try:
                decoded = future.result()
                refuse_rewritten(row)
            except AudioError as error:
                # A clip that cannot be decoded costs itself alone; a state that is not finite ends the pass.
                done.failed[row.clip_key] = str(error)
                progress(1, row.clip_seconds)
                continue
            length = frame_count(decoded.spans[-1][1])
            frames = sampled_frames(row.clip_key, length, sampled[row.clip_key])
            windows.append(decoded.windows)
            clips.append(self.assembly(decoded.spans, row.clip, frames))
            entries.append(ClipEntry(row.clip_key, len(decoded.spans), decoded.seconds, decoded.sound, length))
        if not clips:
            return
        done.encoded += len(clips)
        done.windows += sum(map(len, windows))
        self.encode(clips, windows, window_progress(entries, progress))
        with memory_faults(self.encoder.name, f"a shard of {len(clips)} clips"):
            shard = Shard(clips, entries)
        writer.add(shard)


def refuse_rewritten(row: Any) -> None:
    """Raise for a clip whose file is not the one that was surveyed: its states would be kept as those of that."""
    written = getattr(row, "clip_written", None)
    if written is not None and not is_surveyed(Path(row.path), written, row.clip_key):
        raise AudioError(f"{row.path}: was written anew while the command ran; run it again")


def among(missing: Mapping[str, int], clips: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which clips are missing; pandas' own search would look through all that are, for every shard."""
    return np.array([key in missing for key in clips.clip_key], dtype=bool)


def plan_shards(clips: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Divide clips, in order, into shards; the same clips give the same shards, whatever is stored already."""
    first, seconds = 0, 0.0
    for row, length in enumerate(clips.clip_seconds):
        seconds += length
        if seconds >= SHARD_SECONDS or row + 1 - first >= SHARD_CLIPS or row + 1 == len(clips):
            yield clips.iloc[first : row + 1]
            first, seconds = row + 1, 0.0


def window_progress(entries: Sequence[ClipEntry], progress: Progress) -> Callable[[int], None]:
    """Return a callback that turns numbers of finished windows into clips and seconds of audio."""
    windows = sum(entry.windows for entry in entries)
    clips_a_window = len(entries) / windows
    seconds_a_window = sum(entry.seconds for entry in entries) / windows
    owed = 0.0

    def finish(count: int) -> None:
        nonlocal owed
        owed += count * clips_a_window
        # 1e-9, because shares such as three thirds may end a hair below the whole.
        whole = int(owed + 1e-9)
        owed -= whole
        progress(whole, count * seconds_a_window)

    return finish
