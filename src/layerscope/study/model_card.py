"""The card of a predictor, with the metadata of the hub in front."""

from __future__ import annotations

from huggingface_hub import EvalResult, ModelCardData

from layerscope.encoders.published_models import licence_of
from layerscope.report.cautions import cautions_about
from layerscope.report.wording import metric_name
from layerscope.study.row_to_export import RowToExport
from layerscope.study.written_encoder import WrittenEncoder

__all__ = ["card"]


def card(of: RowToExport, encoder: WrittenEncoder, score: str, *, refit: bool) -> str:
    """Return a model card with the hub's metadata in front."""
    row, facts = of.row, of.results.facts
    licence = licence_of(encoder.source)
    cautions = "".join(f"\n- {caution}" for caution in cautions_about(of.results, of.answer, row))
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
    where = (
        f"an encoder of one's own, `{encoder.told['code']}`, which is to be named (`--encoder`)"
        if "code" in encoder.told
        else "a reference to the weights"
        if "reference" in encoder.told
        else "its weights, cut after the last layer that is used"
    )
    before, after = encoder.whole.megabytes, encoder.cut.megabytes
    sizes = ", ".join(f"{name} {count}" for name, count in facts["splits"].items())
    trained = "all of them, with the settings of the training" if refit else "the training"
    trained += " of the first seed (of folds, the first) of the study"
    return f"""---
{front.to_yaml()}
---

# {facts["title"]}: {of.what}

Answers `{row.target}` ({facts["kind"]}: {", ".join(facts["names"][:12])}{", …" if len(facts["names"]) > 12 else ""}).

- **Score** in the run that it comes from: {score}.
- **Answer** of that run: {of.answer_in_words}
- **Chosen** by {of.why}.
- **Trained on** `{row.dataset}`: {facts["clips"]} clips ({sizes}): {trained}.
- **Encoder**: {where}. Licence of the weights: {licence}.
- **Cost**: weights of {after:.1f} MB in place of {before:.1f} MB for the whole model.{cautions}

```sh
layerscope predict . songs/
```

```python
import layerscope as ls

predictor = ls.load_predictor(".")
predictor(waveform, sample_rate)
```
"""
