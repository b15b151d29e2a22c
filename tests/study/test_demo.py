"""The demo is the study in small: its tasks, its models, its page, and nothing from outside."""

import json

import filelock
import pytest

from layerscope.encoders import load_encoder
from layerscope.encoders.conformer_checkpoint import read_checkpoint
from layerscope.encoders.published_models import PACKAGED, packaged
from layerscope.errors import ResourceError, UsageError
from layerscope.study.demo import ENCODERS, TITLES, demo, splits_of
from layerscope.toymusic.composed_dataset import DEVELOPMENT, PRETRAINING, REPORTED


def test_more_clips_test_than_choose():
    parts = splits_of(200)
    assert {name: parts.count(name) for name in ("train", "valid", "test")} == {"train": 100, "valid": 30, "test": 70}


def test_seeds_of_pretraining_choosing_and_reporting_are_far_apart():
    # The seed 0 of a pretraining may use 20 million pieces before it meets the next one's.
    assert PRETRAINING + 20 * 20_000_000 < DEVELOPMENT < DEVELOPMENT + 1_000_000 < REPORTED


@pytest.mark.slow
def test_the_study_in_smaller_still(tmp_path):
    said = []
    results = demo(
        tmp_path / "demo", models=["random:small"], notes=40, pieces=20, stage=lambda what, _: said.append(what)
    )
    assert set(results.tasks) == set(TITLES)
    assert {results.facts["tasks"][task]["title"] for task in results.tasks} == set(TITLES.values())
    assert {"mel", "mfcc", "chroma", "cqt", "random:small"} == set(results.facts["models"])
    assert said[0] == "composed 40 notes and 20 pieces of 8 s"
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "Style of rhythm" in page
    assert "This is the demo" in page
    assert "Mistakes" in page
    assert "<audio" not in page
    provenance = json.loads((tmp_path / "demo" / "provenance.json").read_text())
    assert provenance["tasks"]["pieces-tempo"]["splits"] == {"train": 10, "valid": 3, "test": 7}


def test_a_directory_in_use_is_not_written_over(tmp_path):
    (tmp_path / "study.json").write_text("{}")
    with filelock.FileLock(tmp_path / ".lock"), pytest.raises(ResourceError, match="in use by another run"):
        demo(tmp_path, models=["random:small"], notes=20, pieces=20)
    assert (tmp_path / "study.json").is_file()


def test_a_study_is_not_written_over(tmp_path):
    (tmp_path / "study.json").write_text('{"data": "drums.csv"}')
    (tmp_path / "results.csv").write_text("of a study")
    with pytest.raises(UsageError, match=r"holds another study \(different: .*data"):
        demo(tmp_path, models=["random:small"], notes=20, pieces=20)
    assert (tmp_path / "study.json").read_text() == '{"data": "drums.csv"}'


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_encoders_are_small_and_read_by_the_ordinary_loader(name):
    weights = packaged(name) / "model.safetensors"
    assert weights.stat().st_size <= 10e6
    assert read_checkpoint(packaged(name)).family == name.removeprefix("toy-")
    encoder = load_encoder(name)
    assert encoder.name == name
    assert encoder.frame_rate == 25.0
    million = sum(value.numel() for value in read_checkpoint(packaged(name)).tensors.values()) / 1e6
    assert million == pytest.approx(PACKAGED[name].million, abs=0.05)
    card = (packaged(name) / "README.md").read_text()
    for words in ("hours", "layerscope pretrain", "MIT", "![", "masked"):
        assert words in card, words
    assert set(ENCODERS) == {"toy-muq", "toy-musicfm", "random:toy-muq", "random:toy-musicfm"}
