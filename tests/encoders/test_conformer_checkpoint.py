import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from layerscope.encoders import load_encoder
from layerscope.encoders.conformer import ConformerConfig, ConformerModel
from layerscope.encoders.conformer_checkpoint import MEL_NAMES
from layerscope.encoders.pretraining_tensors import muq_pretraining, musicfm_pretraining
from layerscope.errors import ModelError


@pytest.fixture
def muq(golden, tmp_path):
    return shutil.copytree(golden / "muq-small", tmp_path / "muq", copy_function=shutil.copyfile)


@pytest.fixture
def musicfm(golden, tmp_path):
    return shutil.copytree(golden / "musicfm-small", tmp_path / "musicfm", copy_function=shutil.copyfile)


def rewrite_muq(directory, change):
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file(tensors, directory / "model.safetensors")
    return directory


def rewrite_config(directory, **changes):
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, **changes}))
    return directory


@pytest.mark.parametrize(
    ("family", "pretraining", "prefix"),
    [
        ("muq", muq_pretraining(ConformerConfig(), 8192, 8), "model."),
        ("musicfm", musicfm_pretraining(ConformerConfig(), 4096, (4096, 16)), ""),
    ],
)
def test_full_size_modules_take_exactly_the_official_tensors(golden, family, pretraining, prefix):
    official = {
        name.removeprefix(prefix): tuple(shape)
        for name, shape, _ in json.loads((golden / f"{family}.keys.json").read_text())
    }
    with torch.device("meta"):
        model = ConformerModel(ConformerConfig())
    shapes = {MEL_NAMES.get(name, name): tuple(value.shape) for name, value in model.state_dict().items()}
    if family == "muq":
        shapes = {name: shape for name, shape in shapes.items() if name not in MEL_NAMES.values()}
    assert shapes | pretraining == official


def test_a_missing_tensor_is_named(muq):
    rewrite_muq(muq, lambda tensors: tensors.pop("model.conformer.layers.1.ffn1.output_dense.bias"))
    with pytest.raises(ModelError, match=r"'model\.conformer\.layers\.1\.ffn1\.output_dense\.bias' is missing"):
        load_encoder(muq)


def test_an_extra_tensor_is_named(muq):
    rewrite_muq(muq, lambda tensors: tensors.update({"model.surprise": torch.zeros(1)}))
    with pytest.raises(ModelError, match=r"'model\.surprise' is not part of this layout"):
        load_encoder(muq)


def test_a_misshapen_tensor_is_named_with_both_shapes(muq):
    rewrite_muq(muq, lambda tensors: tensors.update({"model.conv.linear.bias": torch.zeros(7)}))
    with pytest.raises(ModelError, match=r"'model\.conv\.linear\.bias' has shape \(7,\), expected \(64,\)"):
        load_encoder(muq)


def test_a_tensor_that_only_pretraining_needed_is_checked_too(muq):
    rewrite_muq(muq, lambda tensors: tensors.pop("model.rvq.quantizers.3.codebook.weight"))
    with pytest.raises(ModelError, match=r"rvq\.quantizers\.3\.codebook\.weight' is missing"):
        load_encoder(muq)


def test_non_finite_weights_are_named(muq):
    rewrite_muq(muq, lambda tensors: tensors["model.conv.linear.bias"].fill_(float("nan")))
    with pytest.raises(ModelError, match=r"'model\.conv\.linear\.bias' holds non-finite"):
        load_encoder(muq)


@pytest.mark.parametrize("prefix", ["module.", "model.", "student.", "_orig_mod.module.", "model.module."])
def test_what_training_put_before_every_name_is_taken_off(muq, prefix):
    expected = load_encoder(muq).fingerprint
    path = muq / "model.safetensors"
    save_file({prefix + name: value for name, value in load_file(path).items()}, path)
    assert load_encoder(muq).fingerprint == expected


def test_a_file_of_other_names_under_one_prefix_is_of_no_layout(muq):
    save_file({"head.weight": torch.zeros(2), "head.bias": torch.zeros(2)}, muq / "model.safetensors")
    with pytest.raises(ModelError, match=r"tensor 'head\.\w+' is of no layout known here"):
        load_encoder(muq)


def test_a_tensor_of_another_layout_is_named(muq):
    rewrite_muq(muq, lambda tensors: tensors.update({"encoder.weight": torch.zeros(1)}))
    with pytest.raises(ModelError, match=r"'encoder\.weight' is of no layout known here"):
        load_encoder(muq)


@pytest.mark.parametrize(
    "changes", [{"label_rate": 75}, {"hop_length": 320}, {"is_flash": True}, {"features": ["melspec_2048", "cqt"]}]
)
def test_a_configuration_that_is_not_understood_is_refused_by_name(muq, changes):
    with pytest.raises(ModelError, match=next(iter(changes))):
        load_encoder(rewrite_config(muq, **changes))


