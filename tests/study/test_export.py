"""A predictor says what the run said, alone: no run directory, no cache, no network."""

import json
import shutil
import subprocess
import sys
from functools import partial

import mir_eval
import numpy as np
import pytest
import soundfile
import soxr
import torch
from sklearn.linear_model import LogisticRegression
from test_score_table import entry
from test_verdict import results_of

from conftest import LINEAR_STUDY, ONE_PERMUTATION, TWO_RATES, write_tone
from layerscope.cli.entry_point import guarded
from layerscope.data.splits import Part, assign, parts_of
from layerscope.errors import DataError, UsageError
from layerscope.features.layer_features import LayerFeatures
from layerscope.predictor.manifest import read_manifest
from layerscope.predictor.predict import load_predictor
from layerscope.report.cautions import cautions_about
from layerscope.report.wording import input_name
from layerscope.scores.evaluation import evaluations
from layerscope.scores.verdict import decide
from layerscope.study import export as exporting
from layerscope.study.options import make_plan
from layerscope.study.row_to_export import row_to_export
from layerscope.study.run import run
from layerscope.study.study_results import Results
from layerscope.study.study_tasks import load_tasks
from layerscope.targets.beats import BeatTimes
from layerscope.targets.spans import Spans
from layerscope.toymusic import write_pieces

#: These studies are of a few clips, which show nothing: what is exported of them is insisted on.
export = partial(exporting.export, insist=True)
FAST = LINEAR_STUDY | {"probe": ["closed"]}


def study(data, out, **changes):
    plan = make_plan({"data": data, **FAST, **changes}, "test")
    return plan, run(plan, out)


def answers_on_test(plan, predictor, number=0):
    """What a predictor says of the test clips of a study, and their labels."""
    task = load_tasks(plan)[number]
    labels = task.labels()
    clips = assign(task.dataset.clips, labels, plan.split_seed, plan.folds)
    rows = parts_of(clips)[0].test
    return [predictor.predict_file(clips.path[row]) for row in rows], labels.take(rows), clips.iloc[rows]


def row_of(results, **wanted):
    return results.of(metric=results.facts["tasks"][results.tasks[0]]["primary"], **wanted).iloc[0]


@pytest.fixture(scope="module")
def finished(linear_study):
    """A study of tones that several tests export from: its plan, its results and its directory."""
    plan = make_plan(LINEAR_STUDY | {"data": linear_study / "tones"}, "test")
    return plan, Results.read(linear_study / "run"), linear_study / "run"


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """Forty pieces of eight seconds with all their labels, and tags made of them."""
    directory = tmp_path_factory.mktemp("pieces")
    table = write_pieces(directory, 40, 700_000_000, 8.0)
    records = [json.loads(line) for line in table.read_text().splitlines()]
    for record in records:
        record["tags"] = [
            name
            for name, there in (("minor", record["mode"] == "minor"), ("bright", record["brightness"] > 0))
            if there
        ]
    table.write_text("\n".join(map(json.dumps, records)) + "\n")
    return table


@pytest.fixture(scope="module")
def finished_otherwise(linear_study, tmp_path_factory):
    """The same clips and three of the layers, as other probes see them."""
    directory = tmp_path_factory.mktemp("otherwise") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSCOPE_CACHE", str(linear_study / "cache"))
        patch.setattr(*TWO_RATES)
        return *study(linear_study / "tones", directory, probe=["mlp", "knn"], layers="0-2", baseline=[]), directory


@pytest.mark.parametrize(
    ("probe", "given"),
    [
        *(("mlp", given) for given in ("layer 2", "weighted[1:]", "concat")),
        *(("linear", given) for given in ("weighted", "last")),
        *(("knn", given) for given in ("layer 2", "concat")),
    ],
)
def test_classes_come_out_as_in_the_run(finished, finished_otherwise, tmp_path, probe, given):
    plan, results, directory = finished if probe == "linear" else finished_otherwise
    export(directory, tmp_path / "use", model="random:small", probe=probe, given=given)
    said, labels, _ = answers_on_test(plan, load_predictor(tmp_path / "use"))
    right = np.mean([one["label"] == labels.names[value] for one, value in zip(said, labels.values, strict=True)])
    name, _, layer = given.partition(" ")
    row = results.of(metric="accuracy", model="random:small", probe=probe, input=name)
    row = (row[row.layer == int(layer)] if layer else row).iloc[0]
    assert right == pytest.approx(row.value)
    assert all(sum(one["probabilities"].values()) == pytest.approx(1) for one in said)


