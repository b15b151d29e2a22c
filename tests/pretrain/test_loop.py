"""Loss falls, a killed training continues to the same weights, and a folder of audio serves as well."""

import json
import math
import shutil

import filelock
import pytest
import torch
from safetensors.torch import load_file

from layerscope.errors import DataError, ResourceError, UsageError
from layerscope.pretrain import Recipe, pretrain
from layerscope.pretrain import loop as training
from layerscope.pretrain import training_audio as sound

SMALL = {"dim": 32, "depth": 2, "heads": 2, "feedforward": 64, "channels": 4, "batch": 4, "seconds": 2.0,
         "warmup": 10, "quantizer_steps": 30, "codebooks": 2, "codes": 128, "learning_rate": 3e-3}  # fmt: skip


@pytest.fixture(autouse=True)
def few_clips_to_fit(monkeypatch):
    monkeypatch.setattr(sound, "SHARD", 32)


def recipe_codes(family):
    return 1024 if family == "muq" else SMALL["codes"]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["muq", "musicfm"])
def test_loss_falls_in_two_hundred_steps(family, tmp_path):
    pretrain(Recipe(family=family, steps=200, **SMALL), tmp_path)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [50, 100, 150, 200]
    # A line is one batch of 120 masked tokens, so that single losses scatter by some percent.
    assert (log[2]["loss"] + log[3]["loss"]) / 2 < 0.95 * math.log(recipe_codes(family))
    assert {"accuracy", "majority", "codes", "hours", "minutes"} <= set(log[0])


@pytest.mark.parametrize("family", ["muq", "musicfm"])
def test_a_killed_training_continues_to_the_same_weights(family, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 2)
    recipe = Recipe(family=family, steps=5, **SMALL)
    pretrain(recipe, tmp_path / "whole")
    kept = training.save_checkpoint

    def killed(path, model, optimizer, recipe, step, seconds):
        kept(path, model, optimizer, recipe, step, seconds)
        if step == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        pretrain(recipe, tmp_path / "killed")
    monkeypatch.undo()
    monkeypatch.setattr(sound, "SHARD", 32)
    pretrain(recipe, tmp_path / "killed")
    whole, killed_weights = (
        load_file(tmp_path / name / "encoder" / "model.safetensors") for name in ("whole", "killed")
    )
    for name, value in whole.items():
        torch.testing.assert_close(value, killed_weights[name], atol=0, rtol=0)


def test_another_pretraining_in_the_same_place_is_refused(tmp_path):
    pretrain(Recipe(family="musicfm", steps=1, **SMALL), tmp_path)
    with pytest.raises(UsageError, match="seed"):
        pretrain(Recipe(family="musicfm", steps=1, seed=1, **SMALL), tmp_path)


def test_fewer_steps_than_were_taken_are_refused_and_more_continue(tmp_path):
    pretrain(Recipe(family="musicfm", steps=3, **SMALL), tmp_path)
    with pytest.raises(UsageError, match="different: steps"):
        pretrain(Recipe(family="musicfm", steps=2, **SMALL), tmp_path)
    assert json.loads((tmp_path / "recipe.json").read_text())["steps"] == 3
    pretrain(Recipe(family="musicfm", steps=4, **SMALL), tmp_path)
    assert json.loads((tmp_path / "recipe.json").read_text())["steps"] == 4