def test_a_configuration_without_a_key_is_refused_by_name(muq):
    config = json.loads((muq / "config.json").read_text())
    del config["encoder_dim"]
    (muq / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="encoder_dim"):
        load_encoder(muq)


def test_heads_that_contradict_the_rotary_table_are_refused(golden):
    assert load_encoder(golden / "musicfm-small", num_heads=4).model.config.heads == 4
    with pytest.raises(ModelError, match="num_heads=16, but its rotary table is for 4 heads"):
        load_encoder(golden / "musicfm-small", num_heads=16)


def test_a_file_stands_for_its_directory(golden):
    by_file = load_encoder(golden / "musicfm-small" / "pretrained_msd.pt")
    assert by_file.fingerprint == load_encoder(golden / "musicfm-small").fingerprint


def test_older_names_of_the_weight_norm_are_read(musicfm):
    path = musicfm / "pretrained_msd.pt"
    content = torch.load(path, weights_only=True)
    stem = "model.conformer.pos_conv_embed.conv."
    for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
        content["state_dict"][stem + old] = content["state_dict"].pop(f"{stem}parametrizations.weight.{new}")
    torch.save(content, path)
    load_encoder(musicfm)


def test_musicfm_without_statistics_is_refused(musicfm):
    (musicfm / "msd_stats.json").unlink()
    with pytest.raises(ModelError, match=r"no msd_stats\.json beside it"):
        load_encoder(musicfm)


@pytest.mark.parametrize("deviation", ["18.4", None, 0, float("nan"), [18.4], True])
def test_statistics_of_the_wrong_type_are_named(musicfm, deviation):
    statistics = {"melspec_2048_mean": 6.7, "melspec_2048_std": deviation}
    (musicfm / "msd_stats.json").write_text(json.dumps(statistics))
    with pytest.raises(ModelError, match=r"msd_stats\.json: melspec_2048_mean and melspec_2048_std are 6\.7 and"):
        load_encoder(musicfm)


def test_two_checkpoints_in_a_directory_must_be_told_apart(musicfm):
    shutil.copyfile(musicfm / "pretrained_msd.pt", musicfm / "pretrained_fma.pt")
    with pytest.raises(ModelError, match="name the file, not the directory"):
        load_encoder(musicfm)


class Harmful:
    def __reduce__(self):
        return (print, ("code of a checkpoint was run",))


def test_code_in_a_pickle_is_not_run(musicfm, capsys):
    with (musicfm / "pretrained_msd.pt").open("wb") as file:
        pickle.dump({"state_dict": {"model.x": Harmful()}}, file)
    with pytest.raises(ModelError, match=r"not a readable checkpoint|holds code") as refusal:
        load_encoder(musicfm)
    # The library's own message advises to read it all the same.
    assert "weights_only" not in str(refusal.value)
    assert "was run" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 cut short"])
def test_a_damaged_pickle_is_refused(musicfm, content):
    (musicfm / "pretrained_msd.pt").write_bytes(content)
    with pytest.raises(ModelError, match="not a readable checkpoint"):
        load_encoder(musicfm)


def test_a_cut_safetensors_is_refused(muq):
    path = muq / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ModelError, match="not a readable checkpoint"):
        load_encoder(muq)


@pytest.mark.parametrize(("name", "content"), [("config.json", "{"), ("config.json", "[]")])
def test_a_damaged_configuration_is_refused(muq, name, content):
    (muq / name).write_text(content)
    with pytest.raises(ModelError, match=r"config\.json"):
        load_encoder(muq)


def test_half_a_directory_is_refused(muq, tmp_path):
    (muq / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no config\.json beside it"):
        load_encoder(muq)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="holds no weights"):
        load_encoder(tmp_path / "empty")


def test_another_kind_of_model_is_refused_by_name(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    known = "known: audio-spectrogram-transformer, clap, clap_audio_model, dac, dasheng, data2vec-audio"
    with pytest.raises(ModelError, match=f"model_type 'bert' is not understood; {known}"):
        load_encoder(tmp_path)


def test_a_configuration_of_the_wrong_type_is_refused(muq):
    with pytest.raises(ModelError, match="a value is of the wrong type"):
        load_encoder(rewrite_config(muq, w2v2_config=7))


def test_a_transformers_configuration_without_a_key_is_refused_by_name(golden, tmp_path):
    copy = shutil.copytree(golden / "mert95-small", tmp_path / "mert", copy_function=shutil.copyfile)
    config = json.loads((copy / "config.json").read_text())
    del config["num_hidden_layers"]
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="missing"):
        load_encoder(copy)


def test_a_depth_that_the_tensors_cannot_fill_is_refused_before_it_is_built(muq):
    rewrite_config(muq, encoder_depth=10**9)
    with pytest.raises(ModelError, match=r"'encoder_depth' = 1,000,000,000 blocks, where .* holds 219 tensors"):
        load_encoder(muq)