def test_sets_of_layers_come_out_as_in_the_run(tones, tmp_path):
    plan, results = study(tones, tmp_path / "run", probe=["closed"], layers_as=["1+3", "search"], beyond_plain=True)
    searched = next(each for each in results.summary.input if each.startswith("concat(") and each != "concat(1+3)")
    for number, given in enumerate(["mean(1+3)", "concat(1+3)", searched]):
        out = tmp_path / str(number)
        export(tmp_path / "run", out, model="random:small", given=given, insist=True)
        said, labels, _ = answers_on_test(plan, load_predictor(out))
        right = np.mean([one["label"] == labels.names[value] for one, value in zip(said, labels.values, strict=True)])
        assert right == pytest.approx(row_of(results, model="random:small", input=given).value), given
    with pytest.raises(UsageError, match="takes two encoders, and a predictor has one"):
        export(tmp_path / "run", tmp_path / "both", given="plain+layer 2", insist=True)
    with pytest.raises(UsageError, match="another set of layers in each fold; run again with one of them"):
        export(tmp_path / "run", tmp_path / "searched", given="search(2)", insist=True)


def test_a_card_says_what_the_knn_probe_holds(tones, tmp_path):
    plan, _ = study(tones, tmp_path / "run", probe=["knn"])
    export(tmp_path / "run", tmp_path / "use", model="random:small", given="layer 2")
    trained = len(parts_of(assign(load_tasks(plan)[0].dataset.clips, load_tasks(plan)[0].labels(), 0, None))[0].train)
    held = f"the probe holds the states of its {trained} training windows"
    assert held in (tmp_path / "use" / "README.md").read_text()


@pytest.mark.parametrize("given", ["mean", "moments"])
def test_a_plain_feature_can_be_exported(finished, tmp_path, given):
    plan, results, directory = finished
    export(directory, tmp_path / "use", model="mfcc", given=given)
    assert not (tmp_path / "use" / "encoder.safetensors").exists()
    said, labels, _ = answers_on_test(plan, load_predictor(tmp_path / "use"))
    right = np.mean([one["label"] == labels.names[value] for one, value in zip(said, labels.values, strict=True)])
    assert right == pytest.approx(row_of(results, model="mfcc", input=given).value)


@pytest.mark.slow
def test_values_and_tags_come_out_as_in_the_run(pieces, tmp_path):
    for target in ("tempo", "tags"):
        plan, results = study(pieces, tmp_path / target, target=target)
        export(tmp_path / target, tmp_path / f"use-{target}", model="random:small", given="layer 1")
        predictor = load_predictor(tmp_path / f"use-{target}")
        said, labels, _ = answers_on_test(plan, predictor)
        scores = np.array([list((one.get("values") or one["probabilities"]).values()) for one in said])
        part = evaluations(labels, [whole(len(said))], np.arange(len(said)), 0)["test"]
        primary = results.facts["tasks"][results.tasks[0]]["primary"]
        row = results.of(metric=primary, model="random:small", input="layer", layer=1).iloc[0]
        # Probabilities are an increasing curve of the scores, so that rankings stay; 1e-4 is for float32 sums.
        assert part.score(primary, scores)[0] == pytest.approx(row.value, abs=1e-4)
    assert {"tags", "probabilities"} == set(said[0])
    assert all(0 < bar < 1 for bar in predictor.manifest.thresholds)


def whole(count):
    rows = np.arange(count)
    return Part(rows, rows, rows)


