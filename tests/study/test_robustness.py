import json

import numpy as np
import pandas as pd
import pytest
import soundfile

import layerscope as ls
from layerscope.cli.commands import write_page
from layerscope.data.deformations import Deformation
from layerscope.scores.robustness_table import Robustness
from layerscope.study.options import make_plan
from layerscope.study.robustness import deformed_task
from layerscope.study.run import run
from layerscope.study.study_tasks import load_tasks

RATE = 16_000
TWO_BANDS = '''
import torch
import layerscope as ls

class TwoBands(ls.Encoder):
    """Layer 1 hears what is below 2 kHz, layer 2 what is above 4 kHz."""
    name, sample_rate, frame_rate, layers, dim, minimum_samples = "two", 16_000, 50.0, (1, 2), 8, 640

    def __init__(self):
        self.fingerprint = ls.fingerprint_of({"two": 1})

    def encode(self, waveforms):
        window = torch.hann_window(640, device=waveforms.device)
        spectrum = torch.stft(waveforms, 640, 320, window=window, return_complex=True).abs().transpose(1, 2)
        halves = [spectrum[..., :80], spectrum[..., 160:320]]
        bands = [torch.nn.functional.adaptive_avg_pool1d(half, 8) for half in halves]
        return torch.log(torch.stack(bands, dim=1) + 1e-3)

def factory():
    return TwoBands()
'''


@pytest.fixture
def two_bands(tmp_path, monkeypatch):
    (tmp_path / "two_bands.py").write_text(TWO_BANDS)
    monkeypatch.chdir(tmp_path)
    return "two_bands:factory"


