import json
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from layerscope.encoders import load_encoder
from layerscope.encoders.exported_encoder import cut_encoder, read_portable, write_portable
from layerscope.encoders.own_encoder import verify
from layerscope.errors import ModelError

ENCODEC = {"num_filters": 4, "hidden_size": 12, "codebook_size": 16, "upsampling_ratios": [5, 4, 2]}
DAC = {"encoder_hidden_size": 4, "decoder_hidden_size": 64, "downsampling_ratios": [2, 4, 5], "n_codebooks": 2,
       "codebook_size": 16}  # fmt: skip
FAMILIES = ["encodec", "dac"]


def write(directory, family, **changes):
    torch.manual_seed(0)
    if family == "encodec":
        network = transformers.EncodecModel(transformers.EncodecConfig(**ENCODEC, **changes)).eval()
    else:
        network = transformers.DacModel(transformers.DacConfig(**DAC, **changes)).eval()
        for module in network.modules():
            if isinstance(module, torch.nn.Conv1d):  # the library's own draws are so small that noise is not heard
                torch.nn.init.normal_(module.weight, std=0.2)
    network.save_pretrained(directory)
    return network.encoder


@pytest.fixture
def waveforms():
    return 0.1 * torch.randn(2, 12_013, generator=torch.Generator().manual_seed(0))


def official(encoder, family, waveforms):
    """What every module at the end of a stage returns in the library's own pass over the input of its preprocessor."""
    ends = [0, 3, 6, 9, 10, 12]
    modules = (
        [encoder.layers[end] for end in ends] if family == "encodec" else [encoder.conv1, *encoder.block, encoder.conv2]
    )
    states = []
    for module in modules:
        module.register_forward_hook(lambda _, __, output: states.append(output.mT))
    if family == "encodec":
        extractor = transformers.EncodecFeatureExtractor(sampling_rate=24_000)
    else:
        extractor = transformers.DacFeatureExtractor(sampling_rate=16_000, hop_length=40)
    inputs = extractor([*waveforms.numpy()], sampling_rate=extractor.sampling_rate).input_values
    with torch.inference_mode():
        encoder(torch.stack([torch.as_tensor(one) for one in inputs]).view(len(waveforms), 1, -1))
    return states


@pytest.mark.parametrize(
    ("family", "widths", "counts", "rates"),
    [
        ("encodec", (4, 8, 16, 32, 32, 12), [12_013, 6007, 1502, 301, 301, 301], (24_000, 12_000, 3000, 600, 600, 600)),
        ("dac", (4, 8, 16, 32, 32), [12_013, 6007, 1502, 301, 301], (16_000, 8000, 2000, 400, 400)),
    ],
)
def test_states_are_the_librarys_stage_by_stage(tmp_path, waveforms, family, widths, counts, rates):
    network = write(tmp_path / "codec", family)
    encoder = load_encoder(tmp_path / "codec")
    states = encoder.encode(waveforms)
    assert (encoder.widths, encoder.model.frame_rates) == (widths, rates)
    assert [state.shape for state in states] == [(2, *shape) for shape in zip(counts, widths, strict=True)]
    for state, expected in zip(states, official(network, family, waveforms), strict=True):
        torch.testing.assert_close(state, expected[:, : state.shape[1]], rtol=0, atol=1e-5)
        assert expected.std() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_the_contract_is_kept_whichever_layers_are_chosen(tmp_path, family):
    write(tmp_path / "codec", family)
    for layers in (None, "0-1", "2", "3-4"):
        encoder = load_encoder(tmp_path / "codec", layers=layers)
        assert encoder.frame_rate == encoder.model.frame_rates[encoder.layers[-1]]
        verify(encoder, family)


@pytest.mark.parametrize("family", FAMILIES)
def test_later_stages_are_not_computed(tmp_path, family):
    write(tmp_path / "codec", family)
    part = load_encoder(tmp_path / "codec", layers="0-1")
    part.model.stages[1].register_forward_pre_hook(lambda *_: pytest.fail("a later stage was computed"))
    assert [state.shape[2] for state in part.encode(torch.zeros(1, 8000))] == [4, 8]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_exported_encoder_gives_the_same_states(tmp_path, waveforms, family):
    write(tmp_path / "codec", family)
    encoder = load_encoder(tmp_path / "codec")
    expected = encoder.layer_states(waveforms)[2]
    (tmp_path / "out").mkdir()
    told = write_portable(cut_encoder(encoder, (2,)), tmp_path / "out")
    (found,) = read_portable(told, tmp_path / "out").layer_states(waveforms)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_the_names_of_published_files_are_those_of_the_older_weight_norm(tmp_path, waveforms):
    write(tmp_path / "codec", "encodec")
    expected = load_encoder(tmp_path / "codec").layer_states(waveforms)[-1]
    path = tmp_path / "codec" / "model.safetensors"
    older = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in load_file(path).items()
    }
    save_file(older, path)
    torch.testing.assert_close(load_encoder(tmp_path / "codec").layer_states(waveforms)[-1], expected)


