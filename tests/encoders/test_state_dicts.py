"""Weights as people have them: in shards, under a wrapper's prefix, as a pointer, as an adapter alone."""

import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_huggingface import write_model

from layerscope.encoders import load_encoder
from layerscope.encoders.state_dicts import load_strictly, read_tensors, setting
from layerscope.errors import ModelError

WAVEFORM = 0.1 * torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def hubert(tmp_path):
    write_model(tmp_path / "model", "hubert", {})
    return tmp_path / "model"


def rewrite(directory, prefix):
    path = directory / "model.safetensors"
    save_file({prefix + name: value for name, value in load_file(path).items()}, path)


def shard(directory, pickled=False):
    """Cut the weights in two, with an index, as the library does with large models."""
    tensors = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    stem = "pytorch_model.bin" if pickled else "model.safetensors"
    names = sorted(tensors)
    parts = {f"part-{number}.{stem.rpartition('.')[2]}": names[number::2] for number in range(2)}
    for file, held in parts.items():
        content = {name: tensors[name] for name in held}
        torch.save(content, directory / file) if pickled else save_file(content, directory / file)
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (directory / f"{stem}.index.json").write_text(json.dumps(index))
    return directory / f"{stem}.index.json"


def test_what_is_wrong_with_weights_is_said_before_that_settings_are_missing(hubert):
    (hubert / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"model: preprocessor_config\.json is missing; expected a model as the"):
        load_encoder(hubert)
    (hubert / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match="is a Git LFS pointer"):
        load_encoder(hubert)
    (hubert / "model.safetensors").unlink()
    torch.save({"a": print}, hubert / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"holds code \('.*print'\) .*, which is never run; .*safetensors$"):
        load_encoder(hubert)


@pytest.mark.parametrize("pickled", [False, True])
def test_shards_are_read_by_their_index(hubert, pickled):
    expected = load_encoder(hubert).encode(WAVEFORM)
    shard(hubert, pickled)
    torch.testing.assert_close(load_encoder(hubert).encode(WAVEFORM), expected, rtol=0, atol=0)


def test_a_shard_that_is_missing_or_outside_is_named(hubert):
    index = shard(hubert)
    (hubert / "part-1.safetensors").rename(hubert.parent / "part-1.safetensors")
    with pytest.raises(ModelError, match=r"part-1\.safetensors: not a readable checkpoint"):
        load_encoder(hubert)
    index.write_text(index.read_text().replace("part-1", "../part-1"))
    with pytest.raises(ModelError, match=r"names a shard '\.\./part-1\.safetensors'; expected files of its own"):
        load_encoder(hubert)
    index.write_text('{"weight_map": ["a"]}')
    with pytest.raises(ModelError, match="'weight_map' = "):
        load_encoder(hubert)


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "_orig_mod.", "model.", "module.hubert.", "model.hubert.", "student."),
        *(
            "module.model.",
            "model.module.",
            "_orig_mod.module.",
            "module._orig_mod.model.hubert.",
            "student.model.hubert.",
        ),
    ],
)
def test_a_common_prefix_is_taken_off(hubert, prefix):
    expected = load_encoder(hubert).encode(WAVEFORM)
    rewrite(hubert, prefix)
    torch.testing.assert_close(load_encoder(hubert).encode(WAVEFORM), expected, rtol=0, atol=0)


def test_a_head_beside_the_encoder_below_a_prefix_of_both_is_left_out(hubert):
    expected = load_encoder(hubert).encode(WAVEFORM)
    rewrite(hubert, "student.hubert.")
    path = hubert / "model.safetensors"
    save_file(load_file(path) | {"student.lm_head.weight": torch.zeros(3)}, path)
    torch.testing.assert_close(load_encoder(hubert).encode(WAVEFORM), expected, rtol=0, atol=0)


