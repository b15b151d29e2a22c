import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

from conftest import write_tone
from layerscope.data.audio import load
from layerscope.encoders import load_encoder
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.published_models import packaged
from layerscope.errors import AudioError, DataError, ModelError, UsageError
from layerscope.features.layer_features import LayerFeatures


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    paths = [tmp_path / f"{number}.wav" for number in range(12)]
    for number, path in enumerate(paths):
        write_tone(path, 200 if number % 2 else 1500, 0.5, seed=number)
    return paths


def test_a_row_is_the_mean_of_the_layers_states(files):
    encoder = load_encoder("random:small")
    rows = LayerFeatures("random:small", layer=1).fit(files).transform(files[:2])
    for row, path in zip(rows, files, strict=False):
        states = encoder.layer_states(torch.from_numpy(load(path, encoder.sample_rate))[None])
        np.testing.assert_allclose(row, states[1][0].mean(dim=0), atol=1e-5)


def test_a_search_over_layers_encodes_each_file_once(files, monkeypatch):
    waveforms = []
    encode = LayeredEncoder.layer_states
    monkeypatch.setattr(
        LayeredEncoder, "layer_states", lambda encoder, batch: waveforms.extend(batch) or encode(encoder, batch)
    )
    pipeline = make_pipeline(LayerFeatures("random:small"), LogisticRegression())
    search = GridSearchCV(pipeline, {"layerfeatures__layer": [0, 1]}, cv=2)
    search.fit(np.array(files, dtype=object), np.arange(12) % 2)
    assert search.score(np.array(files, dtype=object), np.arange(12) % 2) == 1
    assert len(waveforms) == 12


def test_it_is_a_transformer_as_scikit_learn_means_it(files):
    step = LayerFeatures("mel")
    assert clone(step).get_params() == {"model": "mel", "layer": None, "window": None}
    rows = step.fit_transform([*files, files[0]])
    np.testing.assert_array_equal(rows[0], rows[-1])
    assert list(step.get_feature_names_out())[:1] == ["mel_0_0"]
    assert rows.shape == (13, len(step.get_feature_names_out()))


#: Those of scikit-learn's checks that feed an estimator no table of numbers.
CHECKS = (
    "check_estimator_cloneable", "check_estimator_repr", "check_estimator_tags_renamed", "check_get_params_invariance",
    "check_mixin_order", "check_no_attributes_set_in_init", "check_parameters_default_constructible",
    "check_set_params", "check_valid_tag_types",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_checks_hold_as_far_as_they_need_no_table_of_numbers():
    # It says by its tags what it takes, so that the whole suite leaves out what cannot be fed.
    assert not [each for each in check_estimator(LayerFeatures("mel"), on_fail=None) if each["status"] == "failed"]
    for name in CHECKS:
        getattr(estimator_checks, name)("LayerFeatures", LayerFeatures("mel"))


def test_what_scikit_learn_asks_of_tables_holds_of_files(files):
    """Its checks of 2-D numbers cannot be fed: those that mean something of files, by hand."""
    with pytest.raises(NotFittedError):
        LayerFeatures("mel").transform(files)
    step = LayerFeatures("mel", layer=0)
    before = step.get_params()
    assert step.fit(files) is step
    assert step.get_params() == before  # fitting overwrites no parameter
    rows = step.transform(files)
    np.testing.assert_array_equal(step.fit(files).transform(files), rows)  # fitting again changes nothing
    np.testing.assert_array_equal(step.transform(files[::-1])[::-1], rows)  # neither does the order of files,
    np.testing.assert_array_equal(step.transform(files[3:5]), rows[3:5])  # nor which others are there
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(step)).transform(files), rows)
    for column in (list(map(str, files)), np.array([[str(path)] for path in files]), pd.Series(files)):
        np.testing.assert_array_equal(step.transform(column), rows)


def test_what_cannot_be_used_is_named(files, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    step = LayerFeatures("mel").fit(files)
    with pytest.raises(AudioError, match=r"1 of 2 files cannot be used; .*text.wav"):
        step.transform([files[0], tmp_path / "text.wav"])
    with pytest.raises(AudioError, match=r"nothing\.wav"):
        step.transform([files[0], tmp_path / "nothing.wav"])
    for wrong in ([[1.0, 2.0]], [], [1], [None]):
        with pytest.raises(DataError, match="expected"):
            step.fit(wrong)
    with pytest.raises(UsageError, match="mel has layers 0 to 0, not 7"):
        LayerFeatures("mel", layer=7).fit(files)


def test_a_model_whose_weights_changed_is_loaded_anew_and_refused_by_what_was_fitted_on_others(files, tmp_path):
    """In one session, where encoders are kept, and out of it, from a pickle."""
    shutil.copytree(packaged("toy-muq"), tmp_path / "model")
    step = LayerFeatures(str(tmp_path / "model")).fit(files)
    before = step.transform(files[:2])
    weights = tmp_path / "model" / "model.safetensors"
    tensors = load_file(weights)
    save_file({name: 1.1 * value if value.is_floating_point() else value for name, value in tensors.items()}, weights)
    for kept in (step, pickle.loads(pickle.dumps(step))):
        with pytest.raises(ModelError, match="model is another network than it was in fit"):
            kept.transform(files[:2])
    assert np.abs(clone(step).fit(files).transform(files[:2]) - before).max() > 1e-3
