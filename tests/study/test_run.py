import json
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from conftest import ONE_PERMUTATION, TWO_RATES, write_tone
from layerscope import Dataset, Features, load_encoder, probe
from layerscope.atomic_files import cache_directory, read_tensors
from layerscope.data.splits import Part
from layerscope.errors import DataError, ResourceError, UsageError
from layerscope.probes.fitting import Target
from layerscope.scores.combine import combine
from layerscope.scores.score_table import Results
from layerscope.study import study_results
from layerscope.study.controls import permutations_of, shuffled
from layerscope.study.options import make_plan
from layerscope.study.run import run
from layerscope.targets import labels_of


def small_plan(data, **changes):
    return make_plan(
        {"data": data, "model": ["random:small"], "baseline": ["mfcc"], "probe": ["closed"], "seeds": 2, **changes},
        "test",
    )


def test_one_pass_whatever_is_asked(tones, tmp_path):
    results = run(small_plan(tones, probe=["knn", "closed"], baseline=["mfcc", "mel"]), tmp_path / "out")
    passes = json.loads((tmp_path / "out" / "provenance.json").read_text())["passes"]
    for model in ("random:small", "mfcc", "mel"):
        assert passes[model] == {
            "clips_decoded": 30, "clips_encoded": 30, "clips_from_cache": 0, "windows_encoded": 30,
            "device": "cpu", "precision": "float32",
        }  # fmt: skip
    assert set(results.table.input) == {"layer", "last", "concat", "mean", "moments", "shuffled"}
    assert results.summary[results.summary.input == "layer"].layer.unique().tolist() == [0, 1, 2, 3, 4]


def test_a_run_leaves_what_it_should(linear_study):
    out = linear_study / "run"
    found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    wanted = {
        "results.csv", "summary.csv", "skipped.csv", "provenance.json", "report.html", "figures/layers-linear.png",
        "figures/layers-linear.pdf", "tables/overview.csv", "tables/overview.tex", "tables/overview.md",
    }  # fmt: skip
    assert wanted <= found
    wide = {"last", "weighted", "weighted[1:]", "concat"}
    assert set(Results.read(out).table.input) == {"layer", *wide, "mean", "moments", "shuffled"}
    provenance = json.loads((out / "provenance.json").read_text())
    assert provenance["command"] == ["a", "test"]
    assert next(iter(provenance["tasks"].values()))["splits"] == {"train": 18, "valid": 6, "test": 6}
    assert set(provenance["models"]) == {"random:small", "mfcc"}


def files_of(directory):
    names = ("results.csv", "summary.csv", "skipped.csv", "draws.safetensors", "tables/overview.csv", "report.html")
    return {name: (directory / name).read_bytes() for name in names}


def test_same_study_same_bytes_and_a_second_run_finds_everything(tones, tmp_path, monkeypatch):
    monkeypatch.setattr(*TWO_RATES)
    plan = small_plan(tones, layers="1", probe=["mlp", "closed"], seeds=1)
    run(plan, tmp_path / "first")
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    run(plan, tmp_path / "second")
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")
    monkeypatch.setattr(
        "layerscope.probes.jobs_side_by_side.run_job", lambda *_: pytest.fail("a probe was trained again")
    )
    monkeypatch.setattr("layerscope.features.decoding.load", lambda *_: pytest.fail("a clip was decoded again"))
    results = run(plan, tmp_path / "second")
    assert results.facts["passes"]["mfcc"]["clips_from_cache"] == 30


