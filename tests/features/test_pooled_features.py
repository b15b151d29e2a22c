import pickle
from pathlib import Path

import numpy as np
import torch
from joblib.externals.loky.backend.reduction import dumps
from test_attended_frames import clips  # noqa: F401 - a fixture
from test_clip_states import RATE, Bands

from layerscope.atomic_files import cache_directory
from layerscope.data.audio import load
from layerscope.features.encoder_pass import Pass
from layerscope.features.stored_features import pooled_features


def pooled(clips, poolings, **asked):  # noqa: F811
    one_pass = Pass(Bands(), 30.0, spread=poolings != ["mean"], **asked)
    store = one_pass.store(cache_directory())
    one_pass.extract(clips, store)
    return pooled_features(store, clips, poolings)


def test_each_pooling_is_a_model_of_its_own_and_the_mean_is_first(clips):  # noqa: F811
    mean, both, most = pooled(clips, ["max", "moments", "mean"])
    assert [each.model for each in (mean, both, most)] == ["bands", "bands (mean and deviation)", "bands (max)"]
    assert [each.widths for each in (mean, both, most)] == [(5, 3), (10, 6), (5, 3)]
    assert len({each.fingerprint for each in (mean, both, most)}) == 3
    for position in range(2):
        for clip, path in enumerate(clips.path):
            frames = Bands().encode(torch.from_numpy(load(Path(path), RATE)[None]))[position][0].numpy()
            np.testing.assert_allclose(mean.read(position)[clip], frames.mean(axis=0), atol=1e-5)
            np.testing.assert_allclose(most.read(position)[clip], frames.max(axis=0), atol=1e-5)
            expected = np.concatenate([frames.mean(axis=0), frames.std(axis=0)])
            np.testing.assert_allclose(both.read(position)[clip], expected, atol=1e-5)


def test_the_mean_alone_is_what_it_was(clips):  # noqa: F811
    (alone,), (mean, _) = pooled(clips, ["mean"]), pooled(clips, ["mean", "max"])
    assert alone.model == mean.model
    np.testing.assert_array_equal(alone.read(0)[:], mean.read(0)[:])
    description = Pass(Bands(), 30.0).store(cache_directory()).description
    assert description["pooling"] == "mean"


def test_attention_has_the_frames_once(clips):  # noqa: F811
    assert [each.attended is None for each in pooled(clips, ["mean", "moments", "max"], attended=True)] == [
        False, True, True,
    ]  # fmt: skip


def test_a_training_is_sent_where_states_lie_and_not_the_records_of_all_clips(clips):  # noqa: F811
    (features,) = pooled(clips, ["mean"], attended=True)
    sent = bytes(dumps(features))  # as joblib sends it
    assert b"ClipEntry" not in sent
    arrived = pickle.loads(sent)
    np.testing.assert_array_equal(arrived.read(1)[:], features.read(1)[:])
    np.testing.assert_array_equal(arrived.attended.read(1)[:], features.attended.read(1)[:])