@pytest.fixture(scope="module")
def two_steps(tmp_path_factory):
    """A training that is over: its recipe and its directory."""
    recipe, directory = Recipe(family="muq", steps=2, **SMALL), tmp_path_factory.mktemp("two-steps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sound, "SHARD", 32)
        pretrain(recipe, directory)
    return recipe, directory


@pytest.mark.parametrize("what", ["nothing", "half", "older"])
def test_a_training_killed_between_its_checkpoint_and_its_encoder_ends_with_the_whole_one(two_steps, tmp_path, what):
    recipe, directory = two_steps
    shutil.copytree(directory, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "encoder" / "model.safetensors"
    whole = path.read_bytes()
    if what == "nothing":
        shutil.rmtree(path.parent)
    elif what == "half":
        path.unlink()
    else:
        path.write_bytes(b"of an earlier step")
    pretrain(recipe, tmp_path)
    assert path.read_bytes() == whole


def test_a_second_pretraining_beside_the_first_is_refused(tmp_path):
    with filelock.FileLock(tmp_path / ".lock"), pytest.raises(ResourceError, match="in use by another run"):
        pretrain(Recipe(family="musicfm", steps=1, **SMALL), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_folder_of_audio(tmp_path, tones):
    pretrain(
        Recipe(family="musicfm", steps=2, data=tones.parent if tones.is_file() else tones, **SMALL), tmp_path / "out"
    )
    assert (tmp_path / "out" / "encoder" / "model.safetensors").is_file()


def test_a_folder_without_audio_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no audio"):
        pretrain(Recipe(steps=1, data=tmp_path / "empty", **SMALL), tmp_path / "out")


def test_clips_that_are_kept_are_composed_once_and_heard_again(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sound, "SHARD", 16)
    recipe = Recipe(family="muq", steps=3, clips=20, clip_seconds=3.0, pitch_codebooks=1, **SMALL)
    pretrain(recipe, tmp_path / "first")
    kept = sorted((tmp_path / "cache").rglob("*.safetensors"))
    assert [path.name for path in kept] == ["00000.safetensors", "00001.safetensors"]
    before = [path.stat().st_mtime_ns for path in kept]
    pretrain(recipe, tmp_path / "second")
    assert [path.stat().st_mtime_ns for path in kept] == before
    weights = [load_file(tmp_path / name / "encoder" / "model.safetensors") for name in ("first", "second")]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], atol=0, rtol=0)


def test_audio_that_has_changed_is_not_trained_on_by_what_was_begun_with_other_audio(tmp_path, tones):
    recipe = Recipe(family="musicfm", steps=1, data=tones, **SMALL)
    pretrain(recipe, tmp_path / "out")
    (tones / "low" / "0.wav").unlink()
    with pytest.raises(DataError, match=r"is of another training .*different: files"):
        pretrain(recipe.model_copy(update={"steps": 2}), tmp_path / "out")


def test_a_checkpoint_of_another_training_is_not_continued(tmp_path):
    pretrain(Recipe(family="musicfm", steps=1, **SMALL), tmp_path / "first")
    pretrain(Recipe(family="musicfm", steps=1, seed=1, **SMALL), tmp_path / "second")
    shutil.copy(tmp_path / "first" / "checkpoint.safetensors", tmp_path / "second" / "checkpoint.safetensors")
    with pytest.raises(DataError, match=r"is of another training .*different: seed"):
        pretrain(Recipe(family="musicfm", steps=2, seed=1, **SMALL), tmp_path / "second")


@pytest.mark.parametrize("content", [b"{", b"[1]\n", b'{"loss": 3}\n', b"\xff\xfe"])
def test_a_log_that_is_damaged_is_named_with_the_way_out(tmp_path, content):
    pretrain(Recipe(family="musicfm", steps=1, **SMALL), tmp_path)
    (tmp_path / "log.jsonl").write_bytes(content)
    with pytest.raises(ResourceError, match=r"log.jsonl: damaged .*; delete it and run the same command again"):
        pretrain(Recipe(family="musicfm", steps=2, **SMALL), tmp_path)


def test_kept_clips_that_are_damaged_are_named_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    recipe = Recipe(family="musicfm", steps=1, clips=8, clip_seconds=3.0, **SMALL)
    pretrain(recipe, tmp_path / "first")
    (path,) = (tmp_path / "cache").rglob("*.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ResourceError, match=r"00000.safetensors: damaged .*; delete it and run the same command again"):
        pretrain(recipe, tmp_path / "second")
