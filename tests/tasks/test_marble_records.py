"""MARBLE v2's tables, as they are: fields, paths, splits."""

import json

import pytest
from miniatures import sound

from layerscope.data.dataset import Dataset
from layerscope.errors import DataError
from layerscope.tasks import TASKS
from layerscope.tasks.marble_records import marble_records

#: Task → the example in MARBLE's own data module.
EXAMPLES = {
    "gtzan-genre": ("data/GTZAN/genres/blues/blues.00012.wav", "blues", {}),
    "gtzan-beat": ("data/GTZAN/genres/blues/blues.00029.wav", {"beat": [0.5, 1.0], "downbeat": [0.5], "tempo": 120,
                                                               "meter": "4/4"}, {}),
    "emo": ("data/EMO/emomusic/wav/0005.wav", [-0.2569, 0.2599], {}),
    "gs-key": ("data/GS/giantsteps_clips/wav/0005061-0.wav", "Eb minor", {"ori_uid": "0005061"}),
    "mtt": ("data/MTT/mp3/0/artist-song-117-146.mp3", ["classical", "violin"], {"bitrate": 32034, "bit_depth": None}),
    "mtg-genre": ("data/MTG/audio/41/241.low.flac", ["genre---rock"], {}),
    "mtg-instrument": ("data/MTG/audio/41/241.low.flac", ["instrument---drums"], {}),
    "mtg-mood": ("data/MTG/audio/41/241.low.flac", ["mood/theme---dark"], {}),
    "mtg-top50": ("data/MTG/audio/41/241.low.flac", ["genre---rock"], {}),
    "hooktheory-key": ("data/HookTheory/hooktheory_clips/ZdPoDNVRgnM.mp3", "D major", {"ori_uid": "5BmEGm-mraE"}),
    "hooktheory-structure": ("data/HookTheory/hooktheory_clips/dZbgOApQonY.mp3", ["chorus"],
                             {"ori_uid": "cyvyHcLHSfY", "segment_start": 40.19, "segment_end": 49.57}),
    "chords1217": ("data/Chords1217/audio/TRW.flac", [{"start_time": 0.0, "end_time": 0.421, "chord_str": "N"}], {}),
}  # fmt: skip
STEMS = {"hooktheory-key": "HookTheoryKey", "hooktheory-structure": "HookTheoryStructure", "chords1217": "Chords1217"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_each_data_module_is_read(tmp_path, name):
    task, (path, label, extra) = TASKS[name], EXAMPLES[name]
    sound(tmp_path / path.removeprefix("data/"), 0.5)
    record = {"audio_path": path, "label": label, "duration": 0.5, "sample_rate": 22_050, "channels": 1, **extra}
    for split in ("train", "val", "test"):
        table = tmp_path / task.folder / f"{STEMS.get(name, task.records)}.{split}.jsonl"
        table.write_text(json.dumps(record))
    clips = task.load(tmp_path).clips
    assert clips["clip"].tolist() == [path.removeprefix(f"data/{task.folder}/")]
    assert Dataset(name, clips).labels(task.target, task.kind).kind.name == task.kind
    assert clips.get("group", [None])[0] == extra.get("ori_uid")


def test_a_table_of_one_split_without_the_others_is_refused(tmp_path):
    (tmp_path / "GS").mkdir()
    (tmp_path / "GS" / "GS.train.jsonl").write_text("{}")
    with pytest.raises(DataError, match=r"GS\.val\.jsonl is missing"):
        TASKS["gs-key"].load(tmp_path)


def test_a_user_may_read_what_splits_there_are(tmp_path):
    """A table of the user's own need not have all three: training without validation makes one."""
    sound(tmp_path / "a.wav", 0.5)
    for split in ("train", "test"):
        (tmp_path / f"mine.{split}.jsonl").write_text(json.dumps({"path": "a.wav", "label": "x"}))
    assert Dataset.load(tmp_path / "mine.train.jsonl").clips.split.tolist() == ["train", "test"]
    with pytest.raises(DataError, match=r"mine\.val\.jsonl is missing; the other splits of mine are there"):
        marble_records(tmp_path, "mine")
