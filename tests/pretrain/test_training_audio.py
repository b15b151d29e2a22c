"""What a training hears has the pitch of what was played, and comes again as it was."""

import numpy as np
import pytest
import torch

from layerscope.pretrain import Recipe
from layerscope.pretrain import training_audio as room
from layerscope.pretrain.training_audio import LOWEST, SEMITONES, analyse, sound_batches
from layerscope.toymusic.synthesizer import RATE


@pytest.mark.parametrize("pitch", [45, 57, 69, 93])
def test_the_loudest_semitone_is_the_one_that_sounds(pitch):
    time = np.arange(2 * RATE) / RATE
    tone = np.sin(2 * np.pi * 440.0 * 2 ** ((pitch - 69) / 12) * time).astype(np.float32)
    sound = analyse([tone])
    assert sound.semitones.shape == (1, SEMITONES, 50)
    assert sound.mel.shape == (1, 128, 200)
    inner = sound.semitones[0, :, 10:40]  # away from the edges, where the long window mirrors
    assert (inner.argmax(dim=0) + LOWEST == pitch).all()


def test_the_level_is_taken_out_of_semitones():
    noise = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    loud, soft = analyse([noise]), analyse([0.1 * noise])
    # 20 dB apart in mel; the floor of semitones is far below either.
    torch.testing.assert_close(loud.mel - soft.mel, torch.full_like(loud.mel, 20.0), atol=1e-2, rtol=0)
    torch.testing.assert_close(loud.semitones, soft.semitones, atol=1e-2, rtol=0)


@pytest.mark.parametrize("clips", [None, 20])
def test_a_batch_is_the_same_however_one_comes_to_it(clips, monkeypatch, tmp_path):
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path))
    monkeypatch.setattr(room, "SHARD", 16)
    recipe = Recipe(batch=2, seconds=2.0, clips=clips, clip_seconds=3.0)
    from_start, later = sound_batches(recipe, 0), sound_batches(recipe, 2)
    for _ in range(2):
        next(from_start)
    for ours, theirs in ((next(from_start), next(later)) for _ in range(2)):
        assert ours.mel.shape == (2, 128, 200)
        assert torch.equal(ours.mel, theirs.mel)
        assert torch.equal(ours.semitones, theirs.semitones)
