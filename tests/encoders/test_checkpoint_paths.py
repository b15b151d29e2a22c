import shutil

import numpy as np
import pytest

import layerscope as ls
from layerscope.encoders import load_encoder
from layerscope.encoders.checkpoint_paths import checkpoints_at, labelled
from layerscope.encoders.model_names import pinned, result_name
from layerscope.encoders.published_models import packaged
from layerscope.errors import UsageError
from layerscope.study.options import make_plan, read_plan


def made(directory, *names):
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).touch()
    return directory


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (["model_10.pt", "model_9.pt", "model_100.pt"], ["model@9", "model@10", "model@100"]),
        (["0010.pt", "0009.pt"], ["mine@9", "mine@10"]),
        (["epoch=1-step=500.ckpt", "epoch=0-step=250.ckpt"], ["mine@250", "mine@500"]),
        (["v2-step-20k.pt", "v2-step-3.pt"], ["v2@3", "v2@20000"]),
    ],
)
def test_checkpoints_are_called_by_their_steps_and_stand_in_their_order(tmp_path, names, called):
    folder = made(tmp_path / "mine", *names)
    for given in (folder, folder / "*"):
        assert [labelled(text)[0] for text in checkpoints_at(given)] == called


def test_a_folder_that_is_a_model_is_one(tmp_path):
    assert (
        checkpoints_at(made(tmp_path / "a", "config.json", "model-1-of-2.safetensors", "model-2-of-2.safetensors"))
        == []
    )
    assert checkpoints_at(made(tmp_path / "b", "pretrained_msd.pt", "pretrained_fma.pt")) == []
    folder = made(tmp_path / "c", "model.pt")
    for name in ("log-1", "log-2"):
        (folder / name).mkdir()
    assert checkpoints_at(folder) == []


def test_what_has_no_step_or_one_twice_is_refused_by_name(tmp_path):
    folder = made(tmp_path / "mine", "model_1.pt", "model_01.pt", "last.pt")
    with pytest.raises(UsageError, match=r"'last\.pt' has no number"):
        checkpoints_at(folder / "*.pt")
    with pytest.raises(UsageError, match=r"'model_01\.pt' and 'model_1\.pt' are both of step 1"):
        checkpoints_at(folder / "model*.pt")
    with pytest.raises(UsageError, match="no file or directory is called so"):
        checkpoints_at(folder / "*.safetensors")


def test_a_pattern_is_a_model_a_checkpoint_wherever_models_are_named(tmp_path, monkeypatch):
    for step in (1000, 200):
        shutil.copytree(packaged("toy-muq"), tmp_path / "ckpt" / f"mine-{step}")
    monkeypatch.chdir(tmp_path)
    plan = make_plan({"data": ".", "model": "ckpt/*", "baseline": "none"}, "test")
    assert [result_name(name) for name in plan.model] == ["mine@200", "mine@1000"]
    assert [encoder.name for encoder in plan.encoders()] == ["mine@200", "mine@1000"]
    # Of files that have only numbers where the command is given, nothing is a name.
    shutil.copytree(packaged("toy-muq"), tmp_path / "step-7")
    assert [labelled(name)[0] for name in make_plan({"data": ".", "model": "step-*"}, "test").model] == ["checkpoint@7"]
    # As it stands in a run's directory, wherever that is read.
    monkeypatch.chdir("/")
    assert make_plan(plan.model_dump(mode="json"), "test").model == plan.model
    assert load_encoder(pinned(plan.model[0])).name == "mine@200"
    (tmp_path / "study.toml").write_text('data = "."\nmodel = "ckpt"\n')
    assert read_plan(tmp_path / "study.toml").model == plan.model


def test_probe_takes_a_pattern(tmp_path):
    for step in (1, 2):
        shutil.copytree(packaged("toy-muq"), tmp_path / f"mine-{step}")
    from layerscope.toymusic.composed_dataset import write_notes

    notes = write_notes(tmp_path / "notes", count=20, first_seed=0, seconds=0.3)
    results = ls.probe(str(tmp_path / "mine-*"), notes, target="instrument", probes="closed")
    assert results.models("trained") == ["mine@1", "mine@2"]
    assert np.isfinite(results.layer_table().to_numpy()).all()
