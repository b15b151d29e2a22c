from types import SimpleNamespace

import numpy as np
import pandas as pd

from layerscope.report.mistakes import mistakes_of

ANSWER = SimpleNamespace(task="t", model="m", probe="closed")


def said(truth, answer, probability, score):
    table = pd.DataFrame({"clip": [f"{n}.wav" for n in range(len(truth))], "truth": truth, "answer": answer,
                          "probability": probability, "score": score})  # fmt: skip
    return table.assign(task="t", model="m", input="layer", layer=1, probe="closed")


def test_classes_are_counted_and_the_surest_mistakes_come_first():
    table = said(["a", "a", "b", "b"], ["a", "b", "a", "b"], [0.9, 0.6, 0.8, 0.7], [1.0, 0.0, 0.0, 1.0])
    mistakes = mistakes_of(table, ANSWER)
    assert mistakes.confusion.to_dict() == {"a": {"a": 1, "b": 1}, "b": {"a": 1, "b": 1}}
    assert list(mistakes.clips["clip"]) == ["2.wav", "1.wav"]


def test_a_class_that_is_never_answered_has_its_column():
    mistakes = mistakes_of(said(["a", "b"], ["a", "a"], [0.9, 0.9], [1.0, 0.0]), ANSWER)
    assert mistakes.confusion.loc["b"].to_dict() == {"a": 1, "b": 0}


def test_values_have_no_matrix_and_no_worst_clip():
    nan = np.nan
    mistakes = mistakes_of(said(["0.1", "0.2"], ["0.3", "0.2"], [nan, nan], [nan, nan]), ANSWER)
    assert mistakes.confusion is None
    assert mistakes.clips.empty


def test_of_another_input_nothing_is_known():
    table = said(["a"], ["a"], [0.9], [1.0])
    assert mistakes_of(table, SimpleNamespace(task="t", model="n", probe="closed")) is None


def test_hundreds_of_classes_make_no_matrix():
    names = [str(number) for number in range(100)]
    assert mistakes_of(said(names, names, [0.9] * 100, [1.0] * 100), ANSWER).confusion is None
