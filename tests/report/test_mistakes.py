import json
from types import SimpleNamespace

import mir_eval
import numpy as np
import pandas as pd
import pytest

from layerscope.report.mistakes import key_relation, mistakes_of
from layerscope.targets import kind_named
from layerscope.targets.key_names import KEY_NAMES

ANSWER = SimpleNamespace(task="t", model="m", input="layer", layer=1, probe="closed")


def said(truth, answer, probability, score, **more):
    table = pd.DataFrame({"clip": [f"{n}.wav" for n in range(len(truth))], "truth": truth, "answer": answer,
                          "probability": probability, "score": score, **more})  # fmt: skip
    return table.assign(task="t", model="m", input="layer", layer=1, probe="closed", group=range(len(truth)), fold=0)


def test_classes_are_counted_and_the_surest_mistakes_come_first(tmp_path):
    table = said(["a", "a", "b", "b"], ["a", "b", "a", "b"], [0.9, 0.6, 0.8, 0.7], [1.0, 0.0, 0.0, 1.0])
    mistakes = mistakes_of(table, ANSWER, kind_named("classes"), (), tmp_path / "page.html")
    assert mistakes.confusion.to_dict() == {"a": {"a": 1, "b": 1}, "b": {"a": 1, "b": 1}}
    assert list(mistakes.clips["clip"]) == ["2.wav", "1.wav"]


def test_of_a_table_of_every_input_that_of_the_answer_is_taken(tmp_path):
    table = said(["a", "a", "b", "b"], ["a", "b", "a", "b"], [0.9, 0.6, 0.8, 0.7], [1.0, 0.0, 0.0, 1.0])
    others = [table.assign(layer=0, answer="a"), table.assign(input="concat", layer=pd.NA, answer="a"), table]
    mistakes = mistakes_of(pd.concat(others, ignore_index=True), ANSWER, kind_named("classes"), (), tmp_path / "p")
    assert mistakes.clips["clip"].tolist() == ["2.wav", "1.wav"]


def test_a_class_that_is_never_answered_has_its_column(tmp_path):
    mistakes = mistakes_of(
        said(["a", "b"], ["a", "a"], [0.9, 0.9], [1.0, 0.0]), ANSWER, kind_named("classes"), (), tmp_path / "p"
    )
    assert mistakes.confusion.loc["b"].to_dict() == {"a": 1, "b": 0}


@pytest.mark.parametrize("reference", ["C major", "A minor", "Gb major"])
def test_key_errors_are_those_that_mir_eval_weighs(reference):
    weights = {"the key itself": 1.0, "a fifth above": 0.5, "relative": 0.3, "parallel": 0.2}
    for estimate in KEY_NAMES:
        score = mir_eval.key.weighted_score(reference, estimate)
        assert weights.get(key_relation(reference, estimate), 0.0) == score


def test_keys_are_counted_by_kind_of_error(tmp_path):
    answers = ["C major", "G major", "F major", "A minor", "C minor", "D major"]
    mistakes = mistakes_of(
        said(["C major"] * 6, answers, [0.5] * 6, [0.0] * 6), ANSWER, kind_named("key"), (), tmp_path / "p"
    )
    assert list(mistakes.keys.values()) == [1, 1, 1, 1, 1, 1]


def test_tags_are_sorted_by_their_precision(tmp_path):
    shares = [
        {"x": 0.9, "y": 0.9, "never": 0.1},
        {"x": 0.1, "y": 0.8, "never": 0.2},
        {"x": 0.8, "y": 0.1, "never": 0.3},
    ]
    table = said(["x|y", "", "x"], ["x|y", "y", "x"], [np.nan] * 3, [np.nan] * 3, probabilities=map(json.dumps, shares))
    mistakes = mistakes_of(table, ANSWER, kind_named("tags"), (), tmp_path / "p")
    # x ranks both of its clips first; y its one clip first of three; a tag that no clip has is left out.
    assert mistakes.tags[["name", "clips", "value"]].values.tolist() == [["x", 2, 1.0], ["y", 1, 1.0]]
    assert mistakes.clips["clip"].iloc[0] == "1.wav"


def test_values_are_drawn_and_the_farthest_come_first(tmp_path):
    nan = [np.nan] * 3
    mistakes = mistakes_of(
        said(["0.1", "0.2", "0.3"], ["0.9", "0.2", "0.1"], nan, nan), ANSWER, kind_named("values"), (), tmp_path / "p"
    )
    assert mistakes.confusion is None
    assert list(mistakes.clips["clip"]) == ["0.wav", "2.wav", "1.wav"]
    assert mistakes.scatters[0].svg.count('class="dot"') == 3
    assert "0.wav\ntrue 0.1, predicted 0.9" in mistakes.scatters[0].svg
    two = ['{"x": 1, "y": 2}', '{"x": 2, "y": 3}', '{"x": 3, "y": 1}']
    mistakes = mistakes_of(said(two, two, nan, nan), ANSWER, kind_named("values"), (), tmp_path / "p")
    assert [plot.name for plot in mistakes.scatters] == ["x", "y"]
    assert list(mistakes.clips.truth) == ["x 1, y 2", "x 2, y 3", "x 3, y 1"]


def test_a_clip_is_played_from_where_the_page_lies_and_only_where_it_is(tmp_path):
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "a #1.wav").write_bytes(b"")
    paths = [str(tmp_path / "music" / "a #1.wav"), str(tmp_path / "music" / "gone.wav"), ""]
    table = said(["a"] * 3, ["b"] * 3, [0.9] * 3, [0.0] * 3, path=paths, start=[1.5, 0, 0], end=[3.0, np.nan, np.nan])
    clips = mistakes_of(table, ANSWER, kind_named("classes"), (), tmp_path / "run" / "report.html").clips
    assert list(clips.audio) == ["../music/a%20%231.wav#t=1.5,3", "", ""]


def test_of_another_input_nothing_is_known(tmp_path):
    table = said(["a"], ["a"], [0.9], [1.0])
    assert (
        mistakes_of(table, SimpleNamespace(**{**vars(ANSWER), "model": "n"}), kind_named("classes"), (), tmp_path / "p")
        is None
    )


def test_hundreds_of_classes_make_no_matrix(tmp_path):
    names = [str(number) for number in range(100)]
    assert (
        mistakes_of(
            said(names, names, [0.9] * 100, [1.0] * 100), ANSWER, kind_named("classes"), (), tmp_path / "p"
        ).confusion
        is None
    )
