import json
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch
from made_views import sums_of_rows

from conftest import write_tone
from layerscope.data.audio import load
from layerscope.encoders import load_encoder
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.errors import DataError, UsageError
from layerscope.similarity.measures import Similarities, cka
from layerscope.study.compare import compare, parts_of_clips
from layerscope.study.option_base import checked
from layerscope.study.options import Comparison, make_plan
from layerscope.study.progress import Silent
from layerscope.study.run import run
from layerscope.study.run_pages import write_page


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
        encoder.encode(torch.from_numpy(load(path, 24_000)[None]))[0, :, :25] for path in sorted(sounds.rglob("*.wav"))
    ]
    rows = [np.concatenate([track[layer].double().numpy() for track in tracks]) for layer in (0, 1)]
    expected = cka(sums_of_rows(*rows, frames=25))
    row = found.table[(found.table.measure == "cka") & (found.table.other_layer == 1)].iloc[0]
    # All frames are drawn, of clips this short; what is kept of them has ten bits beside the mean of its clip.
    assert row.value == pytest.approx(expected, abs=1e-3)
    assert row.ci_low <= row.value <= row.ci_high
    assert found.facts["clips"] == 26
    assert set(found.table.other) == {"random:small", "mel", "mfcc", "chroma", "cqt", "onset strength", "loudness"}
    assert "need 3,360 frames" in found.facts["refused"][-1]  # the CQT is 336 wide
    assert (found.table.measure == "neighbours").any()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".lock", "comparison.json", "label_free.csv", "similarity.csv", "similarity.json",
    ]  # fmt: skip


class Counting:
    """Counts what goes through every encoder of a kind."""

    def __init__(self, monkeypatch):
        self.waveforms = 0
        encode = LayeredEncoder.layer_states

        def counted(encoder, waveforms):
            self.waveforms += len(waveforms)
            return encode(encoder, waveforms)

        monkeypatch.setattr(LayeredEncoder, "layer_states", counted)


#: What is encoded again with the sound changed: eight clips, as they are and in three ways.
CHANGED = 8 * 4


@pytest.mark.parametrize(
    ("first", "asked"), [("run", {}), ("compare", {}), ("run", {"pooling": ["mean", "max"]})],
)  # fmt: skip
def test_one_command_spares_the_other_its_passes(sounds, tmp_path, monkeypatch, first, asked):
    counting = Counting(monkeypatch)
    given = {"data": sounds, "model": ["random:small"], "baseline": ["mel"], "probe": ["closed"], **asked}
    plan = make_plan(given, "test")

    def study():
        run(plan, tmp_path / "run")
        return 0

    def comparison():
        compare(Comparison(model=["random:small"], data=sounds), tmp_path / "compared")
        return CHANGED

    commands = [study, comparison] if first == "run" else [comparison, study]
    assert commands[0]() + 26 == counting.waveforms
    counting.waveforms = 0
    assert commands[1]() == counting.waveforms
    if first == "compare":
        return  # on its own
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "other"))
    compare(Comparison(model=["random:small"], data=sounds), tmp_path / "alone")
    for name in ("similarity.csv", "label_free.csv"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "compared" / name).read_bytes()


def test_a_killed_comparison_continues_and_ends_the_same(sounds, tmp_path, monkeypatch):
    asked = Comparison(model=["random:small"], data=sounds, layers="0-1")
    monkeypatch.setattr("layerscope.features.encoder_pass.SHARD_SECONDS", 4.0)
    compare(asked, tmp_path / "whole")
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "other"))
    stepped = []

    class Interrupted(Silent):
        @contextmanager
        def task(self, description, total, unit):
            def step(count, seconds=0.0):
                stepped.append(count)
                if description.startswith("encoding") and sum(stepped) > total // 2 and seconds:
                    raise KeyboardInterrupt

            stepped.clear()
            assert unit
            yield step

    with pytest.raises(KeyboardInterrupt):
        compare(asked, tmp_path / "killed", progress=Interrupted())
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
        ({"model": ["random:small", "random:small"]}, "given twice"),
        ({"model": ["random:smal"]}, "random:smal|smal"),
        ({"model": ["random:small", "mel"]}, "mel is a plain feature"),
    ],
)
def test_wrong_calls_say_what_is_wrong(sounds, tmp_path, asked, words):
    with pytest.raises(UsageError, match=words):
        compare(checked(Comparison, {"data": sounds, **asked}, "compare"), tmp_path / "out")


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


@pytest.mark.slow
def test_the_reach_of_layers_is_told_where_it_is_asked_for(sounds, tmp_path):
    asked = Comparison(model=["random:small"], data=sounds, layers="0-1", reach=True)
    found = compare(asked, tmp_path / "out")
    write_page(tmp_path / "out")
    reaches, curves = Similarities.read(tmp_path / "out").reach
    pd.testing.assert_frame_equal(reaches, found.reach[0].astype({"layer": "Int64"}), check_dtype=False)
    assert reaches.layer.tolist() == [0, 1]
    # Of clips of a second a third of one can be told; the front end of layer 0 hears some frames.
    assert 0.02 < reaches.reach[0] < 0.3
    assert reaches.longest[0] <= 1 / 3
    assert (curves.groupby("layer").change.first() == 1).all()
    page = (tmp_path / "out" / "report.html").read_text()
    assert "random:small: 90 % of a state's change arises within" in page.replace("&#39;", "'")
    assert (tmp_path / "out" / "figures" / "reach.png").is_file()
    # What nobody asks for leaves no trace.
    plain = Comparison(model=["random:small"], data=sounds, layers="0-1")
    assert "reach" not in plain.on_record()
    compare(plain, tmp_path / "plain")
    assert (tmp_path / "plain" / "label_free.csv").read_bytes() == (tmp_path / "out" / "label_free.csv").read_bytes()
    assert not list((tmp_path / "plain").glob("reach*"))
