"""The readers on real lists and annotations, without audio: published counts, every label, nothing lost in silence."""

import csv
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from miniatures import sound

from conftest import SHARED, needed
from layerscope.cli.entry_point import guarded
from layerscope.data.label_tables import ASIDE
from layerscope.data.splits import Part
from layerscope.errors import DataError
from layerscope.probes.frame_targets import plan_tracks
from layerscope.study.options import make_plan
from layerscope.study.study_tasks import load_tasks, refuse_leaks, tasks_left_out
from layerscope.targets.chords import CHORD_NAMES, chord_number
from layerscope.targets.key_names import is_key, key_name
from layerscope.tasks import TASKS
from layerscope.tasks.gtzan import annotated_clips, listed_clips
from layerscope.tasks.harmonix import annotated_songs, function_of
from layerscope.tasks.magnatagatune import annotated_clips as tagged_clips
from layerscope.tasks.nsynth import notes
from layerscope.tasks.vocalset import singers, techniques

#: Files of jazz whose beats have no positions in the bar.
WITHOUT_DOWNBEATS = {f"jazz.{number:05d}" for number in (3, 9, 10, 14, 18, 20)}


@pytest.fixture(scope="session")
def upstream():
    """Lists and annotations as published."""
    return needed(SHARED / "data" / "upstream")


@pytest.fixture
def gtzan(upstream, tmp_path):
    directory = tmp_path / "GTZAN"
    shutil.copytree(upstream / "gtzan_lists", directory)
    (directory / "gtzan_tempo_beat-main").mkdir()
    (directory / "gtzan_tempo_beat-main" / "beats").symlink_to(upstream / "gtzan_tempo_beat" / "beats")
    return directory


@pytest.fixture
def harmonix(upstream, tmp_path):
    directory = tmp_path / "Harmonix"
    directory.mkdir()
    (directory / "dataset").symlink_to(upstream / "harmonixset")
    return directory


def split_counts(records):
    return dict(Counter(record["split"] for record in records if ASIDE not in record))


def test_gtzan_has_the_published_counts(gtzan):
    records = listed_clips(gtzan, "paper")
    assert split_counts(records) == TASKS["gtzan-genre"].expected == {"train": 442, "valid": 197, "test": 290}
    assert len(records) == 930
    assert len({record["label"] for record in records}) == 10
    assert [record["path"] for record in records if ASIDE in record] == ["genres/jazz/jazz.00054.wav"]


def test_gtzan_beats_without_positions_are_beats(gtzan):
    records = annotated_clips(gtzan, "paper")
    assert split_counts(records) == TASKS["gtzan-beat"].expected
    labels = {record["path"].split("/")[-1].removesuffix(".wav"): record["label"] for record in records}
    without = {clip for clip, label in labels.items() if "downbeat" not in label}
    assert without == WITHOUT_DOWNBEATS
    assert labels["jazz.00003"]["beat"][:3] == [0.29, 1.08, 1.854]
    assert all(set(label.get("downbeat", [])) <= set(label["beat"]) for label in labels.values())


def test_tracks_without_downbeats_are_asked_about_and_neither_train_nor_choose(gtzan):
    chosen = [
        record
        for record in annotated_clips(gtzan, "paper")
        if Path(record["path"]).stem in WITHOUT_DOWNBEATS | {"blues.00000", "blues.00029"}
    ]
    for number, record in enumerate(chosen):
        sound(gtzan / record["path"], 1.0, 8_000, seed=number)
    dataset = TASKS["gtzan-beat"].load(gtzan.parent)
    labels = dataset.labels("label", "beats")
    split = dataset.clips.split.to_numpy()
    part = Part(*(np.flatnonzero(split == name) for name in ("train", "valid", "test")))
    tracks = plan_tracks(labels, [750] * len(split), [part])
    partial = [row for row, track in enumerate(labels.values) if not len(track.downbeats)]
    assert len(partial) == 6
    used = {name: set(tracks.clip[getattr(tracks.parts[0], name)]) for name in ("train", "valid")}
    assert used["train"] == set(part.train) - set(partial)
    assert used["valid"] == set(part.valid) - set(partial)
    # All of the frames of those that validate are asked about, so that their beats are scored.
    assert set(part.valid) <= set(tracks.clip)


