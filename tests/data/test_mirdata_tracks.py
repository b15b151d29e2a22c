"""Real tracks in the layout of mirdata's loaders, with an index of them: what each loader knows becomes a target."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from layerscope import Dataset
from layerscope.errors import DataError, UsageError
from layerscope.study.options import make_plan, read_plan

mirdata = pytest.importorskip("mirdata")
FIXTURES = Path(os.environ.get("LAYERSCOPE_FIXTURES", Path(__file__).parents[3] / "shared" / "data" / "fixtures"))
pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"{FIXTURES} is not there")

SONG = "10089 Jason Sparks - Close My Eyes feat. J. Little (Original Mix)"
SECRET = "The Beatles/01_-_Please_Please_Me/11_-_Do_You_Want_To_Know_A_Secret"
TEMPO = "giantsteps-tempo-dataset-0b7d47ba8cae59d3535a02e3db69e2cf6d0af5bb"
RECITAL = "MIDI-Unprocessed_Chamber3_MID--AUDIO_10_R3_2018_wav--1"
FLUTE = "d07b1fc0-567d-52c2-fef4-239f31c9d40e"
SALAMI = "salami-data-public-hierarchy-corrections/annotations/2/parsed"
#: Of a track of each data set: where its files lie, as mirdata's index says it.
TRACKS = {
    "giantsteps_key": {"key": f"keys_gs+/{SONG}.txt", "meta": f"meta/{SONG}.json", "audio": f"audio/{SONG}.mp3"},
    "giantsteps_tempo": {"audio": "audio/28952.LOFI.mp3", "annotation_v1": f"{TEMPO}/annotations/jams/28952.LOFI.jams",
                         "annotation_v2": f"{TEMPO}/annotations_v2/jams/28952.LOFI.jams"},
    "gtzan_genre": {"audio": "gtzan_genre/genres/country/country.00000.wav",
                    "beats": "gtzan_tempo_beat-main/beats/gtzan_country_00000.beats",
                    "tempo": "gtzan_tempo_beat-main/tempo/gtzan_country_00000.bpm"},
    "ballroom": {"audio": "B_1.0/audio/Waltz/Media-105901.wav", "beats": "B_1.0/annotations/beats/Media-105901.beats",
                 "tempo": "B_1.0/annotations/tempo/Media-105901.bpm"},
    "beatles": {"audio": "audio/01_-_Please_Please_Me/11_-_Do_You_Want_To_Know_A_Secret.wav",
                "beat": f"annotations/beat/{SECRET}.txt", "chords": f"annotations/chordlab/{SECRET}.lab",
                "keys": f"annotations/keylab/{SECRET}.lab", "sections": f"annotations/seglab/{SECRET}.lab"},
    "salami": {"audio": "audio/2.mp3", **{f"annotator_{number}_{level}": f"{SALAMI}/textfile{number}_{level}.txt"
                                          for number in (1, 2) for level in ("uppercase", "lowercase")}},
    "mtg_jamendo_autotagging_moodtheme": {"audio": "audios/48/948.mp3"},
    "vocadito": {"audio": "Audio/vocadito_1.wav", "f0": "Annotations/F0/vocadito_1_f0.csv",
                 "lyrics": "Annotations/Lyrics/vocadito_1_lyrics.txt",
                 "notesA1": "Annotations/Notes/vocadito_1_notesA1.csv",
                 "notesA2": "Annotations/Notes/vocadito_1_notesA2.csv"},
    "guitarset": {"jams": "annotation/03_BN3-119-G_solo.jams",
                  "audio_hex_cln": "audio_hex-pickup_debleeded/03_BN3-119-G_solo_hex_cln.wav",
                  "audio_hex": "audio_hex-pickup_original/03_BN3-119-G_solo_hex.wav",
                  "audio_mic": "audio_mono-mic/03_BN3-119-G_solo_mic.wav",
                  "audio_mix": "audio_mono-pickup_mix/03_BN3-119-G_solo_mix.wav"},
    "irmas": {"audio": "IRMAS-TrainingData/cla/[cla][cla]0189__2.wav",
              "annotation": "IRMAS-TrainingData/cla/[cla][cla]0189__2.wav"},
    "maestro": {"audio": f"2018/{RECITAL}.wav", "midi": f"2018/{RECITAL}.midi"},
    "medley_solos_db": {"audio": f"audio/Medley-solos-DB_validation-3_{FLUTE}.wav"},
    "openmic2018": {"audio": "audio/000/000046_3840.ogg", "vggish": "vggish/000/000046_3840.json"},
    "tinysol": {"audio": "audio/Strings/Contrabass/ordinario/Cb-ord-A2-mf-2c-N.wav"},
}  # fmt: skip
IDENTITIES = {"salami": "2", "mtg_jamendo_autotagging_moodtheme": "track_0000948", "gtzan_genre": "country.00000",
              "vocadito": "1", "giantsteps_key": "3", "ballroom": "Media-105901", "guitarset": "03_BN3-119-G_solo",
              "maestro": f"2018/{RECITAL}", "medley_solos_db": FLUTE}  # fmt: skip
#: Loaders that need what they say of every track.
OF_ONE_TRACK = ("salami", "mtg_jamendo_autotagging_moodtheme", "vocadito", "tinysol", "guitarset", "irmas", "maestro",
                "medley_solos_db", "openmic2018")  # fmt: skip


def track_name(name):
    return IDENTITIES.get(name) or Path(TRACKS[name]["audio"]).stem


@pytest.fixture
def home(tmp_path, request):
    """A copy of a data set's directory, by links, with an index of one track, and of one whose audio is absent."""
    name = request.param
    for entry in (FIXTURES / name).iterdir():
        (tmp_path / entry.name).symlink_to(entry)
    files = {key: [path, None] for key, path in TRACKS[name].items()}
    tracks = {track_name(name): files, f"{track_name(name)}-2": {**files, "audio": ["nowhere.wav", None]}}
    index = Path(mirdata.initialize(name, data_home=str(tmp_path)).index_path).name
    (tmp_path / index).write_text(json.dumps({"version": "x", "tracks": {track_name(name): files}}))
    if name not in OF_ONE_TRACK:
        (tmp_path / index).write_text(json.dumps({"version": "x", "tracks": tracks}))
    return tmp_path


