"""Every data set's layout in miniature: the right names, fields and spellings, with audio that is made here."""

import json

import numpy as np
import soundfile

SPLITS = ("train", "val", "test")


def sound(path, seconds=1.0, rate=22_050, pitch=220.0, seed=0):
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {"format": "MP3"} if path.suffix == ".mp3" else {}
    soundfile.write(path, 0.4 * np.sin(2 * np.pi * pitch * time) + 0.05 * random.normal(size=len(time)), rate, **kind)


def common(seconds, rate=22_050):
    return {
        "duration": seconds,
        "sample_rate": rate,
        "num_samples": int(seconds * rate),
        "bit_depth": 16,
        "channels": 1,
    }


def marble(root, folder, stem, rows):
    """Write MARBLE v2's tables: rows of (split, path, label, extra), and their audio."""
    files = {split: [] for split in SPLITS}
    for number, (split, path, label, seconds, extra) in enumerate(rows):
        sound(root / path.removeprefix("data/"), seconds, pitch=150 + 40 * number, seed=number)
        files[split].append(json.dumps({"audio_path": path, "label": label, **extra, **common(seconds)}))
    for split, lines in files.items():
        (root / folder / f"{stem}.{split}.jsonl").write_text("\n".join(lines) + "\n")


def split_of(number, count):
    return "train" if number < 0.6 * count else "val" if number < 0.8 * count else "test"


def labelled(folder, stem, labels, path, seconds=1.0, copies=5, extra=lambda _: {}):
    """Return a builder whose every split holds every label."""

    def build(root):
        rows = []
        for copy in range(copies):
            for place, label in enumerate(labels):
                number = copy * len(labels) + place
                rows.append((split_of(copy, copies), path.format(number, label=label), label, seconds, extra(number)))
        marble(root, folder, stem, rows)

    return build


def beats_label(number, seconds=6.0):
    beats = np.round(np.arange(0.3 + 0.01 * number, seconds, 0.5), 3).tolist()
    return {"beat": beats, "downbeat": beats[::4], "tempo": 120.0, "meter": "4/4"}


def gtzan_beats(root):
    rows = [(split_of(n, 10), f"data/GTZAN/genres/blues/blues.{n:05d}.wav", beats_label(n), 6.0, {}) for n in range(10)]
    marble(root, "GTZAN", "GTZANBeatTracking", rows)


def gtzan_lists(root):
    """The published lists, ``genres/`` and GTZAN-Rhythm; the damaged file is on the list and on disk."""
    folder = root / "GTZAN"
    lists = {"train": [], "valid": [], "test": []}
    for number in range(10):
        for genre in ("blues", "jazz"):
            name = f"{genre}/{genre}.{number:05d}.wav"
            sound(folder / "genres" / name, 6.0, pitch=200 + 300 * (genre == "jazz") + number, seed=number)
            lists[{"val": "valid"}.get(split_of(number, 10), split_of(number, 10))].append(name)
            beats = beats_label(number)["beat"]
            path = folder / "gtzan_tempo_beat-main" / "beats" / f"gtzan_{genre}_{number:05d}.beats"
            path.parent.mkdir(parents=True, exist_ok=True)
            # As in six files of jazz, some hold beats without positions.
            positions = "" if (genre, number % 4) == ("jazz", 3) else "\t{}"
            path.write_text("".join(f"{time}{positions.format(n % 4 + 1)}\n" for n, time in enumerate(beats)))
    lists["train"].append("jazz/jazz.00054.wav")
    (folder / "genres" / "jazz" / "jazz.00054.wav").write_bytes(b"damaged")
    for name, lines in lists.items():
        (folder / f"{name}_filtered.txt").write_text("\n".join(lines) + "\n")