def test_a_prefix_of_some_names_alone_is_named_with_the_tensor(hubert):
    path = hubert / "model.safetensors"
    tensors = {f"wrapped.{name}": value for name, value in load_file(path).items()}
    save_file(tensors | {"step": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match=r"tensor '[\w.]+' is missing \(and \d+ more\)"):
        load_encoder(hubert)


def test_a_processor_config_alone_is_enough(hubert):
    expected = load_encoder(hubert).encode(WAVEFORM)
    settings = json.loads((hubert / "preprocessor_config.json").read_text())
    (hubert / "preprocessor_config.json").unlink()
    for content in ({"feature_extractor": settings, "processor_class": "P"}, settings):
        (hubert / "processor_config.json").write_text(json.dumps(content))
        torch.testing.assert_close(load_encoder(hubert).encode(WAVEFORM), expected, rtol=0, atol=0)
    (hubert / "processor_config.json").write_text('{"feature_extractor": {"sampling_rate": "16k"}}')
    with pytest.raises(ModelError, match=r"processor_config\.json: 'sampling_rate' = '16k'"):
        load_encoder(hubert)


def test_a_git_lfs_pointer_is_named(hubert):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
    (hubert / "model.safetensors").write_text(pointer)
    with pytest.raises(ModelError, match="is a Git LFS pointer, not the weights; fetch them with `git lfs pull`"):
        load_encoder(hubert)


@pytest.mark.parametrize("with_config", [True, False])
def test_an_adapter_alone_is_named(hubert, with_config):
    (hubert / "model.safetensors").unlink()
    (hubert / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere"}')
    if not with_config:
        (hubert / "config.json").unlink()
    with pytest.raises(ModelError, match=r"holds an adapter \(LoRA\) alone; merge it into its model"):
        load_encoder(hubert)


def test_a_configuration_fetches_no_kernel(hubert):
    config = json.loads((hubert / "config.json").read_text())
    expected = load_encoder(hubert).encode(WAVEFORM)
    config |= {"attn_implementation": "someone/kernel", "_attn_implementation": "someone/kernel"}
    (hubert / "config.json").write_text(json.dumps(config))
    torch.testing.assert_close(load_encoder(hubert).encode(WAVEFORM), expected, rtol=0, atol=0)


@pytest.mark.parametrize("value", ["64", 0, -3, 2.5, True, None, [64]])
def test_a_size_is_a_whole_number_above_0(tmp_path, value):
    with pytest.raises(ModelError, match=r"c\.json: 'dim' = .*: a value is of the wrong type, expected a whole number"):
        setting(tmp_path / "c.json", {"dim": value}, "dim", int)
    assert setting(tmp_path, {"dim": 64}, "dim", int) == 64


@pytest.mark.parametrize("content", [[1, 2], {}, {"state_dict": {}}])
def test_what_is_no_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ModelError, match="no state dict in it"):
        read_tensors(tmp_path / "x.pt")


def test_an_adapter_in_the_weights_is_named(hubert):
    path, name = hubert / "model.safetensors", "encoder.layers.0.attention.q_proj.lora_A.default.weight"
    save_file(load_file(path) | {name: torch.zeros(4, 32)}, path)
    with pytest.raises(ModelError, match=r"q_proj.lora_A.default.weight' is of an adapter \(LoRA\); merge it"):
        load_encoder(hubert)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.complex64, torch.float8_e4m3fn])
def test_quantised_weights_are_refused_and_not_taken_for_floats(hubert, dtype):
    tensors = load_file(hubert / "model.safetensors")
    (hubert / "model.safetensors").unlink()
    torch.save({name: value.to(dtype) for name, value in tensors.items()}, hubert / "pytorch_model.bin")
    with pytest.raises(ModelError, match=rf"is of {str(dtype)[6:]}: quantised\? give the weights as floats"):
        load_encoder(hubert)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_read(hubert, dtype):
    tensors = load_file(hubert / "model.safetensors")
    save_file({name: value.to(dtype) for name, value in tensors.items()}, hubert / "model.safetensors")
    assert load_encoder(hubert).layers == (0, 1, 2, 3)


@pytest.mark.parametrize(
    "content",
    [
        {1: torch.zeros(2)},
        {"a": torch.zeros(2, 2).to_sparse()},
        {"a": torch.zeros(2, device="meta")},
        {"model": {"a": torch.zeros(2)}, "epoch": 3},
    ],
)
def test_what_are_no_names_and_plain_tensors_is_no_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ModelError, match=r"a\.pt: no state dict in it \(it holds .*\); expected names and tensors, as"):
        read_tensors(tmp_path / "a.pt")


def test_a_rate_of_the_preprocessor_that_is_none_is_refused(hubert):
    (hubert / "preprocessor_config.json").write_text('{"sampling_rate": 16, "do_normalize": true}')
    with pytest.raises(ModelError, match="'sampling_rate' = 16 Hz is none of music"):
        load_encoder(hubert)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_of_a_directory_is_answered_by_the_directory(hubert, name):
    with pytest.raises(ModelError, match=f"is one file of a model; give the directory, {hubert}"):
        load_encoder(hubert / name)


@pytest.mark.parametrize("inside", ["model", "snapshots/abc"])
def test_a_directory_around_a_model_is_answered_by_that_of_the_model(hubert, tmp_path, inside):
    place = tmp_path / "around" / inside
    place.parent.mkdir(parents=True)
    hubert.rename(place)
    with pytest.raises(ModelError, match=f"holds no model itself; the one in it is {place}"):
        load_encoder(tmp_path / "around")


def test_a_number_that_the_models_precision_lacks_is_no_weight(hubert):
    path = hubert / "model.safetensors"
    tensors = {name: value.double() for name, value in load_file(path).items()}
    name = next(name for name in tensors if name.endswith("final_layer_norm.weight"))
    save_file({**tensors, name: tensors[name] * 1e60}, path)
    with pytest.raises(ModelError, match=r"final_layer_norm\.weight' holds non-finite values"):
        load_encoder(hubert)


def test_weights_that_are_a_pipe_are_not_waited_for(hubert):
    (hubert / "model.safetensors").unlink()
    os.mkfifo(hubert / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"not a regular file|neither model"):
        load_encoder(hubert)
    with pytest.raises(ModelError, match="not a regular file"):
        read_tensors(hubert / "pytorch_model.bin")


def test_an_index_that_names_a_shard_without_a_name_is_refused(hubert):
    index = shard(hubert)
    index.write_text(json.dumps({"weight_map": {"a": ""}}))
    with pytest.raises(ModelError, match="names a shard ''"):
        load_encoder(hubert)


def test_a_tensor_of_eight_bits_is_named_wherever_it_stands(tmp_path):
    model = torch.nn.Linear(2, 2)
    tensors = {**model.state_dict(), "head": torch.ones(2).to(torch.float8_e4m3fn)}
    with pytest.raises(ModelError, match="'head' is of float8_e4m3fn: quantised"):
        load_strictly(model, tensors, tmp_path, unused={"head": (2,)})