@pytest.mark.parametrize(
    ("home", "target", "kind", "label"),
    [
        ("giantsteps_key", "key", "key", "D major"),
        ("giantsteps_key", "genres", "tags", None),
        ("giantsteps_tempo", "tempo", "values", None),
        ("gtzan_genre", "genre", "classes", "country"),
        ("gtzan_genre", "beats", "beats", None),
        ("ballroom", "beats", "beats", None),
        ("ballroom", "tempo", "values", None),
        ("beatles", "chords", "chords", None),
        ("beatles", "sections", "segments", None),
        ("beatles", "beats", "beats", None),
        ("beatles", "key", "key", "E major"),
        ("salami", "sections_uppercase", "segments", None),
        ("mtg_jamendo_autotagging_moodtheme", "tags", "tags", None),
        ("vocadito", "language", "classes", "Tagalog"),
        ("tinysol", "instrument_full", "classes", "Contrabass"),
        ("guitarset", "leadsheet_chords", "chords", None),
        ("guitarset", "key_mode", "key", "G major"),
        ("guitarset", "beats", "beats", None),
        ("irmas", "instrument", "tags", None),
        ("irmas", "predominant_instrument", "classes", "cla"),
        ("vocadito", "f0", "melody", None),
        ("vocadito", "notes_a1", "notes", None),
        ("maestro", "notes", "notes", None),
        ("maestro", "canonical_composer", "classes", "Alban Berg"),
        ("medley_solos_db", "instrument", "classes", "flute"),
        ("openmic2018", "genres", "tags", None),
    ],
    indirect=["home"],
)
def test_what_a_loader_knows_is_a_target(home, target, kind, label, request):
    name = request.node.callspec.params["home"]
    dataset = Dataset.load(f"mirdata:{name}", home, [target])
    assert dataset.name == name
    assert len(dataset.clips) == 1
    assert list(dataset.skipped) in ([], ["nowhere.wav"])
    # Of a single track a whole number might as well be the name of a class.
    labels = dataset.with_target(target, kind if kind == "values" else None).labels(target, kind)
    assert labels.kind.name == kind
    if kind in ("classes", "key"):
        assert labels.names[labels.values[0]] == label
    assert len(labels.values) == 1