def test_a_missing_annotation_sets_its_track_aside_and_counts_as_missing(gtzan):
    (gtzan / "gtzan_tempo_beat-main" / "beats").unlink()
    beats = gtzan / "gtzan_tempo_beat-main" / "beats"
    beats.mkdir()
    for name, text in {"blues_00029": "0.5 1\n1.0 2\n", "blues_00030": "0.5 1\nhalf 2\n"}.items():
        (beats / f"gtzan_{name}.beats").write_text(text)
        sound(gtzan / "genres" / "blues" / f"{name.replace('_', '.')}.wav", 1.0, 8_000)
    dataset = TASKS["gtzan-beat"].load(gtzan.parent)
    assert dataset.clips["clip"].tolist() == ["genres/blues/blues.00029.wav"]
    assert len(dataset.skipped) == 929
    assert "could not convert string to float" in dataset.skipped["genres/blues/blues.00030.wav"]
    assert "No such file" in dataset.skipped["genres/blues/blues.00031.wav"]
    assert dataset.skipped["genres/jazz/jazz.00054.wav"] == "its file is damaged in every copy"


def test_harmonix_reads_every_song_and_label(harmonix):
    records = annotated_songs(harmonix, "paper")
    assert len(records) == 912
    assert not any(ASIDE in record for record in records)
    functions = Counter(label for record in records for _, _, label in record["sections"])
    assert set(functions) == {"intro", "verse", "chorus", "bridge", "outro", "instrumental", "silence"}
    by_name = {record["path"].split("/")[1][:4]: record["sections"] for record in records}
    # Without a final 'end': the last section ends with the song.
    assert by_name["0539"][-1] == [223.050684, 246.004, "outro"]
    assert by_name["0603"][-1] == [247.427962, 248.148, "instrumental"]
    for record in records:
        for (_, end, _), (start, _, _) in zip(record["sections"], record["sections"][1:], strict=False):
            assert end == start


def test_harmonix_keeps_versions_of_a_song_together(harmonix, upstream):
    records = {record["path"].split("/")[1][:4]: record for record in annotated_songs(harmonix, "paper")}
    # Pairs that are the same recording, and remixes under other names.
    for one, other in (("0570", "0339"), ("0848", "0465"), ("0626", "0360"), ("0692", "0393"), ("0080", "0650"),
                       ("0057", "0628"), ("0327", "0328"), ("0087", "0658"), ("0539", "0993")):  # fmt: skip
        assert records[one]["group"] == records[other]["group"], (one, other)
    splits_of = {}
    for record in records.values():
        splits_of.setdefault(record["group"], set()).add(record["split"])
    assert all(len(splits) == 1 for splits in splits_of.values())
    with (upstream / "harmonixset" / "metadata.csv").open(encoding="utf-8", newline="") as file:
        titles = Counter((row["Title"], row["Artist"]) for row in csv.DictReader(file))
    assert len(splits_of) < len(titles) < 912
    shares = np.array([split_counts(records.values())[name] for name in ("train", "valid", "test")]) / 912
    np.testing.assert_allclose(shares, [0.7, 0.1, 0.2], atol=0.03)


def test_harmonix_labels_follow_the_published_algorithm():
    """Algorithm 1 of Wang et al. 2022, on raw labels where substrings compete."""
    assert {label: function_of(label) for label in (
        "introchorus", "introverse", "section9", "slow2", "stutter", "prechorus5", "postchorus2", "instrumentalverse",
        "chorus_instrumental", "instbridge", "transition2a", "vocaloutro", "instintro", "breakdown2", "worstthingever",
    )} == {
        "introchorus": "chorus", "introverse": "verse", "section9": "verse", "slow2": "verse", "stutter": "chorus",
        "prechorus5": "verse", "postchorus2": "chorus", "instrumentalverse": "verse", "chorus_instrumental": "chorus",
        "instbridge": "bridge", "transition2a": "bridge", "vocaloutro": "outro", "instintro": "intro",
        "breakdown2": "instrumental", "worstthingever": "instrumental",
    }  # fmt: skip


