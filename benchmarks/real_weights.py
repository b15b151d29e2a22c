"""What layers hear on real weights and real sound: `python -m benchmarks.real_weights --data ../shared/data`.

CREPE, opened as `docs/crepe.md` opens it, and the two small encoders that come with the package, over recorded notes
and rendered songs, with every further question. Each part is a command of `layerscope`, printed before it runs; one
that was killed goes on where it was. After each come the tables of the documents, in Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch

from layerscope.report.comparison import reach_sentences
from layerscope.report.paper_tables import as_markdown
from layerscope.report.robustness_panels import loss_text
from layerscope.report.sets_and_plain import beyond_section, sets_section
from layerscope.report.wording import describe, difference, input_name, number, sentence, span
from layerscope.scores.layer_selection import chosen_layer
from layerscope.scores.rivals import judged_gap
from layerscope.scores.score_table import PLAIN_INPUTS
from layerscope.similarity.measures import Similarities
from layerscope.study.study_results import Results

PAGE = Path(__file__).parents[1] / "docs" / "crepe.md"
MODELS = "crepe:factory,toy-muq,toy-musicfm"
#: Where the part of each song begins that is heard: after the introduction.
START = 20.0
#: How much of it is heard: of so little all parts are done in hours on two cores, and the document's tables are of it.
SONG_SECONDS = 4.0
QUESTIONS = "--seeds 1 --layers-as search --beyond-plain --few-labels closed --deform noise:20"
COMMANDS = {
    "notes": f"run --data notes.csv --target instrument --target pitch --model {MODELS} --baseline mfcc,chroma "
    f"--probe closed,knn --folds 5 {QUESTIONS} --out notes",
    "control": "run --data notes.csv --target instrument --target pitch --model crepe:factory,crepe:untrained "
    "--baseline none --probe closed --folds 5 --out control",
    "attention": "run --data notes.csv --target instrument --model crepe:factory --baseline mfcc "
    "--probe closed,attention --seeds 1 --folds 5 --out attention",
    "songs": f"run --data songs.jsonl --target key --target chords --model {MODELS} --baseline chroma --probe closed "
    "--out songs",
    "songs-further": "run --data songs.jsonl --target key --target tempo --target chords --target beats,downbeats "
    f"--model {MODELS} --baseline mel,mfcc,chroma --probe closed,knn,attention {QUESTIONS} --out songs-further",
    "concepts-small": "concepts --model toy-muq,toy-musicfm --out concepts-small",
    "concepts": "concepts --model crepe:factory,mfcc,chroma --out concepts",
    "reach-notes": "compare --data notes.csv --model crepe:factory --reach --out reach-notes",
    "reach-songs": "compare --data songs.jsonl --model toy-muq,toy-musicfm --reach --out reach-songs",
}


def main() -> None:
    """Make the tables of clips, ask the questions, and print what there is to say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_weights", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/real-weights"))
    parser.add_argument("--only", nargs="*", choices=list(COMMANDS), default=list(COMMANDS), metavar="PART")
    parser.add_argument("--song-seconds", type=float, default=SONG_SECONDS, help="how much of each song is heard")
    asked = parser.parse_args()
    print(f"{platform.machine()}, torch {torch.__version__}, {time.strftime('%d %B %Y')}", flush=True)
    write_inputs(asked.data.resolve(), asked.out, asked.song_seconds)
    for part in asked.only:
        ask(COMMANDS[part], asked.out)
        print("\n".join(said_of(asked.out / part)), flush=True)


def write_inputs(data: Path, out: Path, seconds: float) -> None:
    """Write the document's two modules and the tables of clips into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for block, name in re.findall(r"```python\n(# (\w+\.py)\n.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        (out / name).write_text(block, encoding="utf-8")
    if not (out / "notes.csv").is_file():
        call = f"import notes; notes.write({str(data / 'instruments')!r})"
        subprocess.run([sys.executable, "-c", call], cwd=out, check=True)
    lines = (data / "pop909" / "pop909.jsonl").read_text(encoding="utf-8").splitlines()
    songs = [json.loads(line) | {"start": START, "end": START + seconds} for line in lines]
    rows = [song | {"audio_path": str(data / "pop909" / song["audio_path"])} for song in songs]
    (out / "songs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def ask(command: str, out: Path) -> None:
    """Run a command of `layerscope` in `out`, where the modules and tables lie."""
    print(f"\n$ layerscope {command}", flush=True)
    place = os.pathsep.join([str(out.resolve()), *filter(None, [os.environ.get("PYTHONPATH")])])
    subprocess.run(
        [sys.executable, "-m", "layerscope", *shlex.split(command)],
        cwd=out, check=True, env=os.environ | {"PYTHONPATH": place},
    )  # fmt: skip


def said_of(directory: Path) -> Iterator[str]:
    """Yield what a study or a comparison says beside what its command prints; a battery of concepts prints all."""
    if directory.name.startswith("concepts"):
        return
    if directory.name.startswith("reach"):
        similarities = Similarities.read(directory)
        assert similarities is not None
        assert similarities.reach is not None
        yield from reach_sentences(similarities.reach[0])
        return
    results = Results.read(directory)
    rows = preferred_rows(results)
    rows["text"] = [
        f"{number(row.metric, row.value)} {span(row.metric, row.ci_low, row.ci_high)}" + "*" * bool(row.in_best_set)
        for row in rows.itertuples()
    ]
    yield f"\nClosed probe, test scores with 95 %; *: may be its model's best.\n\n{by_layer(rows)}"
    if results.robustness is not None:
        keys = ["task", "model", "input", "layer", "probe", "metric"]
        noisy = results.robustness.table.merge(rows[keys], on=keys)
        noisy["text"] = [loss_text(row) for _, row in noisy.iterrows()]
        yield f"\nThe same probes on noisy clips, less the score above.\n\n{by_layer(noisy)}"
    for task in results.tasks:
        part = results.only(task)
        sections = [section for section in (sets_section(part), beyond_section(part)) if section]
        yield f"{part.facts['title']}:"
        yield from against_others(results, task)
        yield from (f"- {text}" for section in sections for text in section.sentences)


def against_others(results: Results, task: str) -> Iterator[str]:
    """Yield the difference of the first model's preferred layer to that of each other one."""
    choices = [chosen_layer(results, task, model) for model in results.models("trained")]
    first, *others = [choice.chosen for choice in choices if choice]
    for row in others:
        gap = difference(row.metric, judged_gap(results, first, row))
        yield f"- {sentence(describe(first))} minus {describe(row)}: {gap}."


def preferred_rows(results: Results) -> pd.DataFrame:
    """Return the closed probe's scores of every layer, and of plain features as validation prefers them summarised."""
    rows = pd.concat(results.of(task=task, probe="closed", metric=results.primary(task)) for task in results.tasks)
    return rows[(rows.input == "layer") | (rows.chosen & rows.input.isin(PLAIN_INPUTS))].copy()


def by_layer(rows: pd.DataFrame) -> str:
    """Return texts of rows as a table in Markdown, a row a layer and a column a task."""
    rows["layer of"] = [f"{row.model}, {input_name(row)}" for _, row in rows.iterrows()]
    wide = rows.pivot_table(index="layer of", columns="task", values="text", aggfunc="first", sort=False)
    return as_markdown(wide.fillna("").reset_index())


if __name__ == "__main__":
    main()