@pytest.mark.parametrize(
    ("home", "split"),
    [("openmic2018", "train"), ("medley_solos_db", "valid"), ("maestro", "train"), ("irmas", "train")],
    indirect=["home"],
)
def test_splits_are_those_of_the_data_set(home, split, request):
    dataset = Dataset.load(f"mirdata:{request.node.callspec.params['home']}", home)
    assert dataset.clips.split.tolist() == [split]


def test_a_track_whose_audio_nobody_may_share_is_named(tmp_path):
    """Of Groove the fixtures have the notes alone."""
    take = "drummer1/eval_session/1"
    (tmp_path / "info.csv").symlink_to(FIXTURES / "groove_midi" / "info.csv")
    files = {"midi": ["drummer1/eval_session/1_funk-groove1_138_beat_4-4.mid", None], "audio": [None, None]}
    index = Path(mirdata.initialize("groove_midi", data_home=str(tmp_path)).index_path).name
    (tmp_path / index).write_text(json.dumps({"version": "x", "tracks": {take: files}}))
    with pytest.raises(DataError, match="no usable row; mirdata names no one audio file of this track"):
        Dataset.load("mirdata:groove_midi", tmp_path, ["style"])


@pytest.mark.parametrize("home", ["mtg_jamendo_autotagging_moodtheme", "vocadito"], indirect=True)
def test_who_plays_is_a_group(home):
    name = "vocadito" if (home / "vocadito_metadata.csv").exists() else "mtg_jamendo_autotagging_moodtheme"
    group = Dataset.load(f"mirdata:{name}", home).clips.group.iloc[0]
    assert group == {"vocadito": "S1", "mtg_jamendo_autotagging_moodtheme": "artist_000087"}[name]


@pytest.mark.parametrize("home", ["beatles"], indirect=True)
def test_a_target_that_there_is_not_is_named_with_those_that_there_are(home):
    with pytest.raises(UsageError, match="unknown target 'mood'; known: beats, chords, key, sections"):
        Dataset.load("mirdata:beatles", home, ["mood"])


def test_a_study_names_it_by_itself_from_every_directory(tmp_path):
    plan = make_plan({"data": "mirdata:beatles", "root": str(tmp_path), "target": "key", "baseline": ["mel"]}, "test")
    assert str(plan.data) == "mirdata:beatles"
    (tmp_path / "study.toml").write_text('data = "mirdata:beatles"\nbaseline = ["mel"]\n')
    assert str(read_plan(tmp_path / "study.toml").data) == "mirdata:beatles"


def test_what_is_not_there_is_named_with_the_way_to_get_it(tmp_path):
    with pytest.raises(UsageError, match="unknown data set of mirdata 'beatle'; did you mean 'beatles'"):
        Dataset.load("mirdata:beatle", tmp_path)
    with pytest.raises(DataError, match=r"nowhere does not exist; say where beatles lies with --root, or get it:"):
        Dataset.load("mirdata:beatles", tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"mirdata's index beatles_index_1\.2\.json is neither in .* nor in .*'index'"):
        Dataset.load("mirdata:beatles", tmp_path)