def nsynth(root):
    families = ("bass", "brass", "flute")
    for split in ("train", "valid", "test"):
        notes = {}
        for number in range(9):
            family, pitch = families[number % 3], 60 + number // 3
            # Official validation and test share instruments.
            serial = number if split == "train" else 90 + (split == "test") * (family == "brass")
            instrument = f"{family}_acoustic_{serial:03d}"
            name = f"{instrument}-{pitch:03d}-100"
            notes[name] = {"note": number, "note_str": name, "instrument_str": instrument, "pitch": pitch,
                           "velocity": 100, "sample_rate": 16_000, "instrument_family": number % 3,
                           "instrument_family_str": family, "instrument_source_str": "acoustic",
                           "qualities_str": []}  # fmt: skip
            path = root / "NSynth" / f"nsynth-{split}" / "audio" / f"{name}.wav"
            sound(
                path,
                4.0,
                16_000,
                440 * 2 ** ((pitch - 69) / 12),
                seed=number + 10 * ["train", "valid", "test"].index(split),
            )
        (root / "NSynth" / f"nsynth-{split}" / "examples.json").write_text(json.dumps(notes))


def vocalset(root):
    for number, singer in enumerate(["f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4"]):
        person = f"{'female' if singer[0] == 'f' else 'male'}{singer[1:]}"
        for place, technique in enumerate(("belt", "vibrato", "vocal_fry")):
            for vowel in "aeiou":
                name = f"{singer}_arpeggios_{technique}_c_{vowel}.wav"
                path = root / "VocalSet" / "FULL" / person / "arpeggios" / technique / name
                # 7 s are two pieces of 3 s and a rest of a third of one: kept for singers, dropped for techniques.
                sound(path, 7.2, 8_000, 150 + 60 * number + 20 * place, seed=number * 100 + place * 10 + ord(vowel))
    # 28 recordings are named after no singer, and one is there twice.
    sound(root / "VocalSet" / "FULL" / "female4" / "scales" / "straight" / "scales_straight_a.wav", 7.2, 8_000, seed=7)
    doubled = root / "VocalSet" / "FULL" / "female2" / "scales" / "vibrato" / "f2_scales_vibrato_a.wav"
    sound(doubled, 7.2, 8_000, seed=8)
    doubled.with_name("f2_scales_vibrato_a(1).wav").write_bytes(doubled.read_bytes())


def magnatagatune(root):
    tags = [f"tag{number}" for number in range(60)]
    lines = ["\t".join(["clip_id", *tags, "mp3_path"])]
    random = np.random.default_rng(0)
    for number, letter in enumerate("0123456789abcdef" * 2):
        path = f"{letter}/artist-{number}-song-0-29.mp3"
        has = ["1" if random.random() < (0.7 if place < 50 else 0.1) else "0" for place in range(60)]
        identifier = "35644" if number == 3 else str(16_250 + number)
        sound(root / "MTT" / "mp3" / path, 1.0, 16_000, 200 + 20 * number, seed=number)
        lines.append("\t".join([identifier, *has, path]))
    (root / "MTT" / "annotations_final.csv").write_text("\n".join(lines) + "\n")


def jamendo(subset, prefix):
    """The set's own split-0 lists and ``audio/NN/ID.low.mp3``; tags follow the fifth column."""

    def build(root):
        folder = root / "MTG" / "data" / "splits" / "split-0"
        folder.mkdir(parents=True, exist_ok=True)
        for place, split in enumerate(("train", "validation", "test")):
            lines = ["TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"]
            for number in range(6):
                track = 100 * place + number
                path = f"{track % 100:02d}/{track}.mp3"
                tags = [f"{prefix}---a"] * (number % 2 == 0) + [f"{prefix}---b"] * (number % 3 == 0 or number % 2 == 1)
                artist = f"artist_{100 * place + number // 2:06d}"
                lines.append("\t".join([f"track_{track:07d}", artist, "album_000001", path, "212.7", *tags]))
                sound(
                    root / "MTG" / "audio" / path.replace(".mp3", ".low.mp3"), 1.5, 44_100, 200 + 7 * track, seed=track
                )
            (folder / f"autotagging_{subset}-{split}.tsv").write_text("\n".join(lines) + "\n")

    return build


