"""The exported graph says what torch and `apply_probe` say, and what cannot be exported is refused in words."""

import json

import numpy as np
import pytest
import torch

from layerscope import load_encoder
from layerscope.encoders.exported_encoder import cut_encoder
from layerscope.encoders.mel import MelSpectrogram
from layerscope.errors import UsageError
from layerscope.predictor.onnx_file import DftMel, ProbedEncoder, refuse_onnx, write_onnx
from layerscope.probes.applied import apply_probe


def probe_of(random, *shape):
    width = shape[-1]
    return {
        "mean": random.normal(size=shape), "scale": random.uniform(0.5, 2.0, shape),
        "hidden.weight": random.normal(size=(width, 16)) / width, "hidden.bias": random.normal(size=16),
        "output.weight": random.normal(size=(16, 3)), "output.bias": random.normal(size=3),
        "output.scale": np.array(2.0), "output.shift": random.normal(size=3),
    }  # fmt: skip


def test_the_front_end_is_that_of_the_run_within_rounding():
    mel, waveforms = MelSpectrogram(), 0.1 * torch.randn(2, 12_345, generator=torch.Generator().manual_seed(0))
    tone = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(12_345) / 24_000)
    for sound in (waveforms, tone[None]):
        expected, given = mel(sound), DftMel(mel)(sound)
        assert given.shape == expected.shape
        # Decibels of what is loud agree to rounding; 80 dB below there is only noise of rounding in both.
        loud = expected > expected.max() - 80
        torch.testing.assert_close(given[loud], expected[loud], atol=2e-2, rtol=0)
        assert (given - expected)[expected > expected.max() - 40].abs().max() < 1e-4


@pytest.mark.parametrize("given", ["mean(0+1)", "concat(0+1)"])
def test_what_is_exported_takes_layers_as_the_probe_does(given):
    random = np.random.default_rng(0)
    encoder = cut_encoder(load_encoder("toy-muq"), (0, 1))
    weights = probe_of(random, encoder.dim * (1 if given.startswith("mean") else 2))
    waveforms = (0.1 * random.normal(size=(2, 30_000))).astype(np.float32)
    states = encoder.encode(torch.from_numpy(waveforms)).mean(dim=2).numpy()
    together = states.mean(axis=1) if given.startswith("mean") else states.reshape(2, -1)
    with torch.inference_mode():
        scores = ProbedEncoder(encoder, given, weights).eval()(torch.from_numpy(waveforms)).numpy()
    np.testing.assert_allclose(scores, apply_probe(weights, together), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layers", "given"), [("toy-muq", (1,), "layer"), ("toy-musicfm", (0, 1), "weighted")])
def test_the_file_scores_sound_as_the_predictor_does(tmp_path, name, layers, given):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    random = np.random.default_rng(0)
    encoder = cut_encoder(load_encoder(name), layers)
    weights = probe_of(random, *([2] * (given == "weighted")), encoder.dim)
    if given == "weighted":
        weights["mixture"] = np.array([0.3, 0.7])
    write_onnx(tmp_path / "model.onnx", encoder, given, weights, ["a", "b", "c"], 30.0)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert json.loads(session.get_modelmeta().custom_metadata_map["names"]) == ["a", "b", "c"]
    assert json.loads(session.get_modelmeta().custom_metadata_map["sample_rate"]) == encoder.sample_rate
    assert json.loads(session.get_modelmeta().custom_metadata_map["precision"]) == "float32"
    for batch, samples in ((1, 30_000), (3, 71_111)):
        waveforms = (0.1 * random.normal(size=(batch, samples))).astype(np.float32)
        states = encoder.encode(torch.from_numpy(waveforms)).mean(dim=2).numpy()  # (batch, layer, width)
        expected = apply_probe(weights, states if given == "weighted" else states[:, 0])
        (scores,) = session.run(["scores"], {"waveform": waveforms})
        np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "asked", "reason"),
    [
        ("random:small", {"probe": "knn", "over_time": False, "copied": True}, "export --probe linear"),
        ("mel", {"over_time": False, "copied": True}, "mel is a plain feature, which is no network"),
        ("random:small", {"over_time": True, "copied": True}, "decoded outside of the network"),
        ("random:small", {"over_time": False, "copied": False}, "--no-weights leaves them out"),
    ],
)
def test_what_cannot_be_one_file_is_refused_in_words(name, asked, reason, monkeypatch):
    monkeypatch.setattr("layerscope.predictor.onnx_file.PACKAGES", ())
    with pytest.raises(UsageError, match=reason):
        refuse_onnx(load_encoder(name), **{"probe": "linear", **asked})


def test_packages_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr("layerscope.predictor.onnx_file.PACKAGES", ("json", "no_such_package"))
    with pytest.raises(UsageError, match=r"needs no_such_package: pip install 'layerscope\[onnx\]'"):
        refuse_onnx(load_encoder("random:small"), "linear", over_time=False, copied=True)