def write_classes(place, clips=60, heard=True):
    """Two classes that are heard below 2 kHz and above 4 kHz alike, or not at all."""
    random, time = np.random.default_rng(0), np.arange(RATE // 2) / RATE
    rows = []
    for number in range(clips):
        label = number % 2
        low, high = ((300, 5000), (1300, 7000))[label if heard else int(random.integers(2))]
        sound = 0.02 * random.standard_normal(len(time))
        sound += 0.2 * np.sin(2 * np.pi * low * time) + 0.2 * np.sin(2 * np.pi * high * time)
        soundfile.write(place / f"{number}.wav", sound, RATE)
        rows.append({"path": f"{number}.wav", "label": "ab"[label]})
    pd.DataFrame(rows).to_csv(place / "table.csv", index=False)
    return place / "table.csv"


def plan_of(table, model, **changes):
    given = {"data": table, "model": [model] if model else [], "baseline": [], "probe": ["closed"], "folds": 5}
    return make_plan({**given, **changes}, "test")


def test_what_breaks_a_layer_is_found_and_said(two_bands, tmp_path):
    table = write_classes(tmp_path)
    results = run(plan_of(table, two_bands, deform=["lowpass:3000", "gain:-3"]), tmp_path / "out")
    rows = results.robustness.table.query("metric == 'accuracy'").set_index(["deformation", "layer"])
    assert rows.loc[("lowpass", 1), "value"] > 0.95
    assert rows.loc[("lowpass", 2), "difference_high"] < -0.2
    assert (rows.loc["gain"].difference.abs() < 0.1).all()
    assert rows.as_good.all()
    assert rows.loses_least.to_dict() == {
        ("lowpass", 1): True, ("lowpass", 2): False, ("gain", 1): True, ("gain", 2): True,
    }  # fmt: skip
    page = (tmp_path / "out" / "report.html").read_text()
    assert "lowpass:3000 costs layer 1 least" in page
    assert "gain:-3 costs" not in page
    # Read again from its files, the page says the same.
    write_page(tmp_path / "out")
    assert (tmp_path / "out" / "report.html").read_text() == page


def test_clean_scores_are_those_of_the_run(two_bands, tmp_path):
    results = run(plan_of(write_classes(tmp_path, heard=False), two_bands, deform=["noise:20"]), tmp_path / "out")
    table = results.robustness.table.set_index(["layer", "metric"])
    clean = results.of(input="layer").set_index(["layer", "metric"]).value
    pd.testing.assert_series_equal(table.clean, clean.loc[table.index], check_names=False)
    # Of noise nothing is said.
    assert table.loses_least.all()
    assert "least (" not in (tmp_path / "out" / "report.html").read_text()


def test_nothing_changes_where_nobody_asks(two_bands, tmp_path):
    table = write_classes(tmp_path)
    run(plan_of(table, two_bands), tmp_path / "plain")
    run(plan_of(table, two_bands, deform=["gain:-3"]), tmp_path / "deformed")
    for name in ("results.csv", "summary.csv", "splits.csv", "predictions.csv", "answer.json"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "deformed" / name).read_bytes()
    assert not list((tmp_path / "plain").glob("robustness*"))
    for name in ("study.json", "provenance.json"):
        assert "deform" not in json.dumps(json.loads((tmp_path / "plain" / name).read_text()))
    assert json.loads((tmp_path / "deformed" / "study.json").read_text())["deform"] == ["gain:-3"]


def test_a_second_visit_encodes_and_trains_nothing(two_bands, tmp_path, monkeypatch):
    plan = plan_of(write_classes(tmp_path), two_bands, deform=["reverb:0.3"])
    run(plan, tmp_path / "out")
    before = (tmp_path / "out" / "robustness.csv").read_bytes()
    monkeypatch.setattr("layerscope.probes.fitting.run_job", lambda *_: pytest.fail("a probe was trained again"))
    monkeypatch.setattr("layerscope.features.deformed_pass.load", lambda *_: pytest.fail("a clip was decoded again"))
    run(plan, tmp_path / "out")
    assert (tmp_path / "out" / "robustness.csv").read_bytes() == before


def test_labels_that_change_are_changed_or_left_out_by_name(two_bands, tmp_path):
    table = write_classes(tmp_path)
    pd.read_csv(table).assign(pitch=["C", "D"] * 30, bpm=np.linspace(90, 150, 60)).to_csv(table, index=False)
    plan = plan_of(table, two_bands, target=["label", "pitch", "bpm"], deform=["pitch:1", "tempo:1.1"])
    label, pitch, bpm = (
        deformed_task(task, plan, [Deformation("pitch", 1), Deformation("tempo", 1.1)]) for task in load_tasks(plan)
    )
    assert len(label.changed) == 2
    assert list(pitch.changed) == [Deformation("tempo", 1.1)]
    assert pitch.left_out[0]["deformation"] == "pitch:1"
    assert "'pitch', tells of pitch" in pitch.left_out[0]["reason"]
    faster = bpm.changed[Deformation("tempo", 1.1)].values
    np.testing.assert_allclose(faster[:, 0], 1.1 * np.linspace(90, 150, 60), rtol=1e-6)


def test_clips_that_cannot_be_deformed_are_set_aside_by_name(two_bands, tmp_path):
    table = write_classes(tmp_path)
    soundfile.write(tmp_path / "7.wav", np.zeros(RATE // 2), RATE)
    results = run(plan_of(table, two_bands, deform=["noise:20", "gain:-3"]), tmp_path / "out")
    left_out = results.robustness.left_out
    assert left_out[["deformation", "clip"]].values.tolist() == [["noise:20", "7.wav"]]
    assert "it is silent" in left_out.reason.iloc[0]
    counts = results.robustness.table.groupby("deformation").n.first()
    assert counts.to_dict() == {"gain": 60, "noise": 59}
    assert "7.wav, noise:20" in (tmp_path / "out" / "report.html").read_text()


def test_beats_are_where_the_faster_sound_has_them(tmp_path):
    random = np.random.default_rng(0)
    for number in range(12):
        beats = np.arange(0.3, 5.8, 0.5)
        sound = 0.01 * random.standard_normal(6 * RATE)
        for beat in beats:
            first = round(beat * RATE)
            sound[first : first + 400] += 0.5 * random.standard_normal(400)
        soundfile.write(tmp_path / f"{number}.wav", sound, RATE)
    rows = [{"path": f"{number}.wav", "beats": json.dumps(beats.tolist())} for number in range(12)]
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    given = {"baseline": ["mel"], "target": ["beats"], "folds": 3, "deform": ["tempo:1.25", "gain:-3"]}
    results = run(plan_of(tmp_path / "table.csv", None, **given), tmp_path / "out")
    table = results.robustness.table.query("metric == 'beat_f' and input == 'frame'").set_index("deformation")
    assert table.clean.min() > 0.9
    # Times that had stayed as they were would find a fifth.
    assert table.loc["tempo", "value"] > 0.75


def test_a_damaged_table_is_refused(tmp_path):
    (tmp_path / "robustness.csv").write_text("model\n")
    (tmp_path / "robustness_left_out.csv").write_text("task\n")
    with pytest.raises(ls.errors.DataError, match="run the study again"):
        Robustness.read(tmp_path)
