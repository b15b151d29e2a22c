"""A study of any size whose scores are made up, to test what is said and drawn of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
from test_score_table import entry

from layerscope.scores.score_table import Results
from layerscope.scores.tabulate import tabulate
from layerscope.similarity.label_free import SCORES
from layerscope.similarity.measures import MEASURES, Similarities

DESCRIPTORS = ("mel", "chroma")


def made_study(tasks, models=("m", "n"), layers=4, probes=("mlp", "linear"), best=None, plain=0.6):
    """Return results in which layer `best[task]` of every model scores 0.8, others less the farther they are."""
    entries = []
    best = best or {task: number % layers for number, task in enumerate(tasks)}
    for task in tasks:
        for model in models:
            for probe in probes:
                own = [
                    entry(k, v := 0.8 - 0.1 * abs(k - best[task]) / layers * 4, v, model=model) for k in range(layers)
                ]
                own.append(
                    entry(layers - 1, own[-1].rows[0]["value"], own[-1].rows[-1]["value"], input="last", model=model)
                )
                own.append(
                    replace(entry(None, 0.75, 0.75, input="weighted", model=model), mixture=[[0.25] * layers] * 2)
                )
                own.append(entry(None, 0.5, 0.85, input="concat", model=model))
                entries += [named(one, task, probe) for one in own]
        entries += [named(entry(0, plain, plain, model="mel", input="mean"), task, probe) for probe in probes]
    facts = {name: {"baseline": False, "untrained": False, "layers": list(range(layers)), "fingerprint": "0" * 32,
                    "official": []} for name in models}  # fmt: skip
    facts["mel"] = {"baseline": True, "untrained": False, "layers": [0], "fingerprint": "1" * 32, "official": []}
    told = {
        task: {
            "evidence": "classes: 100 of 102 cells; 2 set aside: '?' (2)",
            "kind": "classes", "names": ["a", "b"], "primary": "accuracy", "metrics": ["accuracy"], "clips": 100,
            "digest": "", "splits": {"train": 60, "valid": 20, "test": 20}, "groups": 100, "test_groups": 50,
            "absent_tags": [], "chance": 0.5, "dataset": task, "task": task, "target": "label", "title": task,
            "leaks": [], "skipped": 0,
        }
        for task in tasks
    }  # fmt: skip
    return Results(*tabulate(entries), {"models": facts, "tasks": told, "seeds": 2, "note": "", "passes": {}}, {})


def named(one, task, probe):
    return replace(one, label={**one.label, "task": task, "dataset": task, "probe": probe})


def made_similarities(models=("m", "n"), layers=4):
    random = np.random.default_rng(0)
    views = [(model, layer) for model in models for layer in range(layers)]
    rows = []
    for number, (model, layer) in enumerate(views):
        others = [*views[number + 1 :], *((name, None) for name in DESCRIPTORS)]
        for measure in MEASURES:
            for other, other_layer in others:
                value = float(random.uniform(0.1, 0.9))
                rows.append([model, layer, other, other_layer, measure, value, value - 0.05, value + 0.05])
    columns = ["model", "layer", "other", "other_layer", "measure", "value", "ci_low", "ci_high"]
    table = pd.DataFrame(rows, columns=columns).astype({"layer": "Int64", "other_layer": "Int64"})
    scores = [[model, layer, name, layer / 10, layer / 10, layer / 10] for model, layer in views for name in SCORES]
    columns = ["model", "layer", "score", "value", "ci_low", "ci_high"]
    facts = {
        "dataset": "songs", "clips": 40, "hours": 0.3, "frames": 4000, "parts": 8,
        "refused": ["CCA of width 9: too few"],
        "models": {name: {"layers": list(range(layers)), "fingerprint": "0" * 32} for name in models},
    }  # fmt: skip
    return Similarities(table, pd.DataFrame(scores, columns=columns).astype({"layer": "Int64"}), facts)
