"""States on disk serve as those of an encoder would."""

import json

import numpy as np
import pytest

from layerscope.data.audio import load
from layerscope.encoders import load_encoder
from layerscope.errors import AudioError, ModelError, UsageError
from layerscope.features.encoder_pass import Pass
from layerscope.scores.score_table import Results
from layerscope.study.compare import compare
from layerscope.study.export import export
from layerscope.study.options import Comparison, make_plan
from layerscope.study.run import run


def write_features(directory, tones, encoder):
    """The states of every tone, as someone else's program may have left them."""
    for path in sorted(tones.rglob("*.wav")):
        whole = Pass(encoder, encoder.window, frames=True).states_of({path.name: load(path, encoder.sample_rate)})[0]
        states = [halves.float() * scale for halves, scale in whole.frames]
        place = directory / path.parent.name / f"{path.stem}.npy"
        place.parent.mkdir(parents=True, exist_ok=True)
        np.save(place, np.stack(states))
    told = {"frame_rate": 25.0, "layers": list(encoder.layers), "dim": encoder.dim}
    (directory / "features.json").write_text(json.dumps(told))


def study(tones, model, out):
    asked = {"data": tones, "model": [str(model)], "baseline": [], "probe": ["closed"], "seeds": 1}
    return run(make_plan(asked, "test"), out)


def test_scores_are_those_of_the_encoder_that_computed_them(tones, tmp_path):
    encoder = load_encoder("random:small")
    write_features(tmp_path / "mine", tones, encoder)
    own, computed = (
        study(tones, model, tmp_path / f"run-{n}") for n, model in enumerate((tmp_path / "mine", "random:small"))
    )
    layers = {
        name: results.of(input="layer", metric="accuracy") for name, results in (("own", own), ("computed", computed))
    }
    assert list(layers["own"].value) == list(layers["computed"].value)
    assert own.facts["passes"]["mine"]["clips_encoded"] == 30
    assert Results.read(tmp_path / "run-0").facts["models"]["mine"]["layers"] == [0, 1, 2, 3, 4]


def test_a_clip_without_states_is_set_aside_with_the_reason(tones, tmp_path):
    write_features(tmp_path / "mine", tones, load_encoder("random:small"))
    (tmp_path / "mine" / "low" / "3.npy").unlink()
    np.save(tmp_path / "mine" / "high" / "4.npy", np.zeros((5, 0, 64), np.float32))
    (tmp_path / "mine" / "high" / "5.npy").write_bytes(b"not an array")
    np.save(tmp_path / "mine" / "high" / "6.npy", np.full((5, 3, 64), np.nan, np.float32))
    np.save(tmp_path / "mine" / "high" / "7.npy", np.zeros((5, 3, 64), np.complex64))
    skipped = study(tones, tmp_path / "mine", tmp_path / "run").skipped
    assert "no 3.npy in" in skipped["low/3.wav"]
    assert "not readable as an array" in skipped["high/5.wav"]
    assert "4.npy: shape (5, 0, 64); expected (layer, frame, dim) = (5, 'frame', 64)" in skipped["high/4.wav"]
    assert "6.npy: holds float32 that are no finite numbers" in skipped["high/6.wav"]
    assert "7.npy: holds complex64" in skipped["high/7.wav"]
    assert len(skipped) == 5
    with pytest.raises(UsageError, match=r"mine holds states of files and encodes no new sound; export a model"):
        export(tmp_path / "run", tmp_path / "use", insist=True)


def test_states_written_anew_are_read_anew(tones, tmp_path):
    write_features(tmp_path / "mine", tones, load_encoder("random:small"))
    before = load_encoder(tmp_path / "mine").fingerprint
    np.save(tmp_path / "mine" / "low" / "3.npy", np.ones((5, 10, 64), np.float32))
    assert load_encoder(tmp_path / "mine").fingerprint != before


def test_pooled_states_and_spans(tones, tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    (place / "features.json").write_text(json.dumps({"frame_rate": 10, "layers": [3, 7], "dim": 4, "name": "theirs"}))
    np.save(place / "0.npy", np.arange(80, dtype=np.float32).reshape(2, 10, 4))
    np.save(place / "1.npy", np.ones((2, 4)))
    encoder = load_encoder(place)
    assert (encoder.name, encoder.layers) == ("theirs", (3, 7))
    assert encoder.encode_file(tones / "low" / "0.wav", 0.2, 0.5).shape == (2, 3, 4)
    assert encoder.encode_file(tones / "low" / "1.wav", 0.0, float("nan")).shape == (2, 1, 4)


@pytest.mark.parametrize(
    ("key", "value"), [("frame_rate", "fast"), ("layers", 3), ("dim", None), ("dim", 0), ("frame_rate", 0.0)]
)
def test_a_wrong_key_is_named(key, value, tmp_path):
    told = {"frame_rate": 25.0, "layers": [0], "dim": 4, key: value}
    (tmp_path / "features.json").write_text(json.dumps(told))
    with pytest.raises(ModelError, match=f"'{key}' is {value!r}"):
        load_encoder(tmp_path)


def test_averages_are_not_compared_with_frames(tones, tmp_path):
    write_features(tmp_path / "mine", tones, load_encoder("random:small"))
    for place in (tmp_path / "mine").rglob("*.npy"):
        np.save(place, np.load(place).mean(axis=1))
    with pytest.raises(UsageError, match="mine holds one average a clip"):
        compare(Comparison(model=[str(tmp_path / "mine")], data=tones), tmp_path / "compared")


def test_an_array_that_may_be_of_two_files_is_taken_for_neither(tones, tmp_path):
    write_features(tmp_path / "mine", tones, load_encoder("random:small"))
    encoder = load_encoder(tmp_path / "mine")
    low, high = tones / "low" / "0.wav", tones / "high" / "0.wav"
    (tmp_path / "mine" / "0.npy").write_bytes((tmp_path / "mine" / "low" / "0.npy").read_bytes())
    encoder.expect_files([low, high])
    assert encoder.encode_file(low, 0.0, float("nan")).shape == encoder.encode_file(high, 0.0, float("nan")).shape
    for name in ("low", "high"):
        (tmp_path / "mine" / name / "0.npy").unlink()
    encoder.expect_files([low])
    assert len(encoder.encode_file(low, 0.0, float("nan"))) == 5
    encoder.expect_files([low, high])
    with pytest.raises(AudioError, match=r"0\.npy would be that of .*high/0\.wav too; put arrays into folders"):
        encoder.encode_file(low, 0.0, float("nan"))