@pytest.mark.slow
def test_tracks_come_out_as_in_the_run(pieces, tmp_path):
    targets = ["beats,downbeats", "chords", "segments", "key"]
    plan, results = study(pieces, tmp_path / "run", target=targets, probe=["closed"], window=6.0)
    for number, task in enumerate(results.tasks):
        for model, given in (("random:small", "layer 3"), ("mfcc", "moments" if task.endswith("key") else "context")):
            export(tmp_path / "run", tmp_path / f"{task}-{model}", task=task, model=model, given=given)
            said, labels, _ = answers_on_test(plan, load_predictor(tmp_path / f"{task}-{model}"), number)
            for metric, value in scores_of(labels, said).items():
                rows = results.of(task=task, metric=metric, model=model, input=given.partition(" ")[0])
                row = rows[rows.layer == 3] if "layer" in given else rows
                # Clips alone and in a batch differ by rounding, which may move a boundary by a frame of hundreds.
                assert value == pytest.approx(row.value.iloc[0], abs=2e-3), (task, model, metric)


def scores_of(labels, said):
    """Some metrics of answers, each averaged as the run averages."""
    if labels.kind.name == "key":
        wanted = [labels.names[value] for value in labels.values]
        found = [
            mir_eval.key.weighted_score(sharp(name), sharp(one["label"]))
            for name, one in zip(wanted, said, strict=True)
        ]
        return {"key_score": np.mean(found)}
    averages = {}
    for metric in {"beats": ("beat_f", "downbeat_f"), "chords": ("majmin",), "segments": ("boundary_f_3s",)}[
        labels.kind.name
    ]:
        pairs = [
            labels.kind.metrics[labels.metrics().index(metric)].measure(track, annotation_of(one))
            for track, one in zip(labels.values, said, strict=True)
        ]
        values, weights = np.array(pairs).T
        averages[metric] = np.average(np.nan_to_num(values), weights=weights)
    return averages


def sharp(name):
    """mir_eval knows no key of E flat minor by that name, but that of D sharp."""
    return " ".join(
        [
            {"Db": "C#", "Eb": "D#", "Gb": "F#", "Ab": "G#", "Bb": "A#"}.get(name.split()[0], name.split()[0]),
            name.split()[1],
        ]
    )


def annotation_of(answer):
    if "beats" in answer:
        return BeatTimes(np.array(answer["beats"]), np.array(answer["downbeats"]))
    return Spans(np.array([row[:2] for row in answer["spans"]]), tuple(row[2] for row in answer["spans"]))