def rewritten(home, change):
    """Write the index anew: its track, and a second one."""
    index = next(home.glob("*_index_*.json"))
    tracks = json.loads(index.read_text())["tracks"]
    name = next(iter(tracks))
    index.write_text(json.dumps({"version": "x", "tracks": change(name, tracks[name])}))


@pytest.mark.parametrize("home", ["giantsteps_key"], indirect=True)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": ["no.txt", None]}, r"'key': mirdata cannot read it \(FileNotFoundError"),
        ({"key": ["audio", None]}, r"'key': mirdata cannot read it \(IsADirectoryError"),
        ({"audio": [None, None]}, r"mirdata makes no track of it \(AttributeError"),
        ({"audio": ["audio", None]}, "'path' audio is no file"),
        ({"key": None}, r"mirdata makes no track of it \(TypeError: .*\): an index of another version\?"),
    ],
)
def test_a_track_whose_files_are_not_there_is_set_aside_alone(home, changes, words):
    rewritten(home, lambda name, files: {name: files, "other": files | changes})
    dataset = Dataset.load("mirdata:giantsteps_key", home, ["key"])
    assert len(dataset.clips) == len(dataset.skipped) == 1
    assert re.search(words, next(iter(dataset.skipped.values())))


@pytest.mark.parametrize("home", ["giantsteps_key"], indirect=True)
def test_an_index_of_another_version_is_refused_in_words(home):
    rewritten(home, lambda name, files: {name: {"wav": files["audio"]}})
    with pytest.raises(DataError, match=r"mirdata makes no track of it \(KeyError: 'key'\): an index of another"):
        Dataset.load("mirdata:giantsteps_key", home, ["key"])


@pytest.mark.parametrize("home", ["giantsteps_key"], indirect=True)
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": "1"}', b'{"tracks": {}}', b"\xff\xfe"])
def test_what_is_no_index_is_refused_with_its_path(home, content):
    index = next(home.glob("*_index_*.json"))
    index.write_bytes(content)
    with pytest.raises(
        DataError, match=r"giantsteps_key_index_.*: (no index of mirdata's|names no tracks).*get it again"
    ):
        Dataset.load("mirdata:giantsteps_key", home, ["key"])


@pytest.mark.parametrize("home", ["beatles"], indirect=True)
@pytest.mark.parametrize("content", ["", "1.0 1\nfoo\n"])
def test_what_a_loader_cannot_read_sets_its_track_aside(home, content):
    (home / "annotations").unlink()
    path = home / TRACKS["beatles"]["beat"]
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(DataError, match="no usable row; 'beats': mirdata cannot read it"):
        Dataset.load("mirdata:beatles", home, ["beats"])


@pytest.mark.parametrize("home", ["beatles"], indirect=True)
@pytest.mark.parametrize("target", ["audio", "audio_path", "_track_paths", "__class__", "to_jams"])
def test_what_is_no_annotation_is_no_target(home, target):
    with pytest.raises(
        UsageError, match=rf"unknown target '{target}'; known: beats, .* \(--target names one of mirdata's beatles\)"
    ):
        Dataset.load("mirdata:beatles", home, [target])


def orchset(home):
    """Two excerpts of one movement, in the layout of the data set: the first tenth of a second is not voiced."""
    (home / "Orchset - Predominant Melodic Instruments.csv").write_text(
        "excerpt,predominant,alternating,winds,strings,brass,only strings,only winds,only brass\n"
        + "".join(
            f"Musorgski-Ravel-Pictures-I-ex{number}.mel,String+Winds (solo),TRUE,TRUE,TRUE,FALSE,FALSE,FALSE,FALSE\n"
            for number in (1, 2)
        )
    )
    tracks = {}
    for number in (1, 2):
        name = f"Musorgski-Ravel-Pictures-I-ex{number}"
        (home / f"{name}.mel").write_text("".join(f"{frame / 100:g}\t{440 * (frame >= 10)}\n" for frame in range(50)))
        soundfile.write(home / f"{name}.wav", 0.1 * np.sin(np.arange(8000) * number), 16_000)
        tracks[name] = {"melody": [f"{name}.mel", None], "audio_mono": [f"{name}.wav", None],
                        "audio_stereo": [None, None]}  # fmt: skip
    return tracks


