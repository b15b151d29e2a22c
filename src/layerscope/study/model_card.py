"""The card of a predictor, with the metadata of the hub in front; its words are in `report/card.md`."""

from __future__ import annotations

from huggingface_hub import EvalResult, ModelCardData

from layerscope.encoders.published_models import licence_of
from layerscope.report.cautions import cautions_about
from layerscope.report.page_files import fill_in
from layerscope.report.wording import metric_name
from layerscope.study.row_to_export import RowToExport
from layerscope.study.written_encoder import WrittenEncoder

__all__ = ["card"]


def card(of: RowToExport, encoder: WrittenEncoder, score: str, *, refit: bool) -> str:
    """Return a model card with the hub's metadata in front."""
    row, facts = of.row, of.results.facts
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
    text = fill_in(
        "card.md",
        front=front.to_yaml(),
        facts=facts,
        of=of,
        row=row,
        score=score,
        refit=refit,
        encoder=encoder,
        licence=licence_of(encoder.source),
        cautions=cautions_about(of.results, of.answer, row),
    )
    return f"{text}\n"
