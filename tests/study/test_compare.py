import json

import numpy as np
import pandas as pd
import pytest

from conftest import write_tone
from layerscope.encoders import load_encoder
from layerscope.errors import DataError, UsageError
from layerscope.features.encode import encode_clip
from layerscope.similarity.frame_sums import Gathering, View
from layerscope.similarity.measures import cka
from layerscope.study.compare import compare, parts_of_clips
from layerscope.study.options import Comparison


@pytest.fixture
def sounds(tmp_path):
    random = np.random.default_rng(0)
    for number in range(26):
        label = "ab"[number % 2]
        write_tone(tmp_path / "sounds" / label / f"{number}.wav", float(random.uniform(100, 2000)), 1.0, seed=number)
    return tmp_path / "sounds"


def test_a_comparison_is_that_of_all_frames_at_once(sounds, tmp_path):
    found = compare(Comparison(model=["random:small"], data=sounds, layers="0-1"), tmp_path / "out")
    encoder = load_encoder("random:small", layers="0-1")
    tracks = [
        encode_clip([encoder], path, 0.0, float("nan"), path.name)[0].numpy() for path in sorted(sounds.rglob("*.wav"))
    ]
    gathering = Gathering([View("x", 0, 64), View("x", 1, 64)])
    gathering.add(np.concatenate([np.concatenate(list(track), axis=1) for track in tracks]))
    row = found.table[(found.table.measure == "cka") & (found.table.other_layer == 1)].iloc[0]
    # All frames are drawn, of clips this short; batches of other sizes round differently.
    assert row.value == pytest.approx(cka(gathering.moments()), abs=1e-4)
    assert row.ci_low <= row.value <= row.ci_high
    assert found.facts["clips"] == 26
    assert set(found.table.other) == {"random:small", "mel", "mfcc", "chroma", "cqt", "onset strength", "loudness"}
    assert "need 3,360 frames" in found.facts["refused"][-1]  # the CQT is 336 wide
    assert (found.table.measure == "neighbours").any()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".lock", "comparison.json", "label_free.csv", "similarity.csv", "similarity.json",
    ]  # fmt: skip


def test_a_killed_comparison_continues_and_ends_the_same(sounds, tmp_path, monkeypatch):
    from layerscope.study import compare as comparison

    asked = Comparison(model=["random:small"], data=sounds, layers="0-1")
    compare(asked, tmp_path / "whole")
    calls = []

    def fails_in_the_middle(*arguments):
        calls.append(1)
        if len(calls) == 14:
            raise KeyboardInterrupt
        return encode_clip(*arguments)

    monkeypatch.setattr(comparison, "encode_clip", fails_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        compare(asked, tmp_path / "killed")
    calls.append(1)
    compare(asked, tmp_path / "killed")
    for name in ("similarity.csv", "label_free.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_groups_stay_together_and_half_of_the_parts_fit():
    parts = parts_of_clips(np.array([0, 0, 1, 2, 3, 3, 3]))
    assert [list(part) for part in parts] == [[0, 1], [2], [3], [4, 5, 6]]
    assert len(parts_of_clips(np.arange(100))) == 8
    with pytest.raises(DataError, match="two clips of different groups"):
        parts_of_clips(np.zeros(5, int))


def test_a_clip_that_cannot_be_read_is_set_aside_with_its_reason(sounds, tmp_path):
    write_tone(sounds / "a" / "short.wav", 440.0, 0.02)
    found = compare(Comparison(model=["random:small"], data=sounds, layers="0"), tmp_path / "out")
    assert "too short" in found.skipped["a/short.wav"]
    assert found.facts["clips"] == 26


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"model": ["random:small", "random:small"]}, "same name"),
        ({"model": ["random:smal"]}, "random:smal|smal"),
        ({"model": ["random:small", "mel"]}, "mel is a plain feature"),
    ],
)
def test_wrong_calls_say_what_is_wrong(sounds, tmp_path, asked, words):
    with pytest.raises(UsageError, match=words):
        compare(Comparison(data=sounds, **asked), tmp_path / "out")


def test_another_comparison_is_not_mixed_in(sounds, tmp_path):
    compare(Comparison(model=["random:small"], data=sounds, layers="0"), tmp_path / "out")
    with pytest.raises(UsageError, match="another comparison"):
        compare(Comparison(model=["random:small"], data=sounds, layers="1"), tmp_path / "out")


def test_facts_and_tables_are_on_disk(sounds, tmp_path):
    compare(
        Comparison(model=["random:small"], data=sounds, layers="0-2"),
        tmp_path / "out",
        command=["layerscope", "compare"],
    )
    facts = json.loads((tmp_path / "out" / "similarity.json").read_text())
    assert facts["command"] == ["layerscope", "compare"]
    assert facts["frames"] == 26 * 25
    scores = pd.read_csv(tmp_path / "out" / "label_free.csv")
    assert scores.groupby("score").layer.apply(list).map(lambda layers: layers == [0, 1, 2]).all()
