import platform
from pathlib import Path

import numpy as np
import pytest
from problems import SHORT

from layerscope.features import row_blocks as rows
from layerscope.features.clip_features import Features
from layerscope.features.row_blocks import LazyRows, clip_means, give_back_memory, held, in_memory
from layerscope.features.store import ClipEntry, FeatureStore
from layerscope.probes import PROBES, Input, Problem, assemble, offers
from layerscope.targets import labels_of

STATES = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


@pytest.fixture
def lazy():
    return LazyRows(STATES.shape, lambda numbers: STATES[numbers])


def test_rows_are_chosen_as_of_an_array(lazy):
    mask = STATES[:, 0] > 0
    for chosen in (slice(3, 9), slice(None), np.array([5, 2, 2]), np.array([], np.int64), mask, 7, -1):
        np.testing.assert_array_equal(lazy[chosen], STATES[chosen])
    with pytest.raises(IndexError):
        lazy[40]


def test_rows_are_averaged_to_the_clip_in_their_own_precision():
    for kind in (np.float32, np.float64):
        means = clip_means(np.array([[1.0], [3.0], [5.0]], kind), np.array([0, 0, 2]), 3)
        np.testing.assert_array_equal(means, [[2], [0], [5]])
        assert means.dtype == kind
    assert clip_means(np.zeros((0, 2)), np.zeros(0, np.int64), 3).shape == (3, 2)


def test_what_fits_is_an_array_and_what_does_not_is_read(lazy):
    # 40 rows of 3 numbers are 480 bytes, and probes make copies of them.
    assert isinstance(in_memory(lazy, 480 * 3), np.ndarray)
    assert isinstance(in_memory(lazy, 480 * 3 - 1), LazyRows)
    small = in_memory(lazy, 479)
    assert isinstance(held(small, np.arange(19)), np.ndarray)  # 228 bytes are less than a half
    assert isinstance(held(small, np.arange(20)), LazyRows)
    np.testing.assert_array_equal(held(small, np.arange(39, 10, -1))[:], STATES[:10:-1])


def test_a_container_has_no_more_than_its_limit(tmp_path, monkeypatch):
    (tmp_path / "limit").write_text("2000000000\n")
    monkeypatch.setattr(rows, "LIMITS", (str(tmp_path / "limit"), str(tmp_path / "none")))
    assert rows.machine_memory() == 2_000_000_000
    (tmp_path / "limit").write_text("max\n")
    assert rows.machine_memory() > 2_000_000_000
    assert rows.share_of_memory(3.0) == 3e9


def stored(tmp_path, states, order):
    """Return a store of states (window, layer, width), two windows a clip and three clips a shard, and how it reads."""
    about = {"encoder": "x", "layers": list(range(states.shape[1])), "frames_per_second": None}
    store = FeatureStore(tmp_path, about)
    for first in range(0, len(states), 6):
        clips = [
            ClipEntry(f"key{clip}", 2, 1.0, "", 25) for clip in range(first // 2, min(first + 6, len(states)) // 2)
        ]
        store.write({f"pooled.{layer}": states[first : first + 6, layer] for layer in about["layers"]}, clips)
    keys = [f"key{clip}" for clip in order]
    return store, lambda layer: store.clips(keys).pooled(layer)


def test_stored_rows_come_in_any_order_from_any_shard(tmp_path):
    states, order = np.random.default_rng(0).normal(size=(40, 2, 3)).astype(np.float32), [7, 0, 0, 19, 5, 6]
    _, read = stored(tmp_path, states, order)
    expected = states[np.ravel([[2 * clip, 2 * clip + 1] for clip in order]), 1]
    chosen = np.array([11, 3, 3, 4, 5, 6, 0])
    np.testing.assert_array_equal(read(1)[:], expected)
    np.testing.assert_array_equal(read(1)[chosen], expected[chosen])


@pytest.mark.parametrize("probe", [probe for probe in PROBES if probe != "attention"])  # which is given frames
@pytest.mark.parametrize(("kind", "chosen"), [("tags", "concat"), ("classes", "layer"), ("values", "weighted")])
def test_probes_say_the_same_of_states_that_are_read_by_blocks(tmp_path, monkeypatch, probe, kind, chosen):
    if not offers(probe, Input(chosen)):
        chosen = "concat"
    random, clips = np.random.default_rng(0), 60
    hidden = random.normal(size=(clips, 3))
    labels = {
        "tags": (hidden[:, :2] > 0).astype(int),
        "classes": ["xyz"[row.argmax()] for row in hidden],
        "values": [float(row.sum()) for row in hidden],
    }
    states = random.normal(size=(2 * clips, 3, 4)).astype(np.float32)
    states[:, 1, :3] += 5 + 3 * np.repeat(hidden, 2, axis=0)
    _, read = stored(tmp_path, states, range(clips))
    target = labels_of(labels[kind], kind)
    features = Features.from_arrays(states, ["x", "y"] * clips)
    # Blocks of seven windows of all layers.
    lazily = Features(**{**vars(features), "read": read})
    parts = np.split(random.permutation(clips), [35, 47])
    answers = []
    for memory in (np.inf, 1000.0):
        given = assemble(lazily, Input(chosen, 1 if chosen == "layer" else None), memory)
        assert isinstance(given, LazyRows) == (memory < np.inf)
        problem = Problem(given, np.repeat(np.arange(clips), 2), target, *parts, schedule=SHORT)
        answers.append(PROBES[probe](problem, [0])[0])
        monkeypatch.setattr(rows, "BLOCK", 7 * 12)
    assert answers[0].settings == answers[1].settings
    np.testing.assert_allclose(answers[0].scores, answers[1].scores, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep nothing, or give nothing back")
def test_what_was_freed_is_given_back():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    pieces = [bytes(2000) for _ in range(50_000)]
    # The last piece stays, so that what lies below it is not given back by itself.
    del pieces[:-1]
    before = resident()
    give_back_memory()
    assert before - resident() > 50e6
