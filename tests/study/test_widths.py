"""Layers that have widths, and rates, of their own go the whole way: run, compare, export, predict."""

import textwrap
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from conftest import ONE_PERMUTATION
from layerscope import load_encoder, load_predictor
from layerscope.cli.entry_point import guarded
from layerscope.errors import DataError, UsageError
from layerscope.predictor.manifest import read_manifest
from layerscope.similarity.measures import Similarities

#: Bands of a spectrum, wider and slower with every layer, as a convolutional network's are.
STAGES = """
import torch
import layerscope as ls

class Stages(ls.Encoder):
    name, sample_rate, frame_rate, layers, widths, minimum_samples = "stages", 8000, 50.0, (0, 1, 2), (4, 8, 2), 1600

    def __init__(self):
        self.fingerprint = ls.fingerprint_of({"stages": 1})

    def encode(self, waveforms):
        spectra = torch.stft(waveforms, 256, 160, window=torch.hann_window(256), return_complex=True).abs().mT
        bands = (spectra[:, :, :128] + 1e-4).log()
        layers = []
        for stage, width in enumerate(self.widths):
            bands = bands if stage == 0 else bands[:, : bands.shape[1] // 2 * 2].unflatten(1, (-1, 2)).mean(2)
            layers.append(bands.unflatten(2, (width, -1)).mean(3))
        return layers
"""


@pytest.fixture
def stages(tmp_path, monkeypatch):
    (tmp_path / "stages_of_bands.py").write_text(textwrap.dedent(STAGES))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "stages_of_bands:Stages"


def test_run_compare_export_and_predict(stages, tones, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(*ONE_PERMUTATION)
    study = ["--data", str(tones), "--model", stages]
    assert guarded(["run", *study, "--baseline", "none", "--probe", "closed,linear", "--out", "run"]) == 0
    summary = pd.read_csv("run/summary.csv")
    assert set(summary[summary.probe == "linear"].input) == {"layer", "last", "concat", "shuffled"}  # no sum of widths
    assert guarded(["compare", *study, "--out", "compared"]) == 0
    similarities = Similarities.read(tmp_path / "compared")
    assert set(similarities.table.layer) == set(similarities.scores.layer) == {0, 1, 2}
    assert similarities.facts["frames"] == 30 * 10
    for given in ("layer 1", "concat"):
        out = f"use-{given.replace(' ', '-')}"
        assert guarded(["export", "run", "--model", "stages", "--input", given, "--insist", "--out", out]) == 0, given
        capsys.readouterr()
        assert guarded(["predict", out, str(tones / "low" / "0.wav")]) == 2
        assert "--encoder module:factory" in capsys.readouterr().err
        assert guarded(["predict", out, str(tones / "low" / "0.wav"), "--encoder", stages]) == 0
        assert ",low," in capsys.readouterr().out


def test_nothing_that_a_directory_says_is_imported(stages, tones, tmp_path):
    assert (
        guarded(
            ["run", "--data", str(tones), "--model", stages, "--baseline", "none", "--probe", "closed", "--out", "run"]
        )
        == 0
    )
    assert guarded(["export", "run", "--model", "stages", "--input", "layer 1", "--insist", "--out", "use"]) == 0
    with pytest.raises(UsageError, match="is not run because a directory says so"):
        load_predictor("use")
    with pytest.raises(DataError, match="'random:small' is not the encoder"):
        load_predictor("use", load_encoder("random:small"))
    manifest = read_manifest(tmp_path / "use" / "predictor.json")
    (tmp_path / "evil.py").write_text("raise SystemExit('this ran')")
    evil = {"name": "x", "reference": "evil:make", "select": None, "fingerprint": "x"}
    (tmp_path / "use" / "predictor.json").write_bytes(replace(manifest, encoder=evil).as_json())
    with pytest.raises(DataError, match="refers to code"):
        load_predictor("use")
    samples, rate = soundfile.read(tones / "high" / "0.wav")
    told = {"name": "stages", "code": stages, "fingerprint": load_encoder(stages).fingerprint}
    (tmp_path / "use" / "predictor.json").write_bytes(replace(manifest, encoder=told).as_json())
    assert load_predictor("use", load_encoder(stages))(samples.astype(np.float32), rate)["label"] == "high"