def ikala(home):
    """A verse and a chorus of one song; pitches every 32 ms, and notes by pYIN in Hz with their durations."""
    (home / "id_mapping.txt").write_text("singer\tsong\n7\t10161\n")
    tracks = {}
    for section in ("verse", "chorus"):
        name = f"10161_{section}"
        (home / f"{name}.pv").write_text("0\n0\n0\n" + "69\n" * 12)
        (home / f"{name}.csv").write_text("0.1,0.3,440.0\n")
        soundfile.write(home / f"{name}.wav", 0.1 * np.random.default_rng(len(section)).normal(size=(8000, 2)), 16_000)
        tracks[name] = {"pitch": [f"{name}.pv", None], "lyrics": [None, None], "audio": [f"{name}.wav", None],
                        "notes_pyin": [f"{name}.csv", None]}  # fmt: skip
    return tracks


def write_layout(layout, home):
    tracks = layout(home)
    index = Path(mirdata.initialize(layout.__name__, data_home=str(home)).index_path).name
    (home / index).write_text(json.dumps({"version": "x", "tracks": tracks}))


@pytest.mark.parametrize(("layout", "target", "first"), [(orchset, "melody", 0.1), (ikala, "f0", 0.112)])
def test_melodies_of_layouts_that_may_not_be_shared_are_their_loaders(tmp_path, layout, target, first):
    write_layout(layout, tmp_path)
    dataset = Dataset.load(f"mirdata:{layout.__name__}", tmp_path, [target])
    labels = dataset.labels(target)
    assert (len(dataset.clips), labels.kind.name) == (2, "melody")
    track = labels.values[0]
    assert track.times[track.frequencies > 0].min() == pytest.approx(first)
    assert track.frequencies.max() == pytest.approx(440)


def test_notes_by_pyin_are_in_semitones(tmp_path):
    write_layout(ikala, tmp_path)
    labels = Dataset.load("mirdata:ikala", tmp_path, ["notes_pyin"]).labels("notes_pyin")
    assert labels.values[0].intervals.tolist() == [[0.1, 0.4]]
    assert labels.values[0].pitches.tolist() == [69]


@pytest.mark.parametrize(("layout", "target", "group"), [(orchset, "composer", "Pictures-I"), (ikala, "section", "7")])
def test_what_is_played_is_a_group_where_nobody_says_who_plays(tmp_path, layout, target, group):
    write_layout(layout, tmp_path)
    dataset = Dataset.load(f"mirdata:{layout.__name__}", tmp_path, [target])
    assert dataset.clips.group.tolist() == [group, group]


def test_a_track_of_several_files_names_none(tmp_path):
    (tmp_path / "a.txt").touch()
    parts = {f"audio_{part}": [f"{part}.wav", None] for part in ("horn1", "horn2")}
    files = {**parts, "notes": ["a.txt", None], "notes_original": ["a.txt", None]}
    index = Path(mirdata.initialize("phenicx_anechoic", data_home=str(tmp_path)).index_path).name
    (tmp_path / index).write_text(json.dumps({"version": "x", "tracks": {"bruckner-horn": files}}))
    with pytest.raises(DataError, match="no usable row; mirdata names no one audio file of this track"):
        Dataset.load("mirdata:phenicx_anechoic", tmp_path, ["instrument"])


def test_a_loader_that_needs_more_than_mirdata_says_what(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "music21", None)
    monkeypatch.delitem(sys.modules, "mirdata.datasets.haydn_op20", raising=False)
    with pytest.raises(UsageError, match=r"mirdata's loader of haydn_op20 needs a package .* 'mirdata\[haydn_op20\]'"):
        Dataset.load("mirdata:haydn_op20", tmp_path)
