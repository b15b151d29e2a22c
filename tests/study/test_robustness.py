import json
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import soundfile

from layerscope import Features, probe
from layerscope.data.audio import load
from layerscope.data.deformations import Deformation
from layerscope.data.splits import Part
from layerscope.errors import DataError
from layerscope.probes.fitting import Target
from layerscope.report.robustness_panels import least_lost
from layerscope.scores.robustness_table import Robustness
from layerscope.study.deformed_tasks import DeformedTask, deformed_task
from layerscope.study.job_scores import Study
from layerscope.study.options import Call, make_plan
from layerscope.study.progress import Silent
from layerscope.study.robustness import DeformedScore, loses_least, untaught, with_sets
from layerscope.study.run import run
from layerscope.study.run_pages import write_page
from layerscope.study.study_tasks import load_tasks
from layerscope.targets import kind_named, labels_of
from layerscope.targets.cells import Column

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


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory to work in, with the encoder and a cache of its own."""
    place = tmp_path_factory.mktemp("robustness")
    (place / "two_bands.py").write_text(TWO_BANDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("LAYERSCOPE_CACHE", str(place / "cache"))
        yield place


@pytest.fixture(autouse=True)
def _shared_cache(place, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(place / "cache"))


def write_classes(place, heard=True):
    """Write clips of two classes, heard below 2 kHz and above 4 kHz alike, or not at all; the last is silent."""
    random, time = np.random.default_rng(0), np.arange(RATE // 2) / RATE
    place.mkdir(exist_ok=True)
    rows = []
    for number in range(61):
        label = number % 2
        low, high = ((300, 5000), (1300, 7000))[label if heard else int(random.integers(2))]
        sound = 0.02 * random.standard_normal(len(time))
        sound += 0.2 * np.sin(2 * np.pi * low * time) + 0.2 * np.sin(2 * np.pi * high * time)
        level = 10 ** random.uniform(-0.5, 0) if number < 60 else 0
        soundfile.write(place / f"{number}.wav", level * sound, RATE)
        rows.append({"path": f"{number}.wav", "label": ["dull", "bright"][label]})
    pd.DataFrame(rows).to_csv(place / "table.csv", index=False)
    return place / "table.csv"


def plan_of(table, **changes):
    given = {"data": table, "model": ["two_bands:factory"], "baseline": [], "probe": ["closed"], "folds": 5}
    return make_plan({**given, **changes}, "test")


@pytest.fixture(scope="module")
def study(place):
    """A study whose layers are alike on clean clips, and are not without what is above 3 kHz."""
    plan = plan_of(write_classes(place / "heard"), deform=["lowpass:3000", "gain:-3", "noise:20"])
    return plan, run(plan, place / "out"), place / "out"


def test_what_breaks_a_layer_is_found_and_said(study):
    _, results, out = study
    rows = results.robustness.table.query("metric == 'accuracy'").set_index(["deformation", "layer"])
    assert rows.loc[("lowpass", 1), "value"] > 0.9
    assert rows.loc[("lowpass", 2), "difference_high"] < -0.2
    assert (rows.loc["gain"].difference.abs() < 0.1).all()
    assert rows.as_good.all()
    assert rows.loses_least[rows.index.get_level_values(0) != "noise"].to_dict() == {
        ("lowpass", 1): True, ("lowpass", 2): False, ("gain", 1): True, ("gain", 2): True,
    }  # fmt: skip
    page = (out / "report.html").read_text()
    assert "lowpass:3000 costs layer 1 least" in page
    assert "gain:-3 costs" not in page
    # Read again from its files, the page says the same.
    write_page(out)
    assert (out / "report.html").read_text() == page


def test_clips_that_cannot_be_deformed_are_set_aside_by_name(study):
    _, results, out = study
    left_out = results.robustness.left_out
    assert left_out[["deformation", "clip"]].values.tolist() == [["noise:20", "60.wav"]]
    assert "it is silent" in left_out.reason.iloc[0]
    counts = results.robustness.table.groupby("deformation").n.first()
    assert counts.to_dict() == {"gain": 61, "lowpass": 61, "noise": 60}
    assert "60.wav, noise:20" in (out / "report.html").read_text()


def test_clean_scores_are_those_of_the_run(study):
    _, results, _ = study
    table = results.robustness.table.query("deformation == 'gain'").set_index(["layer", "metric"])
    clean = results.of(input="layer").set_index(["layer", "metric"]).value
    pd.testing.assert_series_equal(table.clean, clean.loc[table.index], check_names=False)


def test_a_second_visit_encodes_and_trains_nothing(study, monkeypatch):
    plan, _, out = study
    before = (out / "robustness.csv").read_bytes()
    monkeypatch.setattr(
        "layerscope.probes.jobs_side_by_side.run_job", lambda *_: pytest.fail("a probe was trained again")
    )
    decoded = []

    def heard_again(path, *how):
        decoded.append(path.name)
        return load(path, *how)

    monkeypatch.setattr("layerscope.features.deformed_pass.load", heard_again)
    run(plan, out)
    # What could not be deformed is tried again.
    assert set(decoded) == {"60.wav"}
    assert (out / "robustness.csv").read_bytes() == before


def test_nothing_changes_where_nobody_asks(study, place):
    plan, _, out = study
    run(plan.model_copy(update={"deform": []}), place / "plain")
    for name in ("results.csv", "summary.csv", "splits.csv", "predictions.csv", "answer.json"):
        assert (place / "plain" / name).read_bytes() == (out / name).read_bytes()
    assert not list((place / "plain").glob("robustness*"))
    for name in ("study.json", "provenance.json"):
        assert '"deform' not in (place / "plain" / name).read_text()
    assert json.loads((out / "study.json").read_text())["deform"] == plan.deform


@pytest.mark.slow
def test_a_killed_run_continues_and_ends_the_same(study, place, monkeypatch):
    plan, _, out = study
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(place / "other cache"))

    class Interrupted(Silent):
        @contextmanager
        def task(self, description, *_):
            def step(*_):
                if description.endswith("gain:-3"):
                    raise KeyboardInterrupt

            yield step

    with pytest.raises(KeyboardInterrupt):
        run(plan, place / "killed", progress=Interrupted())
    assert not (place / "killed" / "robustness.csv").exists()
    run(plan, place / "killed")
    for name in ("robustness.csv", "robustness_left_out.csv", "results.csv"):
        assert (place / "killed" / name).read_bytes() == (out / name).read_bytes()


@pytest.mark.slow
def test_of_noise_nothing_is_said(place):
    results = run(plan_of(write_classes(place / "noise", heard=False), deform=["all"]), place / "of noise")
    assert results.robustness.table.loses_least.all()
    assert " least (" not in (place / "of noise" / "report.html").read_text()


def test_labels_that_change_are_changed_or_left_out_by_name(tmp_path):
    table = write_classes(tmp_path)
    pd.read_csv(table).assign(pitch=["low", *["low", "high"] * 30], bpm=np.linspace(90, 150, 61)).to_csv(
        table, index=False
    )
    plan = plan_of(table, target=["label", "pitch", "bpm"], deform=["pitch:1", "tempo:1.1"])
    label, pitch, bpm = (
        deformed_task(task, plan, [Deformation("pitch", 1), Deformation("tempo", 1.1)]) for task in load_tasks(plan)
    )
    assert len(label.changed) == 2
    assert list(pitch.changed) == [Deformation("tempo", 1.1)]
    assert pitch.left_out[0]["deformation"] == "pitch:1"
    assert "'pitch', tells of pitch" in pitch.left_out[0]["reason"]
    faster = bpm.changed[Deformation("tempo", 1.1)].values
    np.testing.assert_allclose(faster[:, 0], 1.1 * np.linspace(90, 150, 61), rtol=1e-6)


@pytest.mark.slow
def test_chords_are_where_and_what_the_deformed_sound_has(tmp_path):
    spans = [[0.0, 1.5, "C:maj"], [1.5, 2.5, "G:maj"], [2.5, 4.0, "C:maj"]]
    time, random = np.arange(4 * RATE) / RATE, np.random.default_rng(0)
    middle = (time >= 1.5) & (time < 2.5)
    sound = sum(
        np.where(middle, np.sin(2 * np.pi * high * time), np.sin(2 * np.pi * low * time))
        for low, high in ((262, 392), (330, 494), (392, 587))
    )
    for number in range(12):
        soundfile.write(tmp_path / f"{number}.wav", 0.1 * sound + 0.01 * random.standard_normal(len(time)), RATE)
    rows = [{"path": f"{number}.wav", "chords": json.dumps(spans)} for number in range(12)]
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    given = {"model": [], "baseline": ["chroma"], "target": ["chords"], "folds": 3}
    plan = plan_of(tmp_path / "table.csv", **given, deform=["tempo:1.25", "pitch:7", "mp3:64"])
    table = run(plan, tmp_path / "out").robustness.table.query("metric == 'accuracy' and input == 'frame'")
    values = table.set_index("deformation").value
    # Times that had stayed as they were would leave 80 %.
    assert values["mp3"] > 0.9
    assert values["tempo"] > 0.9
    # C is G then, and G is D, which was never trained: where chords had stayed as they were, 12 of 16 would be wrong.
    assert values["pitch"] == pytest.approx(0.75, abs=0.06)


def test_a_damaged_table_is_refused(tmp_path):
    (tmp_path / "robustness.csv").write_text("model\n")
    (tmp_path / "robustness_left_out.csv").write_text("task\n")
    with pytest.raises(DataError, match="run the study again"):
        Robustness.read(tmp_path)


@pytest.mark.parametrize("pooling", [["max"], ["mean", "moments"]])
def test_other_poolings_are_deformed_as_well(place, pooling):
    table = write_classes(place / "clips")
    asked = {"model": ["two_bands:factory"], "baseline": ["none"], "probe": ["closed"], "seeds": 1}
    plan = make_plan({"data": table, **asked, "pooling": pooling, "deform": ["gain:-0.001"]}, "test")
    run(plan, place / f"pooled-{'-'.join(pooling)}")
    rows = pd.read_csv(place / f"pooled-{'-'.join(pooling)}" / "robustness.csv").query("metric == 'accuracy'")
    assert rows.model.nunique() == len(pooling)
    assert len(rows) == 2 * len(pooling)
    assert rows.difference.tolist() == [0.0] * len(rows)


def test_a_label_that_was_never_taught_is_not_asked_for_after_a_change():
    labels = labels_of(["A major", "E major", "A major", "E major", "A major", "E major"], "key")
    part = Part(np.array([0, 1]), np.array([2, 3]), np.array([4, 5]))
    tested = DeformedTask(Study(None, labels, None, Target(labels, [part]), Call()), part.test)
    # Up seven semitones A is E, which is taught, and E is B, which is not.
    tested.changed["up"] = labels.kind.changed(labels.take(part.test), "key", 7.0, 1.0)
    assert untaught(tested, "up", part.test).tolist() == [False, True]
    tested.changed["as it was"] = labels.take(part.test)
    assert not untaught(tested, "as it was", part.test).any()


def test_a_note_that_was_never_taught_is_not_asked_for_after_a_change():
    tracks = [[[0.0, 1.0, low], [0.5, 1.0, high]] for low, high in ((60, 61), (62, 63), (60, 61), (60, 64), (62, 62))]
    labels = kind_named("notes").read(Column("notes", tracks, list("abcde"), [0.0] * 5))
    part = Part(np.array([0, 1]), np.array([1]), np.array([2, 3, 4]))
    tested = DeformedTask(Study(None, labels, None, Target(labels, [part]), Call()), part.test)
    tested.changed["up"] = labels.kind.changed(labels.take(part.test), "notes", 1.0, 1.0)
    # 61 and 62, 61 and 65, 63.
    assert untaught(tested, "up", part.test).tolist() == [False, True, False]
    tested.changed["faster"] = labels.kind.changed(labels.take(part.test), "notes", 0.0, 1.1)
    assert not untaught(tested, "faster", part.test).any()


def deformed_score(value, difference, draw, **row):
    noise = np.random.default_rng(draw).normal(0, 0.01, 1000)
    return DeformedScore({"value": value, "difference": difference, **row}, value + noise, difference + noise)


def test_luck_on_the_clean_clips_that_is_lost_is_no_weakness():
    # Both score 65 % when they are deformed: what one has lost more is what it was luckier by.
    assert loses_least([deformed_score(0.65, -0.05, 0), deformed_score(0.65, -0.15, 1)], 0.95).tolist() == [True, True]
    assert loses_least([deformed_score(0.65, -0.05, 0), deformed_score(0.55, -0.15, 1)], 0.95).tolist() == [True, False]


def test_what_is_told_of_several_models_is_held_together():
    states = np.random.default_rng(0).normal(size=(60, 2, 4))
    features = {name: Features.from_arrays(states, ["a", "b"] * 30, model=name) for name in ("m", "n", "o", "p")}
    # 1.8 deviations of a difference: more than one comparison at 5 % takes, less than four together do.
    gap = 1.8 * 0.01 * np.sqrt(2)

    def told(*models):
        results = probe([features[name] for name in models], probes="closed")
        row = {"task": "features", "probe": "closed", "metric": "accuracy"}
        scored = [
            deformed_score(0.6 - gap * layer, -0.1 - gap * layer, layer, model=name, layer=layer, **row)
            for name in models
            for layer in (0, 1)
        ]
        return [row["loses_least"] for row in with_sets(scored, results, deformations=1)]

    assert told("m") == [True, False]
    assert told("m", "n", "o", "p") == [True] * 8


def test_a_task_of_which_nothing_is_scored_is_told_without_its_losses(study):
    _, results, _ = study
    empty = results.robustness.table.iloc[:0].astype({"as_good": object})
    assert least_lost(results.only(results.sole_task()), empty) == []
