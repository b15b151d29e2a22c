"""Which row of a run's summary is exported, what the run says of it, and the card that a predictor has of both.

The card's words are in `report/card.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from huggingface_hub import EvalResult, ModelCardData

from layerscope.encoders.published_models import licence_of
from layerscope.errors import UsageError, unknown
from layerscope.report.cautions import cautions_about
from layerscope.report.headline import headline
from layerscope.report.page_files import fill_in
from layerscope.report.wording import input_name, metric_name, with_interval
from layerscope.scores.layer_selection import choose_row
from layerscope.scores.score_table import BESIDE_PLAIN, CONTROL_INPUTS, SEARCHED, SINGLE_INPUTS, Results
from layerscope.scores.verdict import Verdict
from layerscope.study.written_encoder import WrittenEncoder

__all__ = ["RowToExport", "row_to_export"]


@dataclass(frozen=True)
class RowToExport:
    """A row of a run's summary, and what the run says of it.

    Attributes
    ----------
    results : Results
        Of its task.
    answer : Verdict
        What the run says to use.
    row : Series
        An input, its model and its probe, with their score.
    why : str
        How it was chosen.
    """

    results: Results
    answer: Verdict
    row: pd.Series
    why: str

    @property
    def what(self) -> str:
        """Return the input and its model in words."""
        return f"{input_name(self.row)} of {self.row.model}"

    @property
    def score(self) -> str:
        """Return what the run measured, in words."""
        row = self.row
        score = with_interval(row.metric, row.value, row.ci_low, row.ci_high)
        return f"{metric_name(row.metric)} {score} on {row.n} test clips"

    @property
    def answer_in_words(self) -> str:
        """Return the answer, and that this row is none of its candidates, where so."""
        words = headline(self.results, self.answer)
        if self.answer.verdict == "nothing" or self.row.name in self.answer.candidate_rows:
            return words
        return f"{words} This, {self.what} with the {self.row.probe} probe, is none of the answer's candidates."

    def card(self, encoder: WrittenEncoder, score: str, *, refit: bool) -> str:
        """Return a model card, with the hub's metadata in front."""
        row, facts = self.row, self.results.facts
        result = EvalResult(
            task_type="audio-classification",
            dataset_type=str(row.dataset),
            dataset_name=str(facts["title"]),
            dataset_split="test",
            metric_type=str(row.metric),
            metric_name=metric_name(row.metric),
            metric_value=round(float(row.value), 4),
        )
        front = ModelCardData(model_name=f"{row.model}-{row.task}", library_name="layerscope", eval_results=[result])
        told = {"front": front.to_yaml(), "facts": facts, "score": score, "refit": refit, "encoder": encoder}
        cautions = cautions_about(self.results, self.answer, row)
        return fill_in("card.md", of=self, licence=licence_of(encoder.source), cautions=cautions, **told) + "\n"


def row_to_export(
    results: Results, answer: Verdict, model: str | None, probe: str | None, given: str | None
) -> RowToExport:
    """Return the row of the summary that is to be exported: of those with what is said, the nearest to the answer."""
    rows = results.of(metric=results.facts["primary"])
    refuse_apart(given)
    rows = kept = rows[~rows.input.isin((*CONTROL_INPUTS, *BESIDE_PLAIN)) & ~rows.input.str.startswith(SEARCHED)]
    names = rows.input.where(rows.input != "layer", "layer " + rows.layer.astype(str))
    for what, said, column in (("model", model, rows.model), ("probe", probe, rows.probe), ("input", given, names)):
        if said is not None and said not in set(column):
            raise unknown(what, said, set(column))
        kept = kept if said is None else kept[column[kept.index] == said]
    if kept.empty:
        raise UsageError(f"the run has no {probe or 'probe'} on {given or 'an input'} of {model or 'any model'}")
    if answer.row in kept.index:
        return RowToExport(results, answer, results.summary.loc[answer.row], answer.chosen)
    if model is None:
        kept = first_of(kept[~kept.model.isin(results.models("untrained"))], kept)
    kept = first_of(kept[kept.index.isin(answer.candidate_rows)], kept[kept.input.isin(SINGLE_INPUTS)], kept)
    choice = choose_row(kept)
    assert choice is not None
    return RowToExport(results, answer, choice.chosen, choice.why)


def refuse_apart(given: str | None) -> None:
    """Raise for an input that no one predictor can be of: of two encoders, or of another set in each training."""
    if given is not None and given.startswith(SEARCHED):
        raise UsageError(
            f"'{given}' is another set of layers in each fold; run again with one of them (--layers-as 4+7; the page "
            "names them), and export that"
        )
    if given is not None and given.partition(" ")[0] in BESIDE_PLAIN:
        raise UsageError(
            f"'{given}' takes two encoders, and a predictor has one; export the layer ('layer 3') or the plain feature"
        )


def first_of(*tables: pd.DataFrame) -> pd.DataFrame:
    """Return the first table that has rows, else the last."""
    return next((table for table in tables if len(table)), tables[-1])