def test_another_study_in_the_same_directory_is_refused(tones, tmp_path):
    run(small_plan(tones), tmp_path / "out")
    with pytest.raises(UsageError, match=r"holds another study \(different: seeds\)"):
        run(small_plan(tones, seeds=3), tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").write_text("")
    with pytest.raises(UsageError, match="is not empty and holds no study"):
        run(small_plan(tones), tmp_path / "full")


def test_a_directory_in_use_is_refused(tones, tmp_path):
    import filelock

    run(small_plan(tones), tmp_path / "out")
    with filelock.FileLock(tmp_path / "out" / ".lock"), pytest.raises(ResourceError, match="in use by another run"):
        run(small_plan(tones), tmp_path / "out")


def leaking_table(tmp_path, *, copies):
    """Train, valid and test of four clips each; the first test clip is the first training clip, if asked for."""
    rows = ["path,split,group,label"]
    for number in range(12):
        split = ("train", "valid", "test")[number // 4]
        path = write_tone(tmp_path / f"{number}.wav", 200 + 100 * number, seed=number)
        if copies and number == 8:
            path.write_bytes((tmp_path / "0.wav").read_bytes())
        rows.append(f"{path.name},{split},{number},{'ab'[number % 2]}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    return tmp_path / "clips.csv"


def test_duplicate_audio_across_splits_is_refused_before_anything_is_encoded(tmp_path):
    table = leaking_table(tmp_path, copies=True)
    with pytest.raises(DataError, match=r"the same audio \(0\.wav, 8\.wav\) is in train and test.*--allow-leaks"):
        run(small_plan(table), tmp_path / "out")
    assert not (cache_directory() / "features").exists()
    results = run(small_plan(table, allow_leaks=True), tmp_path / "insisted")
    assert results.only(results.tasks[0]).facts["leaks"] == ["the same audio (0.wav, 8.wav) is in train and test"]


def test_the_same_sound_in_another_container_is_refused_before_training(tmp_path, monkeypatch):
    import soundfile

    table = leaking_table(tmp_path, copies=False)
    samples, rate = soundfile.read(tmp_path / "0.wav", dtype="int16")
    soundfile.write(tmp_path / "8.flac", samples, rate)
    table.write_text(table.read_text().replace("8.wav", "8.flac"))
    monkeypatch.setattr("layerscope.probes.jobs_side_by_side.run_job", lambda *_: pytest.fail("a probe was trained"))
    with pytest.raises(DataError, match=r"the same audio \(0\.wav, 8\.flac\)"):
        run(small_plan(table), tmp_path / "out")


def test_a_shared_group_is_refused(tmp_path):
    table = leaking_table(tmp_path, copies=False)
    table.write_text(table.read_text().replace("8.wav,test,8", "8.wav,test,0"))
    with pytest.raises(DataError, match="group '0' is in train and test"):
        run(small_plan(table), tmp_path / "out")


def test_unusable_files_are_listed_and_no_model_sees_clips_that_another_does_not(tones, tmp_path, hostile):
    for name in ("truncated_body.wav", "one_sample.wav", "empty.wav"):
        (tones / "low" / name).write_bytes((hostile / name).read_bytes())
    results = run(small_plan(tones), tmp_path / "out")
    skipped = pd.read_csv(tmp_path / "out" / "skipped.csv").set_index("clip").reason
    assert set(skipped.index) == {"low/truncated_body.wav", "low/one_sample.wav", "low/empty.wav"}
    assert results.only(results.tasks[0]).facts["clips"] == 30
    assert results.summary.n.nunique() == 1


def test_folds_of_the_data_are_used(tones, tmp_path):
    rows = ["path,fold,label"]
    rows += [f"{path},{number % 5},{path.parent.name}" for number, path in enumerate(sorted(tones.rglob("*.wav")))]
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    results = run(small_plan(tmp_path / "clips.csv"), tmp_path / "out")
    assert results.only(results.tasks[0]).facts["splits"] == {f"fold {number}": 6 for number in range(5)}
    assert set(results.summary.n) == {30}


def test_only_the_wanted_layers_are_kept(tones, tmp_path):
    results = run(small_plan(tones, layers="0-1"), tmp_path / "out")
    assert results.summary[results.summary.input == "layer"].layer.unique().tolist() == [0, 1]
    shapes = {}
    for shard in cache_directory().rglob("*.safetensors"):
        for name, array in read_tensors(shard).items():
            if name.startswith("pooled"):
                shapes[name, array.shape[1]] = len(array)
    assert shapes == {("pooled.0", 120): 30, ("pooled.0", 64): 30, ("pooled.1", 64): 30}


@pytest.mark.slow
def test_tags_and_values_run_too(tmp_path, monkeypatch):
    monkeypatch.setattr(*TWO_RATES)
    monkeypatch.setattr(*ONE_PERMUTATION)
    random = np.random.default_rng(0)
    rows = ["path,tags,arousal,valence"]
    for number in range(40):
        path = write_tone(tmp_path / f"{number}.wav", 200 + 30 * number, seed=number)
        tags = "|".join(
            name for name in ("low", "odd") if (name == "low" and number < 20) or (name == "odd" and number % 2)
        )
        rows.append(f"{path.name},{tags or 'none'},{number / 40:.3f},{random.normal():.3f}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    asked = {"layers": "0-1", "probe": ["mlp", "linear", "closed"], "seeds": 1}
    tags = run(small_plan(tmp_path / "clips.csv", target="tags", **asked), tmp_path / "a")
    assert set(tags.summary.metric) == {"roc_auc", "average_precision"}
    values = run(small_plan(tmp_path / "clips.csv", target="arousal,valence", **asked), tmp_path / "b")
    assert set(values.summary.metric) == {"r2", "r2:arousal", "r2:valence"}
    # Pitch was made arousal; a plain feature hears it.
    assert values.of(model="mfcc", metric="r2:arousal", probe="linear").value.max() > 0.7


def test_the_python_way_needs_no_directory(tones):
    results = probe(load_encoder("random:small"), Dataset.from_folder(tones), probes=["closed"])
    assert results.best_layers().probe.tolist() == ["closed"]
    assert results.facts["passes"]["random:small"]["clips_encoded"] == 30


@pytest.mark.slow
def test_someone_elses_features_need_no_audio(tmp_path):
    random = np.random.default_rng(0)
    classes = np.arange(90) % 3
    states = random.normal(size=(90, 4, 6))
    states[:, 2] += 2 * classes[:, None]
    labels = [f"class {name}" for name in classes]
    by_folds = probe(Features.from_arrays(states, labels, folds=np.arange(90) % 5), probes=["mlp", "closed"], seeds=2)
    assert by_folds.best_layers().layer.tolist() == [2, 2]
    assert by_folds.best_layers().best_set.tolist() == [[2], [2]]
    splits = np.repeat(["train", "valid", "test"], 30)
    by_splits = probe(Features.from_arrays(states, labels, splits=splits), probes=["linear"])
    assert by_splits.best_layers().layer.tolist() == [2]
    by_splits.to_html(tmp_path / "page.html")
    assert "layer 2" in (tmp_path / "page.html").read_text()


def test_several_features_of_the_same_clips_are_compared():
    random = np.random.default_rng(0)
    labels = list("ab" * 30)
    features = [Features.from_arrays(random.normal(size=(60, 2, 4)), labels, model=name) for name in "xy"]
    assert set(probe(features, probes=["closed"]).summary.model) == {"x", "y"}


def made_features(name="m", order=slice(None), labels=tuple("ab" * 30), seed=0, **options):
    states = np.random.default_rng(seed).normal(size=(60, 2, 4)) + 3.0 * (np.array(labels) == "b")[:, None, None]
    return Features.from_arrays(states[order], np.array(labels)[order], model=name, **options)


SPLITS = ["train"] * 30 + ["val"] * 14 + ["test"] * 16


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (made_features("n", np.roll(np.arange(60), 1)), "'m' and 'n' differ in the label of clip 0; .*same order"),
        (made_features("n", slice(50)), r"differ in the number of clips \(60 and 50\)"),
        (made_features("n", labels=tuple("bc" * 30)), "differ in what their labels are"),
        (made_features("n", splits=SPLITS), r"differ in the split of clip 0 \(None and train\)"),
        (made_features("n", groups=[str(row) for row in range(60)]), r"the group of clip 0 \(None and 0\)"),
    ],
)
def test_features_of_other_clips_are_refused_together(other, words):
    with pytest.raises(DataError, match=words):
        probe([made_features(), other], probes=["closed"])


def rare_class(clips=200):
    """Features of which layer 0 tells the common classes apart, and layer 1 the rare one from all others."""
    random = np.random.default_rng(0)
    labels = np.array(["rare" if n % 10 == 0 else "ab"[n % 2] for n in range(clips)])
    states = random.normal(size=(clips, 2, 3))
    states[:, 0, 0] += 4.0 * (labels == "a")
    states[:, 1, 0] += 2.0 * (labels == "a")
    states[:, 1, 1] += 8.0 * (labels == "rare")
    return Features.from_arrays(states, list(labels))


def test_validation_chooses_by_the_metric_that_is_asked_for():
    for metric in ("accuracy", "macro_f1"):
        results = probe(rare_class(), probes="closed", metric=metric)
        assert results.primary("features") == results.answers()[0].metric == metric
        rows = results.of(input="layer", metric=metric)
        assert rows[rows.chosen].valid.item() == rows.valid.max()
        # What ignores the sound says the commonest class.
        truth = results.predictions.truth
        expected = {"accuracy": accuracy_score, "macro_f1": partial(f1_score, average="macro", zero_division=0)}[metric]
        assert results.facts["tasks"]["features"]["chance"] == pytest.approx(expected(truth, ["b"] * len(truth)))


def test_a_metric_of_another_kind_is_refused_with_those_that_there_are():
    with pytest.raises(UsageError, match="unknown metric of classes 'r2'; known: accuracy, macro_f1"):
        probe(rare_class(30), metric="r2")


@pytest.mark.usefixtures("tones")
def test_the_metric_of_a_study_is_on_record(tones, tmp_path):
    plan = {"data": tones, "model": [], "baseline": "mel", "probe": "closed"}
    with pytest.raises(UsageError, match="tones: unknown metric of classes 'roc_auc'"):
        run(make_plan({**plan, "metric": "roc_auc"}, "test"), tmp_path / "run")
    run(make_plan({**plan, "metric": "macro_f1"}, "test"), tmp_path / "run")
    provenance = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert provenance["study"]["metric"] == provenance["tasks"]["tones"]["primary"] == "macro_f1"
    assert json.loads((tmp_path / "run" / "answer.json").read_text())[0]["metric"] == "macro_f1"
    run(make_plan(plan, "test"), tmp_path / "other")
    runs = [Results.read(tmp_path / name) for name in ("run", "other")]
    with pytest.raises(UsageError, match="chosen by macro_f1 in run 1 and by accuracy in run 2"):
        combine(runs)


def test_two_features_of_one_name_are_refused():
    with pytest.raises(UsageError, match="two features are called 'm'"):
        probe([made_features(), made_features(seed=1)], probes=["closed"])


def test_a_feature_of_ones_own_can_be_a_plain_one():
    labels = list("ab" * 30)
    plain = Features.from_arrays(np.random.default_rng(1).normal(size=(60, 1, 12)), labels, model="hand", baseline=True)
    results = probe([made_features(), plain], probes=["closed"])
    assert results.models("plain") == ["hand"]
    assert results.of(model="hand").input.unique().tolist() == ["mean", "shuffled"]


def test_validation_clips_are_those_that_are_given():
    results = probe(made_features(splits=SPLITS), probes=["closed"])
    assert results.only(results.tasks[0]).facts["splits"] == {"train": 30, "valid": 14, "test": 16}


def test_shuffled_labels_give_chance_where_true_ones_give_everything():
    random = np.random.default_rng(0)
    labels = np.arange(400) % 2
    states = random.normal(size=(400, 2, 6)) + 3 * labels[:, None, None]
    results = probe(Features.from_arrays(states, labels, model="m"), probes=["closed"])
    rows = results.of(metric="accuracy").set_index("input").value
    assert rows["layer"].min() > 0.95
    # 80 or so test clips: a deviation of 5.6 points around one half.
    assert abs(rows["shuffled"] - 0.5) < 0.2
    assert not results.of(input="shuffled").chosen.any()


def test_fifty_folds_do_not_let_shuffled_labels_keep_what_they_were():
    random = np.random.default_rng(0)
    labels = np.arange(100) // 50  # two clips a fold, of one class: within folds nothing could change places
    states = random.normal(size=(100, 1, 4)) + 5 * labels[:, None, None]
    results = probe(Features.from_arrays(states, labels, folds=np.arange(100) // 2), probes=["closed"])
    rows = results.of(metric="accuracy").set_index("input").value
    assert rows["layer"] > 0.95
    assert rows["shuffled"] < 0.7  # five permutations of a hundred clips: a deviation of 2.2 points around one half


@pytest.mark.parametrize(("folds", "counts"), [(None, {"closed": 5, "linear": 5, "mlp": 2}), (3, {"closed": 10})])
def test_each_permutation_is_a_row_of_the_table(folds, counts, monkeypatch):
    monkeypatch.setattr(*TWO_RATES)
    states, labels = np.random.default_rng(0).normal(size=(60, 1, 3)), list("ab" * 30)
    results = probe(Features.from_arrays(states, labels), probes=list(counts), seeds=2, folds=folds)
    rows = results.table[(results.table.input == "shuffled") & (results.table.metric == "accuracy")]
    numbers = rows[rows.split == "test"].groupby("probe").seed.unique().map(list).to_dict()
    assert numbers == {name: list(range(count)) for name, count in counts.items()}
    assert [permutations_of(name, 3, seeds=2) for name in ("linear", "mlp")] == [5, 2]


def test_labels_change_places_among_all_clips():
    labels = labels_of(list("ab" * 30))
    rows = np.arange(60)
    parts = [Part(rows[:40], rows[40:50], rows[50:])]
    moved = [shuffled(Target(labels, parts), rows, seed).labels.values for seed in range(20)]
    assert all(sorted(values) == sorted(labels.values) for values in moved)
    assert len({values[parts[0].test].sum() for values in moved}) > 1  # a split does not keep its classes


def test_the_clips_of_a_group_get_the_labels_of_one_group():
    groups = np.repeat(np.arange(12), 5)
    singers = labels_of([f"singer {group % 4}" for group in groups])
    parts = [Part(np.arange(40), np.arange(40, 50), np.arange(50, 60))]
    moved = shuffled(Target(singers, parts), groups, seed=0).labels.values
    assert all(len(set(moved[groups == group])) == 1 for group in range(12))
    assert (moved != singers.values).any()


def test_a_permutation_leaves_something_to_learn():
    labels = labels_of(list("aaab"))
    parts = [Part(np.array([0, 3]), np.array([1]), np.array([2]))]
    for seed in range(20):
        assert len(set(shuffled(Target(labels, parts), np.arange(4), seed).labels.values[parts[0].train])) == 2


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ([[]], {}, "takes names, encoders or features, not nothing"),
        ([Features.from_arrays(np.zeros((4, 1, 1)), list("abab"))], {"probes": ["mpl"]}, "did you mean 'mlp'"),
    ],
)
def test_wrong_calls_say_what_is_wrong(arguments, options, words):
    with pytest.raises(UsageError, match=words):
        probe(*arguments, **options)


def test_results_read_back_give_the_same_page(linear_study, tmp_path):
    shutil.copytree(linear_study / "run", tmp_path / "out")
    before = (tmp_path / "out" / "report.html").read_bytes()
    study_results.Results.read(tmp_path / "out").to_html(tmp_path / "out" / "report.html")
    assert (tmp_path / "out" / "report.html").read_bytes() == before


def test_a_run_goes_on_anywhere_but_in_its_precision(tones, tmp_path):
    run(small_plan(tones, probe=["closed"], precision="bf16"), tmp_path / "out")
    passes = json.loads((tmp_path / "out" / "provenance.json").read_text())["passes"]
    assert (passes["random:small"]["device"], passes["random:small"]["precision"]) == ("cpu", "bf16")
    assert passes["mfcc"]["precision"] == "float32"
    again = run(
        small_plan(tones, probe=["closed"], precision="bf16", device="cpu", batch_seconds=5.0), tmp_path / "out"
    )
    assert again.facts["passes"]["random:small"]["clips_from_cache"] == 30
    with pytest.raises(UsageError, match=r"holds another study \(different: precision\)"):
        run(small_plan(tones, probe=["closed"]), tmp_path / "out")
    # Its states are others, and are not taken for those of bf16.
    exact = run(small_plan(tones, probe=["closed"]), tmp_path / "exact")
    assert exact.facts["passes"]["random:small"]["clips_encoded"] == 30
    assert exact.facts["passes"]["mfcc"]["clips_from_cache"] == 30


def test_where_to_compute_is_of_models_by_name(tones):
    with pytest.raises(UsageError, match="'precision' is of models by their names"):
        probe(load_encoder("random:small"), tones, precision="bf16")
    with pytest.raises(UsageError, match="'device' is of models by their names"):
        probe(Features.from_arrays(np.zeros((9, 1, 2)), ["a"] * 9), device="cpu")
    results = probe("random:small", tones, probes="closed", precision="bf16", batch_seconds=2.0)
    assert results.facts["passes"]["random:small"]["precision"] == "bf16"
