from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from conftest import TWO_RATES
from layerscope.features import row_blocks
from layerscope.features.row_blocks import LazyRows
from layerscope.probes.applied import apply_probe
from layerscope.probes.attention import AttentivePooling, fit_attention
from layerscope.probes.closed_form import fit_closed_form
from layerscope.probes.problem import Problem
from layerscope.targets import KINDS, Labels
from layerscope.tasks.task import Schedule

DIM = 8


def events(kind="classes", clips=160, frames=(20, 60), loud=8.0, seed=0):
    """Return a problem in whose clips, of unequal length, two frames alone are of the answer.

    Every clip has a colour of its own in all its frames, beside which two frames are next to nothing in a mean.
    """
    random = np.random.default_rng(seed)
    counts = random.integers(*frames, clips)
    owner = np.repeat(np.arange(clips), counts)
    states = random.normal(size=(len(owner), DIM)) + random.normal(size=(clips, DIM))[owner]
    axes = np.linalg.qr(random.normal(size=(DIM, DIM)))[0]
    sides = random.integers(0, 2, clips)
    for clip in range(clips):
        states[random.choice(np.flatnonzero(owner == clip), 2, replace=False)] += loud * axes[sides[clip]]
    values = {
        "classes": sides,
        "tags": np.stack([sides, 1 - sides], axis=1).astype(np.float32),
        "values": (50 + 10 * sides[:, None] + random.normal(size=(clips, 1))).astype(np.float32),
    }[kind]
    names = {"classes": ("down", "up"), "tags": ("up", "down"), "values": ("height",)}[kind]
    parts = np.split(random.permutation(clips), [clips // 2, 3 * clips // 4])
    return Problem(states.astype(np.float32), owner, Labels(KINDS[kind], names, values), *parts)


def means_of(problem):
    """Return the problem of the clips' means."""
    clips = len(problem.labels.values)
    states = np.stack([problem.states[problem.window_clip == clip].mean(axis=0) for clip in range(clips)])
    return replace(problem, states=states, window_clip=np.arange(clips))


def score_of(problem, prediction):
    return problem.labels.take(problem.test).score(prediction.scores[problem.test])[0]


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("classes", 0.9, 0.75), ("tags", 0.95, 0.85), ("values", 0.6, 0.2)]
)
def test_it_finds_events_that_the_mean_does_not_show(kind, least, most, monkeypatch):
    # The grid is the mlp's, where all of it is tried.
    monkeypatch.setattr("layerscope.probes.attention.LEARNING_RATES", TWO_RATES[1])
    problem = events(kind)
    (prediction,) = fit_attention(problem, [0])
    # As plain arrays it says the same of a clip at once.
    for clip in problem.test[:3]:
        said = apply_probe(prediction.weights, problem.states[problem.window_clip == clip])
        np.testing.assert_allclose(said, prediction.scores[[clip]], rtol=1e-4, atol=1e-4)
    assert score_of(problem, prediction) > least
    (of_mean,) = fit_closed_form(means_of(problem), [0])
    assert score_of(problem, of_mean) < most
    assert prediction.settings["learning_rate"] in TWO_RATES[1]


def test_pooling_is_a_softmax_over_the_frames_of_each_clip_alone():
    random = torch.Generator().manual_seed(0)
    probe = AttentivePooling(5, 3)
    probe.query.data = torch.randn(5, generator=random)
    clips = [torch.randn(count, 5, generator=random) for count in (1, 7, 3)]
    # By torch's own attention, one clip at a time: no clip knows of another, and none is padded.
    attend = partial(torch.nn.functional.scaled_dot_product_attention, scale=1.0)
    expected = [probe.output(attend(probe.query[None], clip, clip)) for clip in clips]
    owner = torch.arange(3).repeat_interleave(torch.tensor([1, 7, 3]))
    torch.testing.assert_close(probe(torch.cat(clips), owner, 3), torch.cat(expected))


def test_large_states_do_not_overflow():
    probe = AttentivePooling(2, 1)
    probe.query.data = torch.tensor([1e4, 0.0])
    frames = torch.tensor([[100.0, 1.0], [-100.0, 5.0], [0.0, 2.0]])
    said = probe(frames, torch.tensor([0, 0, 1]), 2)
    torch.testing.assert_close(said, probe.output(frames[[0, 2]]))


def test_it_is_the_same_by_blocks(monkeypatch):
    problem = events(clips=40)
    short = replace(problem, schedule=Schedule(epochs=3))
    (whole,) = fit_attention(short, [0])
    lazy = replace(short, states=LazyRows(problem.states.shape, lambda rows: problem.states[rows], memory=1.0))
    # Blocks of a few clips.
    monkeypatch.setattr(row_blocks, "BLOCK", 200 * DIM)
    (parted,) = fit_attention(lazy, [0])
    np.testing.assert_allclose(parted.scores, whole.scores, atol=1e-4)


def test_seeds_differ_and_repeat_and_leave_random_numbers_alone():
    problem = replace(events(clips=40), schedule=Schedule(epochs=2))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = fit_attention(problem, [0, 1])
    assert torch.equal(torch.get_rng_state(), before)
    assert not np.array_equal(first.scores, second.scores)
    np.testing.assert_array_equal(fit_attention(problem, [0])[0].scores, first.scores)


def test_settings_that_are_held_are_not_chosen_again():
    problem = events(clips=40)
    held = replace(problem, settings={"learning_rate": 1e-3, "epoch": 2.0})
    assert fit_attention(held, [0])[0].settings == {"learning_rate": 1e-3, "epoch": 2.0}


def test_states_that_are_all_alike_give_a_finite_answer():
    problem = events(clips=40)
    problem.states[:] = 3.0
    assert np.isfinite(fit_attention(problem, [0])[0].scores).all()
