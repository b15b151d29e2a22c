import numpy as np
import pytest
import torch

from layerscope.encoders import load_encoder
from layerscope.encoders.conformer import ConformerModel
from layerscope.encoders.device import (
    Arriving,
    computing,
    device_label,
    find_device,
    refuse_precision,
    tf32_products,
    upload,
)
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.model_names import UNTRAINED_SIZES
from layerscope.errors import UsageError

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")


@pytest.fixture
def two_gpus(monkeypatch):
    """What torch says on a machine with two GPUs of a generation."""

    def of(capability):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA T4")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        monkeypatch.setattr(torch.version, "cuda", "12.8")

    return of


def test_auto_is_the_gpu_where_there_is_one(two_gpus, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert find_device("auto") == CPU
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert find_device("auto") == torch.device("mps")
    two_gpus((8, 0))
    assert find_device("auto") == find_device("cuda") == GPU
    assert find_device("cuda:1") == torch.device("cuda:1")
    assert device_label(GPU) == "cuda:0 (NVIDIA T4)"


def test_a_device_that_is_not_there_is_refused_with_those_that_are(two_gpus):
    two_gpus((8, 0))
    with pytest.raises(UsageError, match=r"'cuda:2' is not there; .* has cuda:0 \(NVIDIA T4\), cuda:1 .*, cpu"):
        find_device("cuda:2")


def test_a_device_of_torch_is_taken_as_its_name():
    assert load_encoder("random:small", device=CPU).device == "cpu"
    with pytest.raises(UsageError, match="device 'None' is none; give auto, cpu"):
        load_encoder("random:small", device=None)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), 1e306, True, "3"])
def test_what_is_no_length_of_a_batch_is_refused(seconds):
    with pytest.raises(UsageError, match=r"batch_seconds is .*; give (seconds of audio above 0|a number)"):
        load_encoder("random:small", batch_seconds=seconds)


@pytest.mark.parametrize("name", ["gpu", "", "CUDA", "cuda:", "cuda:-1", "cuda:0 ", "meta", "cpu:0"])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(UsageError, match="is none; give auto, cpu"):
        find_device(name)


@pytest.mark.parametrize("name", ["float16", "fp16", "half"])
def test_float16_is_refused_with_the_reason(name):
    with pytest.raises(UsageError, match="exceed 65,504, the largest number of float16"):
        load_encoder("random:small", precision=name)


def test_tf32_and_bf16_are_of_the_gpus_that_have_them(two_gpus):
    with pytest.raises(UsageError, match=r"'tf32' is of NVIDIA GPUs from Ampere on .* not of cpu"):
        refuse_precision("tf32", CPU)
    two_gpus((7, 5))
    for precision in ("tf32", "bf16"):
        with pytest.raises(UsageError, match=precision):
            refuse_precision(precision, GPU)
    two_gpus((9, 0))
    refuse_precision("tf32", GPU)
    refuse_precision("bf16", GPU)
    with pytest.raises(UsageError, match=r"'tf32' .* not of mps"):
        refuse_precision("tf32", torch.device("mps"))


def test_convolutions_on_cuda_are_not_rounded_to_tf32_unless_that_is_said():
    def flags():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    before = flags()
    assert before[1]  # what torch does by itself
    with tf32_products(allowed=False):
        assert flags() == (False, False)
    assert flags() == before
    with tf32_products(allowed=True):
        assert flags() == (True, True)
    assert flags() == before


def test_the_precision_is_the_encoders_whatever_the_callers_is():
    layer, zeros = torch.nn.Linear(2, 2), torch.zeros(1, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(zeros).dtype == torch.bfloat16
        with computing(CPU, "float32"):
            assert layer(zeros).dtype == torch.float32
    with computing(CPU, "bf16"):
        assert layer(zeros).dtype == torch.bfloat16
    encoder, sound = load_encoder("random:small"), torch.randn(1, 4800)
    with torch.autocast("cpu", torch.bfloat16):
        inside = encoder.encode(sound)
    assert torch.equal(inside, encoder.encode(sound))


def test_the_precision_is_part_of_the_fingerprint_and_the_device_is_not():
    encoder = load_encoder("random:small", device="cpu")
    other = load_encoder("random:small", device="cpu", precision="bf16")
    assert encoder.fingerprint == load_encoder("random:small").fingerprint
    assert other.fingerprint != encoder.fingerprint
    assert encoder.at("bf16").fingerprint == other.fingerprint
    assert other.at("float32").fingerprint == encoder.fingerprint
    assert encoder.precision == "float32"  # the first is left as it is
    elsewhere = LayeredEncoder(encoder.model, "elsewhere", device="meta")
    assert elsewhere.fingerprint == encoder.fingerprint


def test_states_are_float32_in_every_precision():
    sound = torch.randn(1, 9600)
    exact, rounded = load_encoder("random:small"), load_encoder("random:small", precision="bf16")
    assert rounded.encode(sound).dtype == torch.float32
    assert not torch.equal(exact.encode(sound), rounded.encode(sound))


def test_states_stay_on_the_device():
    encoder = LayeredEncoder(ConformerModel(UNTRAINED_SIZES["small"]), "small", (0, 3), device="meta")
    states = encoder.encode(torch.zeros(2, 4800))
    assert (states.device.type, states.shape) == ("meta", (2, 2, 5, 64))


def test_what_crosses_arrives_as_it_was():
    tensors = {"a": torch.randn(3, 2), "b": torch.arange(4).half()}
    arriving = Arriving({name: [upload(tensor, CPU)] for name, tensor in tensors.items()})
    for name, (array,) in arriving.arrays().items():
        assert array.dtype == tensors[name].numpy().dtype
        np.testing.assert_array_equal(array, tensors[name].numpy())


def test_an_encoder_of_ones_own_computes_as_its_code_says(monkeypatch, tmp_path):
    (tmp_path / "own_places.py").write_text(
        "import torch, layerscope as ls\n"
        "class Own(ls.Encoder):\n"
        "    name, sample_rate, frame_rate, layers, dim, fingerprint = 'own', 8000, 8.0, (0,), 1, 'f'\n"
        "    def encode(self, waveforms):\n"
        "        length = waveforms.shape[1] // 1000 * 1000\n"
        "        return waveforms[:, :length].unflatten(1, (-1, 1000)).mean(-1)[:, None, :, None]\n"
        "class Rounded(Own):\n"
        "    precision = 'bf16'\n"
        "def layered():\n"
        "    return ls.load_encoder('random:small')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=r"precision 'bf16': own is an encoder of your own, whose code computes"):
        load_encoder("own_places:Own", precision="bf16")
    assert load_encoder("own_places:Own", device="cpu", batch_seconds=7.0).batch_seconds == 7.0
    assert load_encoder("own_places:Rounded", precision="bf16").precision == "bf16"
    assert load_encoder("own_places:layered", precision="bf16").precision == "bf16"