def harmonix(root):
    segments = root / "Harmonix" / "dataset" / "segments"
    segments.mkdir(parents=True)
    songs = ["File,Title,Artist,Release,Duration"]
    for number in range(1, 25):
        name = f"{number:04d}_song{number}"
        end = "" if number == 5 else "8.0 end\n"
        (segments / f"{name}.txt").write_text(f"0.0 intro\n2.5 verse1\n5.0 chorus\n7.5 bigoutro\n{end}")
        # The last two are versions of the first two.
        title, artist = (
            (f"Song {number - 20} (radio edit)", "Ann feat. Bob") if number in (21, 22) else (f"Song {number}", "Ann")
        )
        songs.append(f'{name},"{title}",{artist},Album,8.2')
        if number != 24:  # one song that the user does not have
            sound(root / "Harmonix" / "audio" / f"{name}.mp3", 8.0, 22_050, 200 + 20 * number, seed=number)
    (segments.parent / "metadata.csv").write_text("\n".join(songs) + "\n")


def chords_label(number):
    names = ["N", "C:maj", "A:min7", "G:7", "F:sus4", "D:maj/2", "X"]
    return [{"start_time": float(place), "end_time": place + 1.0, "chord_str": names[(place + number) % len(names)]}
            for place in range(6)]  # fmt: skip


def chords(root):
    rows = [(split_of(n, 10), f"data/Chords1217/audio/TRW{n:05d}.flac", chords_label(n), 6.0, {}) for n in range(10)]
    marble(root, "Chords1217", "Chords1217", rows)


GENRES = ["blues", "classical", "country"]
KEYS = ["Eb minor", "C major", "Gb major"]
MOODS = [[-0.2569, 0.2599], [0.5, 0.1], [1.2, -0.4]]
TAGS = [["classical", "violin"], ["rock"], ["rock", "violin"]]
JAMENDO_TAGS = [["genre---rock"], ["genre---jazz", "genre---swing"], ["genre---swing"]]
SECTIONS = [["chorus"], ["verse"], ["pre-chorus", "chorus"], ["intro", "verse"]]

#: (task, layout) → who builds it
MINIATURES = {
    ("gtzan-genre", "marble"): labelled("GTZAN", "GTZANGenre", GENRES, "data/GTZAN/genres/{label}/{label}.{:05d}.wav"),
    ("gtzan-genre", "lists"): gtzan_lists,
    ("gtzan-beat", "marble"): gtzan_beats,
    ("gtzan-beat", "lists"): gtzan_lists,
    ("gs-key", "marble"): labelled(
        "GS", "GS", KEYS, "data/GS/giantsteps_clips/wav/{:07d}-0.wav", extra=lambda n: {"ori_uid": f"{n:07d}"}
    ),
    ("emo", "marble"): labelled("EMO", "EMO", MOODS, "data/EMO/emomusic/wav/{:04d}.wav"),
    ("nsynth-pitch", "official"): nsynth,
    ("nsynth-instrument", "official"): nsynth,
    ("vocalset-singer", "official"): vocalset,
    ("vocalset-technique", "official"): vocalset,
    ("mtt", "marble"): labelled("MTT", "MTT", TAGS, "data/MTT/mp3/0/artist-{}-117-146.mp3"),
    ("mtt", "official"): magnatagatune,
    ("mtg-genre", "official"): jamendo("genre", "genre"),
    ("mtg-genre", "marble"): labelled("MTG", "MTGGenre", JAMENDO_TAGS, "data/MTG/audio/41/{}.low.flac"),
    ("mtg-instrument", "official"): jamendo("instrument", "instrument"),
    ("mtg-mood", "official"): jamendo("moodtheme", "mood/theme"),
    ("mtg-top50", "official"): jamendo("top50tags", "instrument"),
    ("harmonix-structure", "official"): harmonix,
    ("hooktheory-key", "marble"): labelled(
        "HookTheory", "HookTheoryKey", [*KEYS, "D dorian"], "data/HookTheory/hooktheory_clips/{}.mp3", seconds=12.2,
        extra=lambda n: {"ori_uid": f"song{n}"},
    ),
    ("hooktheory-structure", "marble"): labelled(
        "HookTheory", "HookTheoryStructure", [*SECTIONS, ["theme"]], "data/HookTheory/hooktheory_clips/{}.mp3",
        extra=lambda n: {"ori_uid": f"song{n}", "segment_start": 0.0, "segment_end": 1.0},
    ),
    ("chords1217", "marble"): chords,
}  # fmt: skip
