import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from layerscope.errors import DataError, UsageError
from layerscope.predictor.answer_files import answer_files
from layerscope.predictor.predict import Predictor, load_predictor, mono
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


def test_a_batch_has_the_answers_of_its_sounds(predictor):
    predict, path = predictor
    samples, rate = soundfile.read(path)
    alone = [predict(path), predict(samples, rate), predict(samples[:9000], rate)]
    for answer, expected in zip(predict.batch([path, samples, samples[:9000]], rate), alone, strict=True):
        assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)
    assert predict.batch([]) == []


def test_equally_long_sounds_go_through_the_encoder_together(predictor, monkeypatch):
    predict, path = predictor
    batches = []
    encode = type(predict.encoder).encode
    monkeypatch.setattr(
        type(predict.encoder), "encode", lambda encoder, batch: batches.append(len(batch)) or encode(encoder, batch)
    )
    predict.batch([path] * 5)
    list(answer_files(predict, [path, path.parent / "3.wav", path.parent / "5.wav"]))
    assert batches == [5, 3]


def test_thresholds_of_tags_are_set_by_the_caller(predictor):
    predict = predictor[0]
    with pytest.raises(UsageError, match="a threshold is of tags; this predictor answers 2 classes"):
        predict.at(0.5)
    manifest = replace(predict.manifest, kind="tags", calibration=[[1.0, 0.0]] * 2, thresholds=[0.5, 0.5])
    tags, path = Predictor(manifest, predict.encoder, predict.weights), predictor[1]
    shares = tags(path)["probabilities"]
    assert tags(path, threshold=0.0)["tags"] == ["high", "low"]
    assert tags(path, threshold={"high": shares["high"]})["tags"] == [
        name for name in ("high", "low") if name == "high" or shares[name] >= 0.5
    ]
    assert tags.at({"high": 1.0}).manifest.thresholds == [1.0, 0.5]
    assert tags.manifest.thresholds == [0.5, 0.5]
    for wrong, words in (
        ({"hihg": 0.5}, "unknown tag 'hihg'; did you mean 'high'"),
        (1.5, r"a probability in \[0, 1\], not 1.5"),
        (float("nan"), "not nan"),
        ({"high": True}, "not True"),
        (True, "threshold is True; give a number or a mapping"),
        ("0.5", "threshold is '0.5'"),
    ):
        with pytest.raises(UsageError, match=words):
            tags(path, threshold=wrong)


@pytest.mark.parametrize("rate", [None, 0, -1, 24_000.5, True, float("nan"), "24000"])
def test_a_waveform_without_a_rate_is_refused(predictor, rate):
    with pytest.raises(UsageError, match=r"sample.rate"):
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


def test_whole_numbers_of_a_width_that_no_file_has_are_refused():
    samples = [0, 16384, -16384]  # of 16 bits, and silence as 64
    with pytest.raises(UsageError, match="give int16, int32 or floats"):
        mono(np.array(samples, np.int64))
    np.testing.assert_array_equal(mono(np.array(samples, np.int16)), [0, 0.5, -0.5])


def test_one_file_is_no_list_of_sounds():
    with pytest.raises(UsageError, match="give several, in brackets"):
        Predictor.batch(object(), "kick.wav")