@pytest.mark.parametrize("folds", [None, 3])
def test_refit_is_the_same_probe_on_all_clips(tones, tmp_path, folds, monkeypatch):
    monkeypatch.setattr(*ONE_PERMUTATION)
    plan, results = study(tones, tmp_path / "run", model=[], probe=["linear"], folds=folds)
    made = export(tmp_path / "run", tmp_path / "use", given="mean", refit=True)
    score = row_of(results, model="mfcc", input="mean").value
    predictor = load_predictor(tmp_path / "use")
    # The score is of what was tested, and the card says of what.
    assert predictor.manifest.refit
    assert predictor.manifest.scores["value"] == score
    trained = 10 if folds else 18
    told = f"of the probe trained on {trained} clips, this one of all 30"
    assert told in made.score
    assert told in (tmp_path / "use" / "README.md").read_text()
    clips = load_tasks(plan)[0].dataset.clips
    rows = LayerFeatures("mfcc").fit_transform(list(clips.path))
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    # Two softmax outputs are mirror images, so that their common penalty is half of that on their difference.
    penalty = json.loads((tmp_path / "use" / "predictor.json").read_text())["settings"]["penalty"]
    reference = LogisticRegression(C=2 / (penalty * len(rows)), tol=1e-10, max_iter=10_000)
    expected = reference.fit(standard, clips.label == "low").decision_function(standard)
    scores = [predictor.scores(*predictor.one_pass.states_of({"sound": predictor.heard(path)})) for path in clips.path]
    low = predictor.manifest.names.index("low")
    np.testing.assert_allclose([score[low] - score[1 - low] for score in scores], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_refit_over_time_trains_on_the_frames_of_all_tracks(pieces, tmp_path):
    plan, _ = study(pieces, tmp_path / "run", target="chords", probe=["closed"])
    for name, refit in (("less", False), ("all", True)):
        export(tmp_path / "run", tmp_path / name, model="mfcc", given="context", refit=refit)
    less, everything = (
        scores_of(labels, said)["majmin"]
        for said, labels, _ in (answers_on_test(plan, load_predictor(tmp_path / name)) for name in ("less", "all"))
    )
    # It has seen these tracks.
    assert everything > less


def test_probabilities_are_those_of_the_run(finished, tmp_path):
    plan, results, directory = finished
    kept = results.predictions
    assert kept.groupby(["model", "input"]).ngroups == 1
    export(directory, tmp_path / "use", model=kept.model.iloc[0], given=kept.input.iloc[0])
    said, _, clips = answers_on_test(plan, load_predictor(tmp_path / "use"))
    probabilities = kept.set_index("clip").probability
    for clip, one in zip(clips["clip"], said, strict=True):
        # 1e-3 is for float32 sums: of a single clip, and of all together.
        assert one["probabilities"][one["label"]] == pytest.approx(probabilities[clip], abs=1e-3)


def test_no_more_is_computed_than_is_needed(finished, tmp_path):
    made = export(finished[2], tmp_path / "use", model="random:small", given="layer 1")
    assert made.encoder.cut.megabytes < 0.7 * made.encoder.whole.megabytes
    predictor = load_predictor(tmp_path / "use")
    assert predictor.encoder.layers == (1,)
    assert [type(block).__name__ for block in predictor.encoder.model.blocks] == ["ConformerBlock", *["Identity"] * 3]


def test_a_reference_in_place_of_the_weights(finished, tmp_path):
    plan, _, directory = finished
    for name, copied in (("whole", True), ("reference", False)):
        export(directory, tmp_path / name, model="random:small", given="layer 2", weights=copied)
    assert not (tmp_path / "reference" / "encoder.safetensors").exists()
    one, other = (answers_on_test(plan, load_predictor(tmp_path / name))[0] for name in ("whole", "reference"))
    assert one == other
    manifest = read_manifest(tmp_path / "reference" / "predictor.json")
    manifest.encoder["fingerprint"] = "0" * 32
    (tmp_path / "reference" / "predictor.json").write_bytes(manifest.as_json())
    with pytest.raises(DataError, match="is not the encoder that was exported"):
        load_predictor(tmp_path / "reference")


OFFLINE = """
import json, socket, sys
def refused(*_, **__):
    raise OSError("no network here")
socket.socket.connect = refused
import layerscope as ls
import soundfile
waveform, rate = soundfile.read(sys.argv[2])
print(json.dumps(ls.load_predictor(sys.argv[1])(waveform, rate)))
"""


def test_in_a_process_without_network_or_the_run_directory(linear_study, tones, tmp_path):
    shutil.copytree(linear_study / "run", tmp_path / "run")
    export(tmp_path / "run", tmp_path / "use", model="random:small", given="layer 2")
    expected = load_predictor(tmp_path / "use").predict_file(tones / "low" / "0.wav")
    shutil.rmtree(tmp_path / "run")
    moved = (tmp_path / "use").rename(tmp_path / "elsewhere")
    told = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(moved), str(tones / "low" / "0.wav")],
        capture_output=True, text=True, check=True,
        env={"PATH": "/nowhere", "LAYERSCOPE_CACHE": str(tmp_path / "empty"), "HOME": str(tmp_path)},
    ).stdout  # fmt: skip
    answer = json.loads(told)
    assert answer["label"] == expected["label"]
    assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-4)


def test_a_waveform_at_another_rate_and_in_stereo(finished, tones, tmp_path):
    export(finished[2], tmp_path / "use", model="mfcc", given="mean")
    predictor = load_predictor(tmp_path / "use")
    samples, rate = soundfile.read(tones / "low" / "0.wav", dtype="float32")
    alone = predictor(samples, rate)
    assert predictor(torch.from_numpy(np.stack([samples, samples])), rate)["probabilities"] == alone["probabilities"]
    other = soxr.resample(samples, rate, 44_100)
    assert predictor(other, 44_100)["label"] == alone["label"]
    with pytest.raises(DataError, match="too short"):
        predictor(samples[:100], rate)
    with pytest.raises(DataError, match="non-finite"):
        predictor(np.full(24_000, np.nan), rate)
    with pytest.raises(DataError, match=r"the waveform holds values up to 1e\+20"):
        predictor(np.full(24_000, 1e20), rate)


