import numpy as np
import pytest

from conftest import write_tone
from layerscope.atomic_files import cache_directory
from layerscope.data.dataset import Dataset
from layerscope.data.deformations import Deformation
from layerscope.encoders import load_encoder
from layerscope.features.deformed_pass import DeformedPass, deformed_key, side_by_side
from layerscope.features.encoder_pass import Pass
from layerscope.features.stored_features import stored_features

LOUDER = Deformation("gain", 6)


@pytest.fixture
def clips(tmp_path):
    for number in range(3):
        write_tone(tmp_path / "a" / f"{number}.wav", 300 + 100 * number, 0.5, seed=number)
    return Dataset.load(tmp_path).survey().clips


def stored(one_pass, clips):
    store = one_pass.store(cache_directory())
    return one_pass.extract(clips, store, sample=0), store


def test_deformed_states_lie_in_a_store_of_their_own_and_are_found_again(clips):
    encoder = load_encoder("mel")
    passes = [Pass(encoder, 30.0), *(DeformedPass(encoder, 30.0, deformation=each) for each in (
        LOUDER, Deformation("gain", 3), Deformation("noise", 6)))]  # fmt: skip
    stores = [one_pass.store(cache_directory()) for one_pass in passes]
    assert len({store.directory for store in stores}) == 4
    first, store = stored(passes[1], clips)
    again, _ = stored(passes[1], clips)
    assert (first.encoded, again.encoded, again.cached) == (3, 0, 3)
    assert not store.entry(clips.clip_key[0]).sampled
    # The clean store's own name and content know nothing of it.
    assert "deformation" not in stores[0].description
    assert not stores[0].holds(clips.clip_key[0])


def test_what_is_stored_is_of_the_deformed_sound(clips):
    encoder = load_encoder("mel")
    _, clean = stored(Pass(encoder, 30.0), clips)
    _, deformed = stored(DeformedPass(encoder, 30.0, deformation=LOUDER), clips)
    before, after = (store.clips(list(clips.clip_key)).pooled(0)[:][:, :128] for store in (clean, deformed))
    # Mel bands are in decibels, and all of them, the highest too, went the way that clean sound goes.
    loud = before > before.max() - 60
    np.testing.assert_allclose((after - before)[loud], 6.0, atol=1e-3)


def test_faster_sound_is_shorter_in_its_store(clips):
    one_pass = DeformedPass(load_encoder("mel"), 30.0, frames=True, deformation=Deformation("tempo", 1.25))
    _, store = stored(one_pass, clips)
    assert store.entry(clips.clip_key[0]).seconds == pytest.approx(0.4, abs=0.01)
    assert store.entry(clips.clip_key[0]).frames == 10


def test_clean_and_deformed_clips_are_read_side_by_side(clips):
    encoder = load_encoder("mel")
    _, clean = stored(Pass(encoder, 30.0), clips)
    _, deformed = stored(DeformedPass(encoder, 30.0, deformation=LOUDER), clips)
    both = side_by_side(clean, {str(LOUDER): deformed})
    keys = [clips.clip_key[1], deformed_key(clips.clip_key[1], str(LOUDER)), clips.clip_key[0]]
    rows = both.clips(keys).pooled(0)[:]
    np.testing.assert_array_equal(rows[0], clean.clips([clips.clip_key[1]]).pooled(0)[:][0])
    np.testing.assert_array_equal(rows[1], deformed.clips([clips.clip_key[1]]).pooled(0)[:][0])
    # Trainings on them are not taken for those on clean clips alone.
    assert stored_features(both, clips).fingerprint not in (clean.directory.name, deformed.directory.name)
    assert not clean.holds(keys[1])