@pytest.mark.parametrize(
    ("key", "value"), [("audio_channels", 2), ("normalize", True), ("chunk_length_s", 1.0)]
)  # as EnCodec at 48 kHz has them
def test_what_takes_two_channels_or_chunks_is_refused_by_name(tmp_path, key, value):
    write(tmp_path / "codec", "encodec")
    path = tmp_path / "codec" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ModelError, match=f"{key} = {value} is not understood"):
        load_encoder(tmp_path / "codec")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_missing_tensor_is_named_and_the_twin_needs_none(tmp_path, family):
    write(tmp_path / "codec", family)
    path = tmp_path / "codec" / "model.safetensors"
    tensors = load_file(path)
    name = next(name for name in sorted(tensors) if name.startswith("encoder."))
    del tensors[name]
    save_file(tensors, path)
    with pytest.raises(ModelError, match=f"'{name.replace('.', '[.]')}' is missing"):
        load_encoder(tmp_path / "codec")
    path.unlink()
    assert load_encoder(f"random:{tmp_path / 'codec'}").untrained


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
def test_encodec_gives_the_states_of_its_authors_package(tmp_path, waveforms):
    """The library's layout is the authors' under other names: what is read from it is held to their own network."""
    seanet = pytest.importorskip("encodec.modules.seanet", reason="encodec is not installed", exc_type=ImportError)
    torch.manual_seed(1)
    network = seanet.SEANetEncoder(
        dimension=12, n_filters=4, ratios=[5, 4, 2], norm="weight_norm", causal=True, true_skip=False
    ).eval()
    directory = tmp_path / "codec"
    write(directory, "encodec")
    theirs = {
        "encoder.layers." + name.removeprefix("model.").replace("conv.conv.", "conv."): value
        for name, value in network.state_dict().items()
    }
    save_file({name: value.clone() for name, value in theirs.items()}, directory / "model.safetensors")
    with torch.inference_mode():
        expected = network(waveforms[:, None]).mT
    torch.testing.assert_close(load_encoder(directory).layer_states(waveforms)[-1], expected, rtol=0, atol=1e-5)


@pytest.fixture
def dac_encoder(monkeypatch):
    """The encoder of DAC's authors; what its package needs for files, training and quantizing is not imported."""
    package = find_spec("dac")
    if package is None:
        pytest.skip("descript-audio-codec is not installed")
    absent = {
        "audiotools": {"AudioSignal": object},
        "audiotools.ml": {"BaseModel": torch.nn.Module},
        "dac.model.base": {"CodecMixin": type("CodecMixin", (), {})},
        "dac.nn.quantize": {"ResidualVectorQuantize": object},
    }
    for name in ("dac", "dac.nn", "dac.model"):
        module = ModuleType(name)
        module.__path__ = [str(Path(package.origin).parents[0].joinpath(*name.split(".")[1:]))]
        monkeypatch.setitem(sys.modules, name, module)
    for name, values in absent.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("dac.model.dac", "dac.nn.layers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return import_module("dac.model.dac").Encoder


def librarys_name(name, stages):
    """The library's name of a tensor of DAC's authors, who number what it names."""
    _, stage, *rest, value = name.split(".")
    if int(stage) == 0:
        return f"conv1.{value}"
    if int(stage) > stages:
        return f"{'snake1' if int(stage) == stages + 1 else 'conv2'}.{value}"
    if len(rest) == 2:
        return f"block.{int(stage) - 1}.{'snake1' if rest[1] == '3' else 'conv1'}.{value}"
    part = ("snake1", "conv1", "snake2", "conv2")[int(rest[3])]
    return f"block.{int(stage) - 1}.res_unit{int(rest[1]) + 1}.{part}.{value}"


@pytest.mark.filterwarnings("ignore:.*weight_norm", "ignore:.*torch.jit.script")
def test_dac_gives_the_states_of_its_authors_package(tmp_path, waveforms, dac_encoder):
    torch.manual_seed(1)
    network = dac_encoder(d_model=4, strides=[2, 4, 5], d_latent=32).eval()
    for name, value in network.named_parameters():
        if name.endswith("weight_v"):
            torch.nn.init.normal_(value, std=0.2)
    for module in network.modules():
        if hasattr(module, "weight_g"):
            torch.nn.utils.remove_weight_norm(module)
    directory = tmp_path / "codec"
    write(directory, "dac")
    theirs = {f"encoder.{librarys_name(name, 3)}": value for name, value in network.state_dict().items()}
    save_file({**load_file(directory / "model.safetensors"), **theirs}, directory / "model.safetensors")
    states = load_encoder(directory).layer_states(waveforms)
    maps = torch.nn.functional.pad(waveforms[:, None], (0, -waveforms.shape[1] % 40))
    with torch.inference_mode():
        for state, stage in zip(states, [*network.block[:4], network.block[4:]], strict=True):
            maps = stage(maps)
            torch.testing.assert_close(state, maps.mT[:, : state.shape[1]], rtol=0, atol=1e-5)
            assert maps.std() > 1e-3