def test_what_cannot_be_exported_is_said(tones, tmp_path):
    study(tones, tmp_path / "run")
    for options, message in (
        ({"task": "nothing"}, "unknown task 'nothing'"),
        ({"model": "random:smal"}, "did you mean 'random:small'"),
        ({"given": "layer 9"}, "unknown input 'layer 9'"),
        ({"model": "mfcc", "given": "layer 1"}, "no probe on layer 1 of mfcc"),
    ):
        with pytest.raises(UsageError, match=message):
            export(tmp_path / "run", tmp_path / "use", **options)
    write_tone(tones / "low" / "0.wav", 5000.0)
    with pytest.raises(DataError, match="have changed since"):
        export(tmp_path / "run", tmp_path / "use", model="mfcc")


def test_a_flipped_byte_is_found(finished, tones, tmp_path, capsys):
    assert (
        guarded(["export", str(finished[2]), "--out", str(tmp_path / "use"), "--model", "random:small", "--insist"])
        == 0
    )
    for name in ("encoder.safetensors", "probe.safetensors"):
        damaged = tmp_path / name / "use"
        shutil.copytree(tmp_path / "use", damaged)
        content = bytearray((damaged / name).read_bytes())
        content[-1] ^= 1
        (damaged / name).write_bytes(content)
        assert guarded(["predict", str(damaged), str(tones)]) == 3
        assert f"{name}: is not the file that was exported" in capsys.readouterr().err
    manifest = tmp_path / "use" / "predictor.json"
    written = manifest.read_text()
    manifest.write_text(written.replace('"version": "', '"version": "1'))
    assert guarded(["predict", str(tmp_path / "use"), str(tones)]) == 3
    assert "predictor.json: is not what was exported" in capsys.readouterr().err
    manifest.write_text(written)
    (tmp_path / "use" / "probe.safetensors").unlink()
    assert guarded(["predict", str(tmp_path / "use"), str(tones)]) == 3
    assert "is missing; export it again" in capsys.readouterr().err
    assert guarded(["predict", str(tmp_path), str(tones)]) == 2


def test_the_card_is_in_the_form_of_the_hub(finished, tmp_path):
    from huggingface_hub import ModelCard

    _, results, directory = finished
    export(directory, tmp_path / "use", model="random:small", given="layer 1")
    loaded = ModelCard((tmp_path / "use" / "README.md").read_text(), ignore_metadata_errors=False)
    told = loaded.data.eval_results[0]
    row = results.of(metric="accuracy", model="random:small", input="layer", layer=1).iloc[0]
    assert (told.metric_type, told.metric_value) == ("accuracy", pytest.approx(row.value, abs=1e-4))
    assert "the weights are random" in loaded.text
    assert "**Answer** of that run: " in loaded.text


def test_nothing_is_exported_of_noise_unless_insisted_on(tmp_path, capsys):
    random = np.random.default_rng(0)
    for number in range(40):
        place = tmp_path / "noise" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        soundfile.write(place / f"{number}.wav", random.normal(0, 0.1, 24_000), 24_000)
    study(tmp_path / "noise", tmp_path / "run", probe=["closed"])
    answer = json.loads((tmp_path / "run" / "answer.json").read_text())
    assert [record["verdict"] for record in answer] == ["nothing"]
    out = ["--out", str(tmp_path / "use")]
    for named in ([], ["--model", "mfcc"], ["--model", "random:small", "--input", "layer 1"]):
        assert guarded(["export", str(tmp_path / "run"), *out, *named]) == 2
        assert "Nothing to use yet" in capsys.readouterr().err
        assert not (tmp_path / "use").exists()
    assert guarded(["export", str(tmp_path / "run"), *out, "--insist"]) == 0
    assert "Nothing to use yet" in (tmp_path / "use" / "README.md").read_text()


NO_LIMITS = {"leaks": [], "absent_tags": [], "skipped": 0}


def undecided_results():
    """A layer of m and a plain feature that are not told apart; mixtures that validation likes best; n far behind."""
    return results_of(
        entry(1, 0.70, 0.70), entry(2, 0.65, 0.66), entry(None, 0.95, 0.69, input="weighted"),
        entry(0, 0.69, 0.70, model="mel", input="mean"),
        entry(1, 0.58, 0.59, model="n"), entry(2, 0.59, 0.58, model="n"),
        entry(None, 0.95, 0.69, model="n", input="concat"),
        entry(1, 0.55, 0.56, model="r"),
        **NO_LIMITS,
    ).only("d")  # fmt: skip