def test_giantsteps_keys_parse(upstream):
    cells = [path.read_text().strip() for path in sorted((upstream / "giantsteps" / "key").glob("*.key"))]
    assert len(cells) == 604
    assert len({key_name(cell.replace("\t", " ")) for cell in cells}) <= 24


def test_giantsteps_trains_on_the_songs_whose_key_was_sure(upstream):
    """Their number is that of MARBLE's tables, which are read as they are: 923 to train and 236 to validate."""
    lines = (upstream / "giantsteps" / "mtg_annotations.txt").read_text().splitlines()[1:]
    keys = [key.strip() for _, key, confidence in (line.split("\t") for line in lines) if confidence.strip() == "2"]
    assert sum(is_key(key) for key in keys) == 923 + 236
    # The others name two keys.
    assert all("/" in key for key in keys if not is_key(key))


#: Real names of notes; the instrument is all before the pitch.
NOTES = {
    "train": ("bass_acoustic_000-060-100", "mallet_acoustic_062-118-025", "flute_synthetic_000-077-100"),
    "valid": ("guitar_acoustic_010-079-025", "guitar_acoustic_010-055-025", "string_acoustic_080-053-100",
              "brass_acoustic_006-031-050"),
    "test": ("guitar_acoustic_010-066-100", "string_acoustic_080-047-075", "keyboard_electronic_001-021-127",
             "bass_synthetic_068-049-025", "vocal_synthetic_003-088-025"),
}  # fmt: skip


@pytest.fixture
def nsynth(tmp_path):
    instruments = [f"organ_electronic_{number:03d}-0{40 + number}-050" for number in range(30)]
    for split, names in {**NOTES, "train": [*NOTES["train"], *instruments]}.items():
        examples = {}
        for number, name in enumerate(names):
            path = tmp_path / "NSynth" / f"nsynth-{split}" / "audio" / f"{name}.wav"
            sound(path, 0.2, 16_000, pitch=100 + 9 * number, seed=sum(map(ord, split)))
            instrument, pitch, _ = name.rsplit("-", 2)
            examples[name] = {"instrument_str": instrument, "pitch": int(pitch),
                              "instrument_family_str": instrument.partition("_")[0]}  # fmt: skip
        (tmp_path / "NSynth" / f"nsynth-{split}" / "examples.json").write_text(json.dumps(examples))
    return tmp_path


def test_nsynth_stands_as_published_and_is_mended(nsynth, capsys):
    plan = {"task": ["nsynth-pitch"], "root": nsynth, "baseline": ["mel"]}
    paper = load_tasks(make_plan({**plan, "preset": "paper"}, "test"))[0]
    assert paper.dataset.clips.split.value_counts().to_dict() == {"train": 33, "test": 5, "valid": 4}
    assert refuse_leaks(paper.dataset.clips, allow=paper.published) == [
        "group 'guitar_acoustic_010' is in valid and test", "group 'string_acoustic_080' is in valid and test",
    ]  # fmt: skip
    assert "instruments" in paper.shared
    asked = ["--task", "nsynth-pitch", "--root", str(nsynth), "--baseline", "mel", "--probe", "closed"]
    assert guarded(["check", *asked, "--preset", "paper"]) == 0
    assert "leak, as published: group 'guitar_acoustic_010' is in valid and test" in capsys.readouterr().out
    robust = load_tasks(make_plan(plan, "test"))[0]
    assert refuse_leaks(robust.dataset.clips, allow=robust.published) == []
    assert robust.shared == ""
    assert len(robust.dataset.clips) + len(robust.dataset.skipped) == 42
    assert sum("with a clip that is tested" in reason for reason in robust.dataset.skipped.values()) == 3
    assert set(robust.dataset.clips.split) == {"train", "valid", "test"}
    # Pitches are in the order of numbers, not of text.
    names = [int(name) for name in paper.labels().names]
    assert names == sorted(names)
    assert notes(nsynth / "NSynth", "robust")[0]["pitch"] == 60


