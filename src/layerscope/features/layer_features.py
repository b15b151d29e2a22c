"""A layer as a step of a scikit-learn pipeline: paths of audio files in, one vector a file out."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from layerscope.atomic_files import cache_directory
from layerscope.data.dataset import Dataset
from layerscope.encoders import Encoder, load_encoder
from layerscope.encoders.published_models import RANDOM
from layerscope.errors import AudioError, DataError, ModelError, UsageError, checks_arguments
from layerscope.features.encoder_pass import Pass
from layerscope.features.row_blocks import clip_means
from layerscope.features.stored_features import stored_features

__all__ = ["LayerFeatures"]


class LayerFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The states of a layer, averaged over time, as a scikit-learn transformer.

    What is encoded is kept in the cache, so that a grid search encodes each file once, whatever the layers it tries.

    Parameters
    ----------
    model : str or Path
        A model or plain feature, as `layerscope.load_encoder` takes it.
    layer : int, optional
        Which; the last by default.
    window : float, optional
        Longest window in seconds; the model's own by default.

    Attributes
    ----------
    n_features_out_ : int
        Width of the layer.
    fingerprint_ : str
        Of the network that was looked at: what follows in the pipeline was trained on its states.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from layerscope.toymusic.composed_dataset import write_notes
    >>> notes = write_notes(Path(tempfile.mkdtemp()), count=12, first_seed=0, seconds=0.3)
    >>> dataset = Dataset.load(notes)
    >>> pipeline = make_pipeline(LayerFeatures("mel"), LogisticRegression())
    >>> pipeline.fit(dataset.clips.path, dataset.clips.instrument).predict(dataset.clips.path[:1]).shape
    (1,)
    """

    @checks_arguments
    def __init__(self, model: str | Path = "toy-muq", layer: int | None = None, window: float | None = None) -> None:
        self.model = model
        self.layer = layer
        self.window = window

    def __sklearn_tags__(self) -> Any:
        """Say that it takes a list of texts: checks that feed it tables of numbers do not apply."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = tags.input_tags.string = True
        return tags

    def fit(self, X: ArrayLike, y: Any = None) -> LayerFeatures:  # noqa: ARG002 - scikit-learn's names
        """Look at the model; nothing is learnt.

        Parameters
        ----------
        X : array-like of str or Path, shape (file,)
            Audio files.
        y : object
            Not used.

        Raises
        ------
        UsageError
            If there is no such model, it has no such layer, or a parameter is of a wrong type.
        DataError
            If `X` is no list of paths.
        """
        paths_of(X)
        # What a search set was never seen by the constructor.
        type(self)(**self.get_params(deep=False))
        if self.window is not None and not 0 < self.window < np.inf:
            raise UsageError(f"window is {self.window}; give seconds above 0")
        encoder = loaded(self.model)
        layer = encoder.layers[-1] if self.layer is None else self.layer
        if layer not in encoder.layers:
            raise UsageError(f"{self.model} has layers {encoder.layers[0]} to {encoder.layers[-1]}, not {layer}")
        self.layer_ = layer
        self.fingerprint_ = encoder.fingerprint
        self.n_features_out_ = encoder.widths[encoder.layers.index(layer)]
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the layer's states, averaged over each file.

        Parameters
        ----------
        X : array-like of str or Path, shape (file,)
            Audio files.

        Returns
        -------
        ndarray, shape (file, width), float32

        Raises
        ------
        AudioError
            If a file cannot be used: rows would no longer be those of `X`.
        DataError
            If none can.
        ModelError
            If the model is another network by now.
        """
        check_is_fitted(self)
        paths = paths_of(X)
        encoder = loaded(self.model)
        if encoder.fingerprint != self.fingerprint_:
            raise ModelError(f"{self.model} is another network than it was in fit (weights or code differ); fit again")
        distinct = list(dict.fromkeys(paths))
        table = pd.DataFrame({"clip": distinct, "path": distinct, "start": 0.0, "end": np.nan})
        surveyed = Dataset("files", table).survey()
        one_pass = Pass(encoder, self.window or encoder.window)
        store = one_pass.store(cache_directory())
        # No frames are sampled: nobody compares layers here.
        failed = one_pass.extract(surveyed.clips, store, sample=0).failed
        keys = dict(zip(surveyed.clips["clip"], surveyed.clips.clip_key, strict=True))
        reasons = {**surveyed.skipped, **{path: failed[key] for path, key in keys.items() if key in failed}}
        if reasons:
            raise AudioError(f"{len(reasons)} of {len(distinct)} files cannot be used; {next(iter(reasons.values()))}")
        features = stored_features(store, surveyed.clips)
        windows = features.read(encoder.layers.index(self.layer_))[:][:, : self.n_features_out_]
        # Windows of a clip are equally long, so that the mean of their means is the clip's.
        means = clip_means(windows, features.window_clip, len(distinct))
        return means[[distinct.index(path) for path in paths]]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:  # noqa: ARG002 - scikit-learn's name
        """Return a name for each column, such as ``toy-muq_3_0``."""
        check_is_fitted(self)
        return np.array(
            [f"{self.model}_{self.layer_}_{column}" for column in range(self.n_features_out_)], dtype=object
        )


def loaded(model: str | Path) -> Encoder:
    """Return an encoder, the same one for every step of a search while its files stay as they are."""
    place = Path(str(model).removeprefix(RANDOM)).expanduser().absolute()
    files = [place, *place.rglob("*")] if place.is_dir() else [place] if place.exists() else []
    return loaded_once(model, tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=1)
def loaded_once(model: str | Path, files: tuple[tuple[str, int, int], ...]) -> Encoder:  # noqa: ARG001 - tells them apart
    """Return an encoder whose files, where it has any here, are of those sizes and times."""
    return load_encoder(model)


def paths_of(files: Any) -> list[str]:
    """Return the paths that were given, one a row."""
    rows = np.asarray(files, dtype=object)
    # A column of a table is as good as a list.
    rows = rows[:, 0] if rows.ndim == 2 and rows.shape[1] == 1 else rows
    if rows.ndim != 1 or not len(rows):
        raise DataError(f"expected a list of audio files, not an array of shape {rows.shape}")
    strangers = [row for row in rows if not isinstance(row, (str, os.PathLike))]
    if strangers:
        raise DataError(f"expected paths of audio files, found {strangers[0]!r}")
    return [str(Path(row).expanduser().absolute()) for row in rows]
