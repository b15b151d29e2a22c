import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import layerscope as ls
from layerscope.errors import (
    AudioError,
    DataError,
    LayerscopeError,
    ModelError,
    ResourceError,
    UsageError,
    checks_arguments,
    hints_of,
    unknown,
)

STATES = np.random.default_rng(0).normal(size=(60, 2, 4))
#: Everything that is called from outside, with arguments that are right.
CALLS = {
    ls.Dataset.from_csv: ["drums.csv"],
    ls.Dataset.from_dataframe: [pd.DataFrame()],
    ls.Dataset.from_folder: ["drums"],
    ls.Dataset.from_jsonl: ["drums.jsonl"],
    ls.Dataset.from_mirdata: ["giantsteps_key"],
    ls.Dataset.labels: [None, "label"],
    ls.Dataset.load: ["drums"],
    ls.Dataset.with_target: [None, "label"],
    ls.Features.from_arrays: [STATES, ["a", "b"] * 30],
    ls.LayerFeatures: [],
    ls.Predictor.__call__: [None, "a.wav"],
    ls.Predictor.at: [None, 0.5],
    ls.Predictor.batch: [None, ["a.wav"]],
    ls.Predictor.predict_file: [None, "a.wav"],
    ls.Results.answer: [None],
    ls.Results.best_layers: [None],
    ls.Results.compare: [None, 0, 1],
    ls.Results.layer_table: [None],
    ls.Results.plot: [None],
    ls.Results.read: ["run"],
    ls.Results.save: [None, "run"],
    ls.Results.to_html: [None, "page.html"],
    ls.concepts: ["mfcc"],
    ls.fingerprint_of: [{}],
    ls.load_encoder: ["mfcc"],
    ls.load_predictor: ["use"],
    ls.probe: ["mfcc"],
}  # fmt: skip


@pytest.mark.parametrize(("call", "given"), CALLS.items(), ids=lambda each: getattr(each, "__qualname__", ""))
def test_an_argument_that_there_is_not_is_refused_by_name(call, given):
    with pytest.raises(UsageError, match=r"unknown argument of .*'speed'"):
        call(*given, speed=3)


@pytest.mark.parametrize(("call", "given"), CALLS.items(), ids=lambda each: getattr(each, "__qualname__", ""))
def test_texts_paths_and_numbers_are_refused_where_they_are_none(call, given):
    names = list(inspect.signature(call).bind(*given).arguments)
    for name, hint in hints_of(inspect.unwrap(call.__init__ if isinstance(call, type) else call)).items():
        if name == "return" or hint not in (str, str | None, str | Path, str | Path | None):
            continue
        place = {key: value for key, value in zip(names, given, strict=True) if key != name}
        for value in (3.5, b"x", ["a"]):
            with pytest.raises(UsageError, match=rf"{name} is .*; give a text"):
                call(**place, **{name: value})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ls.load_predictor(None), r"load_predictor\(\): directory is None; give a text or a path"),
        (lambda: ls.Dataset.from_folder(3), r"Dataset.from_folder\(\): folder is 3; give a text or a path"),
        (lambda: ls.Dataset.load("a.csv", root=3), r"Dataset.load\(\): root is 3; give a text or a path or None"),
        (lambda: ls.Dataset.from_mirdata("a", targets="key"), "targets is 'key'; give several"),
        (lambda: ls.probe("mfcc", probe="closed"), "did you mean 'probes'"),
        (lambda: ls.probe(), r"probe\(\): missing a required argument: 'subject'; it takes subject, dataset"),
        (lambda: ls.probe("mfcc", "drums", "label"), r"probe\(\): too many positional arguments; it takes subject"),
        (lambda: ls.probe("mfcc", 3), r"load\(\): path is 3"),
        (lambda: ls.concepts("mfcc", 3), r"concepts\(\): out is 3"),
        (lambda: ls.load_encoder("random:small", num_heads=1.5), "num_heads is 1.5; give a whole number or None"),
        (lambda: ls.load_encoder("random:small", seed=True), "seed is True; give a whole number"),
        (lambda: ls.load_encoder("random:small", layers=[1]), r"layers is \[1\]; give a text or None"),
        (lambda: ls.fingerprint_of({"a": b"x"}), "nothing that JSON can write"),
        (lambda: ls.fingerprint_of({}, torch.nn.Linear(1, 1).state_dict()), r"tensors is .*; give several"),
        (lambda: ls.fingerprint_of({}, ["weight"]), "give pairs of a name and a tensor"),
        (lambda: ls.Dataset.load(pd.DataFrame({"path": ["a.wav"] * 9})), "path is of type DataFrame; give a text or"),
        (lambda: ls.Features.from_arrays(STATES, ["a", "b"] * 30, folds=5), "folds is 5; give several, in brackets"),
        (lambda: ls.Features.from_arrays(STATES, ["a", "b"] * 30, model=None), "model is None; give a text"),
        (lambda: ls.LayerFeatures("mel").set_params(window="x").fit(["a.wav"]), "window is 'x'; give a number"),
        (lambda: ls.LayerFeatures("mel", window=-1.0).fit(["a.wav"]), "window is -1.0; give seconds above 0"),
        (lambda: ls.Dataset("songs", pd.DataFrame({"clip": [], "mood": []})).labels("mod"), "did you mean 'mood'"),
    ],
)  # fmt: skip
def test_a_call_in_python_is_refused_as_an_option_is(call, words):
    with pytest.raises(UsageError, match=words):
        call()


def test_flags_of_numpy_are_taken_and_are_no_numbers():
    given = []
    shuffle = checks_arguments(flag_and_count)
    shuffle(given, flag=np.bool_(True), count=np.int64(3), share=np.float32(0.5))
    assert [(type(value), value) for value in given] == [(bool, True), (int, 3), (float, 0.5)]
    with pytest.raises(UsageError, match=r"count is True; give a whole number"):
        shuffle(given, count=np.bool_(True))
    with pytest.raises(UsageError, match=r"flag is .*1.*; give True or False"):
        shuffle(given, flag=np.int64(1))


def flag_and_count(given: list, *, flag: bool = False, count: int = 1, share: float = 1.0):
    given += [flag, count, share]


def test_numbers_and_paths_of_other_libraries_are_taken(tmp_path):
    assert ls.load_encoder(np.str_("random:small"), seed=np.int64(1), batch_seconds=np.float32(2)).layers
    with pytest.raises(DataError, match="no "):
        ls.Dataset.load(tmp_path)


def test_the_nearest_name_is_suggested():
    assert str(unknown("probe", "mpl", ["mlp", "linear"])) == "unknown probe 'mpl'; did you mean 'mlp'?"


def test_all_names_are_listed_where_none_is_near():
    assert str(unknown("probe", "xyz", ["mlp", "linear"])) == "unknown probe 'xyz'; known: linear, mlp"
    assert str(unknown("argument", "deform", ["memory", "seeds"])) == "unknown argument 'deform'; known: memory, seeds"


def test_exit_codes_are_those_documented():
    codes = {LayerscopeError: 1, UsageError: 2, DataError: 3, AudioError: 3, ModelError: 4, ResourceError: 5}
    assert all(error.exit_code == code for error, code in codes.items())
