import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from made_study import made_similarities, made_study
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import layerscope as ls
from layerscope.errors import UsageError
from layerscope.study.study_results import Results


@pytest.fixture(scope="module")
def study():
    return Results(**vars(made_study(["a", "b"], layers=3)))


def test_the_names_that_users_call_are_listed():
    assert {"probe", "load_encoder", "Dataset", "Features", "Results", "load_predictor", "__version__"} <= set(dir(ls))
    told = subprocess.run(
        [sys.executable, "-m", "layerscope", "--version"], check=True, capture_output=True, text=True
    ).stdout
    assert ls.__version__ in told


def test_the_table_of_layers_holds_the_scores_of_the_summary(study):
    table = study.layer_table("linear")
    assert list(table.columns) == ["a", "b"]
    for (model, layer), scores in table.iterrows():
        for task, score in scores.items():
            rows = study.of(model=model, layer=layer, task=task, input="layer", probe="linear", metric="accuracy")
            assert score == rows.value.item()
    assert len(table) == 2 * 3
    with pytest.raises(UsageError, match="unknown probe 'svm'"):
        study.layer_table("svm")


def test_an_answer_is_of_the_sole_task_or_of_the_one_that_is_named(study):
    assert study.answer("b") == study.answers()[1]
    with pytest.raises(UsageError, match=r"several tasks; name one \(--task\): a, b"):
        study.answer()
    with pytest.raises(UsageError, match="unknown task 'c'"):
        study.answer("c")


def test_results_print_in_eighty_columns_and_as_html_that_is_escaped():
    study = Results(**vars(made_study(["<b>a task whose name takes more than a line of eighty columns to write</b>"])))
    lines = repr(study).splitlines()
    assert max(map(len, lines)) <= 80
    # One block, left-aligned, of whole cells.
    assert lines[0].split() == ["task", "verdict", "use", "score", "[95", "%]"]
    assert "…" not in repr(study)
    assert "\\" not in repr(study)
    assert "<b>a task" not in study._repr_html_()
    assert "&lt;b&gt;a task" in study._repr_html_()


def test_a_copy_is_given_not_the_table_itself(study):
    pd.testing.assert_frame_equal(study.to_pandas(), study.table)
    copied = study.to_pandas()
    copied["value"] = 0.0
    assert (study.table.value != 0.0).all()


def test_what_is_drawn_fits_figures_of_ones_own_and_axes_that_are_given(study):
    study.similarities = made_similarities(layers=3)
    for what, asked in (("layers", {"task": "a"}), ("map", {"model": "m"}), ("similarity", {})):
        assert isinstance(study.plot(what, **asked), Figure)
        axes = Figure().subplots()
        assert study.plot(what, **asked, ax=axes) is axes
        assert isinstance(axes, Axes)
        assert axes.has_data()


@pytest.mark.parametrize(
    ("what", "asked", "message"),
    [
        ("curves", {}, "unknown plot 'curves'"),
        ("layers", {"task": "a", "probe": "svm"}, "unknown probe 'svm'"),
        ("layers", {"task": "c"}, "unknown task 'c'"),
        ("map", {"model": "x", "ax": Figure().subplots()}, "unknown model 'x'; known: m, n"),
        ("similarity", {}, "no comparison of layers"),
    ],
)
def test_what_cannot_be_drawn_is_said(what, asked, message):
    study = Results(**vars(made_study(["a", "b"], layers=3)))
    with pytest.raises(UsageError, match=message):
        study.plot(what, **asked)


def test_names_and_paths_stand_for_encoders_and_data(tmp_path):
    random = np.random.default_rng(0)
    import soundfile

    for label, pitch in (("low", 200), ("high", 900)):
        for number in range(10):
            path = tmp_path / label / f"{number}.wav"
            path.parent.mkdir(exist_ok=True)
            sound = np.sin(2 * np.pi * pitch * np.arange(12_000) / 24_000) + 0.1 * random.normal(size=12_000)
            soundfile.write(path, sound / 2, 24_000)
    results = ls.probe("mel", str(tmp_path), probes="closed")
    assert isinstance(results, ls.Results)
    assert results.models("plain") == ["mel"]
    frame = ls.Dataset.load(tmp_path).clips[["path", "label"]]
    assert ls.probe("mel", frame, target=("label",), probes="closed").models("plain") == ["mel"]
    for subject in (3, [], [None]):
        with pytest.raises(UsageError, match="probe\\(\\) takes names, encoders or features"):
            ls.probe(subject, tmp_path)


def test_plain_features_alone_have_no_map_and_no_table_of_layers():
    study = Results(**vars(made_study(["a"], models=())))
    for drawn in (lambda: study.plot("map"), study.layer_table):
        with pytest.raises(UsageError, match="plain features alone, which have no layers"):
            drawn()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda results, _: results.plot(None), "unknown plot 'None'"),
        (lambda results, _: results.plot(["layers"]), "unknown plot"),
        (lambda results, _: results.plot(task=3), "task is 3; give a text"),
        (lambda results, _: results.plot(task=["features"]), "task is ['features']; give a text"),
        (lambda results, _: results.plot(probe=""), "unknown probe ''"),
        (lambda results, _: results.plot(probe=["closed"]), "probe is ['closed']; give a text"),
        (lambda results, _: results.plot(model="features"), "model is for plot"),
        (lambda results, _: results.plot("map", model="featurs"), "did you mean 'features'"),
        (lambda results, panel: results.plot("map", ax=panel, model="x"), "unknown model 'x'"),
        (lambda results, panel: results.plot(ax=panel.figure), "not Figure"),
        (lambda results, panel: results.plot(ax=[panel]), "not list"),
        (lambda results, panel: results.plot(ax=panel.figure.add_subplot(projection="3d")), "not Axes3D"),
        (lambda results, _: results.best_layers("acuracy"), "did you mean 'accuracy'"),
        (lambda results, _: results.best_layers(["accuracy"]), "metric is ['accuracy']; give a text"),
        (lambda results, _: results.layer_table(3), "probe is 3; give a text"),
        (lambda results, _: results.layer_table(""), "unknown probe ''"),
        (lambda results, _: results.answer(""), "unknown task ''"),
        (lambda results, _: results.only(None), "unknown task 'None'"),
        (lambda results, _: results.primary("x"), "unknown task 'x'"),
        (lambda results, _: results.title(["x"]), "unknown task"),
        (lambda results, _: results.models("trianed"), "did you mean 'trained'"),
        (lambda results, _: results.of(modle="features"), "did you mean 'model'"),
        (lambda results, _: results.of(model=["features"]), "takes one value, not list"),
        (lambda results, _: results.compare(0, 999), "no 999"),
        (lambda results, _: results.save(None), "directory is None; give a text or a path"),
        (lambda results, _: results.to_html(3), "path is 3; give a text or a path"),
        (lambda results, _: results.read(None), "directory is None; give a text or a path"),
    ],
)
def test_wrong_arguments_are_told_in_words(call, words):
    results, panel = Results(**vars(made_study(["task"], models=("features",), layers=2))), Figure().add_subplot()
    with pytest.raises(UsageError, match=re.escape(words)):
        call(results, panel)