def test_mtt_sets_aside_the_three_damaged_clips_and_no_other(tmp_path):
    """Identifiers 35644, 55753 and 57881 stand in rows 16250, 24867 and 25546, which were mistaken for them."""
    lines = ["clip_id\tguitar\tmp3_path"]
    for identifier in (35644, 55753, 57881, 16250, 24867, 25546):
        lines.append(f"{identifier}\t1\tf/artist-{identifier}.mp3")
    (tmp_path / "annotations_final.csv").write_text("\n".join(lines) + "\n")
    aside = [record["path"] for record in tagged_clips(tmp_path, "paper") if ASIDE in record]
    assert aside == [f"mp3/f/artist-{identifier}.mp3" for identifier in (35644, 55753, 57881)]


#: Recordings that are named after no singer → who sings, and the folder of the technique where it is told.
NAMELESS = {
    "female2/arpeggios/lip_trill/lip_trill_arps.wav": "f2",
    "female2/scales/vocal_fry/scales_vocal_fry.wav": "f2",
    "female4/arpeggios/straight/arpeggios_straight_a.wav": "f4",
    "female4/scales/straight/scales_straight_u.wav": "f4",
    "female9/arpeggios/fast_forte/arps_fast_piano_c.wav": "f9",
    "male3/scales/lip_trill/scales_lip_trill.wav": "m3",
    "male8/excerpts/straight/row_straight.wav": "m8",
    "male10/scales/fast_piano/scales_c_fast_piano_a.wav": "m10",
}


def test_vocalset_loses_no_recording(tmp_path):
    vibrato = "female2/scales/vibrato/f2_scales_vibrato_a"
    for number, path in enumerate([*NAMELESS, f"{vibrato}.wav", f"{vibrato}(1).wav"]):
        sound(tmp_path / "FULL" / path, 1.0, 8_000, seed=number)
    (tmp_path / "FULL" / "male1" / "scales" / "belt").mkdir(parents=True)
    (tmp_path / "FULL" / "male1" / "scales" / "belt" / "m1_scales_belt_a.wav").touch()
    records = singers(tmp_path, "paper")
    heard = {record["path"].removeprefix("FULL/"): record["singer"] for record in records if ASIDE not in record}
    assert heard == {**NAMELESS, f"{vibrato}.wav": "f2"}
    aside = {record["path"].rsplit("/", 1)[1]: record[ASIDE] for record in records if ASIDE in record}
    assert aside["f2_scales_vibrato_a(1).wav"] == "a copy of another recording"
    assert "empty (0 bytes)" in aside["m1_scales_belt_a.wav"]
    of_technique = techniques(tmp_path, "paper")
    assert {record["path"] for record in of_technique} == {record["path"] for record in records}
    assert sum("none of the ten techniques" in record.get(ASIDE, "") for record in of_technique) == 2


@pytest.mark.parametrize(
    ("labels", "function"),
    [(["chorus"], "chorus"), (["solo"], "inst"), (["pre-chorus", "chorus"], "chorus"),
     (["verse", "pre-chorus"], "verse"),
     (["intro", "verse"], "verse"), (["intro", "chorus"], "chorus"), (["theme"], None), (["chorus", "outro"], None)],
)  # fmt: skip
def test_hooktheory_labels_count_as_in_marble(tmp_path, labels, function):
    directory = tmp_path / "HookTheory"
    for split in ("train", "val", "test"):
        record = {"audio_path": f"data/HookTheory/hooktheory_clips/{split}.mp3", "label": labels, "ori_uid": split}
        directory.mkdir(exist_ok=True)
        (directory / f"HookTheoryStructure.{split}.jsonl").write_text(json.dumps(record))
    for record in TASKS["hooktheory-structure"].read_records(directory, "paper"):
        assert record.get("label") == function if function else ASIDE in record


def tables(directory, stem, records):
    """Write records as one of MARBLE v2's tables, all of them in each split."""
    directory.mkdir()
    for split in ("train", "val", "test"):
        (directory / f"{stem}.{split}.jsonl").write_text("\n".join(map(json.dumps, records)))


def test_clips_of_hooktheory_that_marble_leaves_out_are_set_aside_in_paper_alone(tmp_path):
    clips = {"D major": 10.68, "Eb minor": 12.0, "G major": 40.0}
    records = [{"audio_path": f"data/HookTheory/hooktheory_clips/{key}.mp3", "label": key, "duration": seconds}
               for key, seconds in clips.items()]  # fmt: skip
    tables(tmp_path / "HookTheory", "HookTheoryKey", records)
    aside = {
        preset: {record["label"] for record in TASKS["hooktheory-key"].read_records(tmp_path / "HookTheory", preset)
                 if ASIDE in record}
        for preset in ("paper", "robust")
    }  # fmt: skip
    assert aside == {"paper": {"D major"}, "robust": set()}


