"""The tasks of the benchmark, one file a data set."""

from layerscope.tasks import (
    chords1217,
    emomusic,
    giantsteps,
    gtzan,
    harmonix,
    hooktheory,
    magnatagatune,
    mtg_jamendo,
    nsynth,
    vocalset,
)
from layerscope.tasks.published_scores import Published, published_rows
from layerscope.tasks.task import Task, data_directory

__all__ = ["PAPER_TASKS", "TASKS", "Published", "Task", "data_directory", "published_rows"]

#: The fourteen of the layer-wise study of MusicFM and MuQ, as far as its list is known.
PAPER_TASKS = (
    gtzan.GENRE.name, gtzan.BEAT.name, giantsteps.TASK.name, emomusic.TASK.name, nsynth.PITCH.name,
    nsynth.INSTRUMENT.name, vocalset.SINGER_TASK.name, vocalset.TECHNIQUE.name, magnatagatune.TASK.name,
    mtg_jamendo.GENRE.name, mtg_jamendo.INSTRUMENT.name, mtg_jamendo.MOOD.name, mtg_jamendo.TOP50.name,
    harmonix.TASK.name,
)  # fmt: skip

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        gtzan.GENRE, gtzan.BEAT, giantsteps.TASK, emomusic.TASK, nsynth.PITCH, nsynth.INSTRUMENT,
        vocalset.SINGER_TASK, vocalset.TECHNIQUE, magnatagatune.TASK, mtg_jamendo.GENRE, mtg_jamendo.INSTRUMENT,
        mtg_jamendo.MOOD, mtg_jamendo.TOP50, harmonix.TASK, hooktheory.KEY, hooktheory.STRUCTURE, chords1217.TASK,
    )
}  # fmt: skip
