import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from layerscope.errors import DataError, UsageError
from layerscope.predictor.predict import load_predictor, mono
from layerscope.study.export import export
from layerscope.study.options import make_plan
from layerscope.study.run import run


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    place = tmp_path_factory.mktemp("tones")
    random = np.random.default_rng(0)
    for number in range(24):
        path = place / "data" / ("low" if number % 2 else "high") / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        tone = np.sin(2 * np.pi * (200 if number % 2 else 1500) * np.arange(12_000) / 24_000)
        soundfile.write(path, 0.3 * tone + 0.05 * random.normal(size=12_000), 24_000)
    plan = make_plan({"data": place / "data", "baseline": ["mel"], "probe": ["closed"]}, "test")
    run(plan, place / "run")
    export(place / "run", place / "use", insist=True)
    return load_predictor(place / "use"), place / "data" / "low" / "1.wav"


def test_a_file_an_array_and_a_tensor_of_any_usual_shape_have_one_answer(predictor):
    predict, path = predictor
    samples, rate = soundfile.read(path)
    expected = predict.predict_file(path)
    assert expected["label"] == "low"
    stereo = np.stack([samples, samples])
    whole = (samples * 32768).round().astype(np.int16)
    for sound in (
        samples,
        samples.astype(np.float32),
        stereo,
        stereo.T,
        torch.from_numpy(stereo),
        whole,
        list(samples),
    ):
        answer = predict(sound, rate)
        assert answer["label"] == "low"
        # A 16-bit file's samples, as they were or through float32.
        assert answer["probabilities"]["low"] == pytest.approx(expected["probabilities"]["low"], abs=1e-4)
    assert predict(path) == predict(str(path)) == expected


@pytest.mark.parametrize("rate", [None, 0, -1, 24_000.5, True, float("nan"), "24000"])
def test_a_waveform_without_a_rate_is_refused(predictor, rate):
    with pytest.raises(UsageError, match="sample rate"):
        predictor[0](np.zeros(24_000), rate)


@pytest.mark.parametrize(
    "sound", [np.zeros((2, 2, 10)), np.array([]), ["abc"], np.zeros(9, complex), np.zeros(9, np.uint8), None]
)
def test_what_is_no_waveform_is_refused(sound):
    with pytest.raises(UsageError, match="waveform"):
        mono(sound)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": "0"}, "layers: Input should be a valid array"),
        ({"window": None}, "window: Input should be a valid number"),
        ({"calibration": [["a"]]}, "calibration.0.0"),
        ({"files": []}, "files: Input should be an object"),
        ({"encoder": {}}, "its encoder is not understood"),
        (
            {"encoder": {"family": "conformer", "layers": [0], "config": 3, "name": "x"}},
            "its encoder is not understood",
        ),
    ],
)
def test_a_manifest_of_other_types_is_refused_in_words_whoever_wrote_it(predictor, tmp_path, changes, words):
    shutil.copytree(predictor[1].parents[2] / "use", tmp_path / "use")
    manifest = replace(predictor[0].manifest, **changes)
    (tmp_path / "use" / "predictor.json").write_bytes(manifest.as_json())
    with pytest.raises(DataError, match=words):
        load_predictor(tmp_path / "use")