#: Chord of MARBLE's example record and its like → its class in MARBLE v2, and in mir_eval's majmin.
COUNTED = {
    "E:maj": ("E:maj", "E:maj"), "N": ("N", "N"), "D:maj/2": ("D:maj", None), "X": ("N", None),
    "A:min7/b3": ("A:min", "A:min"), "F#:maj(b3)": (None, None), "B:min/4": ("B:min", None), "G:sus4": (None, None),
}  # fmt: skip


def test_chords_count_as_published_in_paper_and_as_majmin_in_robust(tmp_path):
    spans = [{"start_time": float(place), "end_time": place + 1.0, "chord_str": chord}
             for place, chord in enumerate(COUNTED)]  # fmt: skip
    labels = {"a": spans, "b": [{"start_time": 0.0, "chord_str": "H:what"}]}
    records = [{"audio_path": f"data/Chords1217/audio/{name}.flac", "label": label} for name, label in labels.items()]
    tables(tmp_path / "Chords1217", "Chords1217", records)
    for place, preset in enumerate(("paper", "robust")):
        read, unreadable = TASKS["chords1217"].read_records(tmp_path / "Chords1217", preset)[:2]
        numbers = [chord_number(span["chord_str"]) for span in read["label"]]
        assert [CHORD_NAMES[number].replace("Gb", "F#") if number >= 0 else None for number in numbers] == [
            counted[place] for counted in COUNTED.values()
        ]
        assert unreadable["label"] == labels["b"]


def test_absent_data_sets_are_named_together_and_the_others_run(gtzan):
    for path in ("blues/blues.00029", "blues/blues.00000", "blues/blues.00012"):
        sound(gtzan / "genres" / f"{path}.wav", 1.0, 8_000, seed=int(path[-2:]))
    asked = {"task": ["gtzan-genre", "emo", "mtt"], "root": gtzan.parent, "baseline": ["mel"]}
    with pytest.raises(
        DataError, match=r"2 of 3 tasks cannot be run; --partial runs the others: gtzan-genre\n  emo: .*\n  mtt"
    ):
        load_tasks(make_plan(asked, "test"))
    plan = make_plan({**asked, "partial": True}, "test")
    tasks = load_tasks(plan)
    assert [task.name for task in tasks] == ["gtzan-genre"]
    assert tasks_left_out(plan, tasks) == "Not run, as their data are not there (--partial): emo, mtt."
    with pytest.raises(DataError, match=r"3 of 3 tasks cannot be run; nothing is left"):
        load_tasks(make_plan({**asked, "partial": True, "strict": True}, "test"))


def test_an_empty_file_counts_as_missing(gtzan):
    (gtzan / "genres" / "blues").mkdir(parents=True)
    (gtzan / "genres" / "blues" / "blues.00029.wav").touch()
    sound(gtzan / "genres" / "blues" / "blues.00030.wav", 1.0, 8_000)
    dataset = TASKS["gtzan-genre"].load(gtzan.parent)
    assert len(dataset.clips) == 1
    assert dataset.skipped["genres/blues/blues.00029.wav"].endswith("blues.00029.wav: the file is empty (0 bytes)")


def test_one_bad_annotation_sets_its_track_aside(harmonix, monkeypatch):
    for number in range(1, 8):
        path = next(iter((harmonix / "dataset" / "segments").glob(f"{number:04d}_*")), None)
        if path:
            sound(harmonix / "audio" / f"{path.stem}.wav", 300.0, 1_000, seed=number)
    read = annotated_songs(harmonix, "paper")
    read[0]["sections"][0][1] = -1.0
    task = replace(TASKS["harmonix-structure"], read=lambda *_: read)
    monkeypatch.setitem(TASKS, "harmonix-structure", task)
    dataset = load_tasks(make_plan({"task": [task.name], "root": harmonix.parent, "baseline": ["mel"]}, "test"))[
        0
    ].dataset
    assert "runs backwards" in dataset.skipped[read[0]["path"]]