def test_what_is_undecided_is_exported_as_the_answer_says():
    results = undecided_results()
    answer = decide(results, "d")
    assert answer.verdict == "undecided"

    def chosen(model=None, probe=None, given=None):
        row = row_to_export(results, answer, model, probe, given)
        return row.row.model, input_name(row.row), "none of the answer's candidates" in row.answer_in_words

    assert chosen() == (answer.model, "layer 1", False)
    assert chosen(probe="mlp") == ("m", "layer 1", False)
    assert chosen("m") == ("m", "layer 1", False)
    assert chosen("mel") == ("mel", "mean", False)
    # Neither is in the answer, and a mixture only where it is asked for.
    assert chosen("n") == ("n", "layer 2", True)
    assert chosen("r") == ("r", "layer 1", True)
    assert chosen("n", given="concat") == ("n", "concat", True)
    assert chosen(given="weighted") == ("m", "weighted", True)


def test_the_answer_is_exported_where_it_is_decided():
    results = results_of(
        entry(1, 0.80, 0.80), entry(2, 0.65, 0.66), entry(None, 0.95, 0.8, input="concat"),
        entry(0, 0.60, 0.60, model="mel", input="mean"), **NO_LIMITS,
    ).only("d")  # fmt: skip
    answer = decide(results, "d")
    assert answer.verdict == "layer"
    for said in ((None, None, None), ("m", None, None), (None, "mlp", None)):
        row = row_to_export(results, answer, *said)
        assert input_name(row.row) == "layer 1"
        assert row.answer_in_words.endswith("beats plain features.")


def test_cautions_are_about_what_is_exported():
    results = results_of(
        entry(1, 0.80, 0.80), entry(2, 0.55, 0.55), entry(0, 0.60, 0.60, model="mel", input="mean"),
        entry(1, 0.55, 0.56, model="r"), **NO_LIMITS,
    ).only("d")  # fmt: skip
    answer = decide(results, "d")
    recommended, other = (results.of(metric="accuracy", model="m", layer=layer).iloc[0] for layer in (1, 2))
    assert not any("random weights" in caution for caution in cautions_about(results, answer, recommended))
    told = " ".join(cautions_about(results, answer, other))
    assert "Layer 2 of m is not told apart from random weights (r)" in told
    assert "On the test clips layer 1 of m with the mlp probe is better than layer 2 of m, 80.0 to 55.0." in told


@pytest.mark.parametrize("weights", [True, False])
def test_a_predictor_computes_as_its_run_did_unless_it_is_said_otherwise(tones, tmp_path, weights):
    study(tones, tmp_path / "run", baseline=[], probe=["closed"], precision="bf16")
    export(tmp_path / "run", tmp_path / "use", weights=weights)
    rounded = load_predictor(tmp_path / "use", device="cpu", batch_seconds=3.0)
    exact = load_predictor(tmp_path / "use", precision="float32")
    assert (rounded.encoder.precision, exact.encoder.precision) == ("bf16", "float32")
    assert rounded.one_pass.batch_size.windows(24_000) == 3
    path = tones / "low" / "1.wav"
    first, second = rounded(path)["probabilities"], exact(path)["probabilities"]
    assert first != second
    assert first == pytest.approx(second, abs=0.05)
    with pytest.raises(UsageError, match="tf32"):
        load_predictor(tmp_path / "use", precision="tf32", device="cpu")
    (code := tmp_path / "answers.csv").unlink(missing_ok=True)
    arguments = ["predict", str(tmp_path / "use"), str(path), "--out", str(code), "--precision", "float32"]
    assert guarded([*arguments, "--device", "cpu", "--batch-seconds", "9"]) == 0
    assert f"{second['low']:.3f}"[:4] in code.read_text()
    assert guarded([*arguments[:-1], "float16"]) == 2


def test_what_is_no_run_is_refused_in_words(tmp_path):
    with pytest.raises(DataError, match="nowhere: not the directory of a finished run"):
        exporting.export(tmp_path / "nowhere", tmp_path / "use")
