import pytest

from conftest import write_tone
from layerscope.data.dataset import Dataset
from layerscope.data.folders import class_folders
from layerscope.errors import DataError


def test_folder_has_a_class_a_sub_folder(tones):
    dataset = Dataset.load(tones)
    assert len(dataset.clips) == 30
    assert dataset.labels("label").names == ("high", "low")
    assert dataset.name == "tones"


def test_folder_counts_what_it_leaves_out(tones):
    (tones / "low" / "notes.txt").write_text("not audio")
    (tones / ".hidden").write_text("")
    write_tone(tones / "stray.wav", 300)
    assert Dataset.load(tones).skipped == {
        "low/notes.txt": "'.txt' is none of the endings of audio that is read",
        "stray.wav": "lies outside the class folders",
    }


def test_empty_folder_and_missing_path_are_refused(tmp_path):
    with pytest.raises(DataError, match="no audio in sub-folders"):
        Dataset.load(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        Dataset.load(tmp_path / "absent")


@pytest.mark.parametrize(
    ("name", "way_out"),
    [("a.xlsx", "save it as CSV"), ("a.parquet", "save it as CSV"), ("a.json", "save it as CSV"),
     ("a.csv.gz", "unpack it"), ("a.ZIP", "unpack it"),
     ("states.npz", "probe arrays in Python")],
)  # fmt: skip
def test_files_that_are_not_read_are_refused_with_the_way_out(tmp_path, name, way_out):
    (tmp_path / name).write_text("")
    with pytest.raises(DataError, match=f"neither a folder nor a .csv, .tsv or .jsonl; {way_out}"):
        Dataset.load(tmp_path / name)


def write_folder(root, *names):
    """A tone at each name, all different."""
    for number, name in enumerate(names):
        write_tone(root / name, 200 + 10 * number)
    return root


@pytest.mark.parametrize(
    ("names", "labels", "sides"),
    [
        (["train/low/1.wav", "train/high/2.wav", "test/low/3.wav"], ["low", "high", "low"], ["train", "train", "test"]),
        (["Train/a/1.wav", "Validation/a/2.wav", "dev/b/3.wav", "TEST/b/4.wav"], list("aabb"),
         ["train", "valid", "valid", "test"]),
        (["low/train/1.wav", "low/test/2.wav", "high/train/3.wav"], ["low", "low", "high"], ["train", "test", "train"]),
    ],
)  # fmt: skip
def test_folders_of_splits_are_splits_and_no_classes(tmp_path, names, labels, sides):
    clips = Dataset.load(write_folder(tmp_path, *names)).clips.set_index("clip")
    assert clips.label[names].tolist() == labels
    assert clips.split[names].tolist() == sides


def test_folders_of_folds_are_folds(tmp_path):
    names = [f"fold_{fold}/{label}/{fold}.wav" for fold in (1, 2, 10) for label in ("low", "high")]
    clips = Dataset.load(write_folder(tmp_path, *names)).clips.set_index("clip")
    assert clips.fold[names].tolist() == ["1", "1", "2", "2", "10", "10"]
    assert clips.label[names].tolist() == ["low", "high"] * 3


def test_a_class_may_be_called_as_a_split_is(tmp_path):
    names = ["train/1.wav", "bus/2.wav", "test/take/3.wav"]
    assert sorted(Dataset.load(write_folder(tmp_path, *names)).clips.label) == ["bus", "test", "train"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["train/1.wav", "test/2.wav"], r"no audio in sub-folders.*found folders of splits: test, train"),
        (["train/low/1.wav", "extra/low/2.wav"], "train look like splits, extra beside them do not"),
        (["train/low/1.wav", "eval/low/2.wav", "test/low/3.wav"], "'eval', another 'test' .*; which is tested"),
        (
            ["low/train/1.wav", "low/test/2.wav", "low/take/3.wav"],
            "test, train look like splits, take beside them do not",
        ),
        (["train/low/1.wav", "train/high/2.wav"], "all audio lies in train; give .*train$"),
        (["audio/train/low/1.wav", "audio/test/low/2.wav"], "all audio lies in audio; give .*audio$"),
    ],
)
def test_folders_that_may_be_splits_or_classes_are_refused_in_words(tmp_path, names, words):
    with pytest.raises(DataError, match=words):
        Dataset.load(write_folder(tmp_path, *names))


def test_links_are_followed_and_nothing_is_taken_twice(tmp_path):
    write_folder(tmp_path / "elsewhere", "1.wav", "2.wav")
    folder = write_folder(tmp_path / "data", "low/3.wav", "mid/4.wav", "mid/5.wav")
    (folder / "high").symlink_to(tmp_path / "elsewhere")
    (folder / "again").symlink_to(folder / "low")
    (folder / "low" / "round").symlink_to(folder)
    (folder / "low" / "copy.wav").symlink_to(folder / "low" / "3.wav")
    (folder / "low" / "4.wav").symlink_to(folder / "mid" / "4.wav")
    (folder / "low" / "gone.wav").symlink_to(tmp_path / "gone.wav")
    dataset = Dataset.load(folder)
    assert sorted(zip(dataset.clips["clip"], dataset.clips.label, strict=True)) == [
        ("high/1.wav", "high"), ("high/2.wav", "high"), ("low/3.wav", "low"), ("mid/5.wav", "mid"),
    ]  # fmt: skip
    assert dataset.skipped == {
        "again": f"the same folder as {folder / 'low'}",
        "low/round": f"the same folder as {folder}",
        "low/copy.wav": "the same file as low/3.wav",
        "low/4.wav": "the same file is in classes low and mid",
        "mid/4.wav": "the same file is in classes low and mid",
        "low/gone.wav": "a link that leads nowhere",
    }


@pytest.mark.parametrize(
    ("table", "content"),
    [
        ("metadata.csv", "file_name,mood\ntrain/1.wav,sad\ntest\\2.wav,gay\n"),
        ("metadata.jsonl", '{"file_name": "train/1.wav", "mood": "sad"}\n{"file_name": "test/2.wav", "mood": "gay"}\n'),
    ],
)
def test_the_metadata_of_an_audio_folder_say_what_its_clips_are(tmp_path, table, content):
    write_folder(tmp_path, "train/1.wav", "test/2.wav", "test/3.wav")
    (tmp_path / table).write_text(content)
    dataset = Dataset.load(tmp_path)
    assert dataset.clips[["clip", "split", "mood"]].values.tolist() == [
        ["train/1.wav", "train", "sad"], ["test/2.wav", "test", "gay"],
    ]  # fmt: skip
    assert dataset.skipped == {"test/3.wav": f"is not in {table}"}


def test_metadata_may_lie_in_each_split(tmp_path):
    write_folder(tmp_path, "train/1.wav", "test/1.wav")
    for split, mood in (("train", "sad"), ("test", "gay")):
        (tmp_path / split / "metadata.csv").write_text(f"file_name,mood\n1.wav,{mood}\n")
    clips = Dataset.load(tmp_path).clips
    assert sorted(clips[["clip", "split", "mood"]].values.tolist()) == [
        ["test/1.wav", "test", "gay"], ["train/1.wav", "train", "sad"],
    ]  # fmt: skip


def test_another_table_called_metadata_changes_nothing(tmp_path):
    write_folder(tmp_path, "low/1.wav", "high/2.wav")
    (tmp_path / "metadata.csv").write_text("artist,year\nx,1999\n")
    dataset = Dataset.load(tmp_path)
    assert sorted(dataset.clips.label) == ["high", "low"]
    assert dataset.skipped == {"metadata.csv": "'.csv' is none of the endings of audio that is read"}


@pytest.mark.parametrize(
    "pair", [("train_set", "test_set"), ("training data", "testing data"), ("TrainSet", "dev-set")]
)
def test_words_for_splits_may_say_that_they_are_sets(tmp_path, pair):
    names = [f"{side}/{label}/1.wav" for side in pair for label in ("low", "high")]
    clips = Dataset.load(write_folder(tmp_path, *names)).clips
    assert set(clips.label) == {"low", "high"}
    assert clips.split.nunique() == 2


@pytest.mark.parametrize(
    "pair", [("tr", "te"), ("train1", "test1"), ("split1", "split2"), ("part_1", "part_2"), ("1", "2")]
)
def test_folders_that_hold_the_same_sub_folders_are_not_taken_for_classes(tmp_path, pair):
    names = [f"{side}/{label}/1.wav" for side in pair for label in ("low", "high")]
    with pytest.raises(DataError, match=f"the folders {', '.join(sorted(pair))} hold the same sub-folders high, low"):
        Dataset.load(write_folder(tmp_path, *names, f"{pair[0]}/middle/1.wav"))


@pytest.mark.parametrize(
    "names",
    [
        ("nsynth-test/audio", "nsynth-train/audio", "nsynth-valid/audio"),
        ("FSD50K.dev_audio", "FSD50K.eval_audio"),
        ("TestAudio", "TrainAudio"),
        ("test_wav/low", "train_wav/high"),
    ],
)
def test_folders_that_differ_in_a_word_for_a_split_alone_are_not_taken_for_classes(tmp_path, names):
    folders = ", ".join(name.split("/")[0] for name in names)
    with pytest.raises(DataError, match=f"the folders {folders} differ in a word for a split alone"):
        Dataset.load(write_folder(tmp_path, *(f"{name}/{number}.wav" for name in names for number in (1, 2))))


@pytest.mark.parametrize(
    "pair", [("freight train", "steam train"), ("test tone", "train"), ("audio_train", "wav_test")]
)
def test_classes_may_have_a_word_for_a_split_in_their_names(tmp_path, pair):
    assert set(Dataset.load(write_folder(tmp_path, *(f"{name}/1.wav" for name in pair))).clips.label) == {*pair}


def test_classes_that_share_one_sub_folder_are_classes(tmp_path):
    folder = write_folder(tmp_path, "low/audio/1.wav", "high/audio/2.wav", "high/more/3.wav")
    assert set(Dataset.load(folder).clips.label) == {"low", "high"}


CHORDS = "0.0 0.2 C:maj\n0.2 0.4 A:min\n"


def test_a_flat_folder_with_annotations_beside_the_audio_has_no_classes(tmp_path):
    folder = write_folder(tmp_path, "a.wav", "b.wav", "c.wav")
    for name in ("a", "b"):
        (folder / f"{name}.lab").write_text(CHORDS)
    dataset = Dataset.load(folder)
    assert (dataset.clips["clip"].tolist(), dataset.targets()) == (["a.wav", "b.wav", "c.wav"], [])
    assert dataset.skipped == {}
    chords = dataset.with_target("chords")
    assert chords.labels("chords").kind.name == "chords"
    assert chords.skipped == {"c.wav": "no label in 'chords'"}


def test_folders_of_splits_with_annotations_beside_the_audio_have_no_classes(tmp_path):
    folder = write_folder(tmp_path, "train/a.wav", "test/b.wav")
    for name in ("train/a", "test/b"):
        (folder / f"{name}.lab").write_text(CHORDS)
    clips = Dataset.load(folder).clips.set_index("clip")
    assert clips.split.to_dict() == {"train/a.wav": "train", "test/b.wav": "test"}


def test_what_a_folder_holds_beside_clips_is_said_or_read_with_them(tmp_path):
    for name in ("low/a.wav", "low/a.lab", "low/b.lab", "low/.c.wav", "low/._a.wav", "high/d.wav", "high/.DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "none").mkdir()
    (tmp_path / "run" / "figures").mkdir(parents=True)
    for name in ("study.json", "figures/layers.png"):
        (tmp_path / "run" / name).write_bytes(b"{}")
    records, skipped = class_folders(tmp_path)
    assert [record["clip"] for record in records] == ["high/d.wav", "low/a.wav"]
    assert skipped == {
        "low/b.lab": "'.lab' is none of the endings of audio that is read",
        "low/.c.wav": "hidden: its name begins with a dot",
        "none": "an empty folder",
        "run": "the directory of a run",
    }


def test_sound_in_hidden_folders_and_in_those_of_systems_is_said_and_is_no_class(tmp_path):
    names = [".z/1.wav", ".z/deep/2.wav", ".z/._2.wav", "__MACOSX/low/3.wav", "low/@eaDir/4.wav", ".git/._5.wav"]
    write_folder(tmp_path, "low/a.wav", "high/b.wav", *names)
    records, skipped = class_folders(tmp_path)
    assert [record["label"] for record in records] == ["high", "low"]
    assert skipped == {
        ".z": "hidden: its name begins with a dot (2 audio files)",
        "__MACOSX": "a folder of the system's, by its name (1 audio file)",
        "low/@eaDir": "a folder of the system's, by its name (1 audio file)",
    }


def test_two_tables_of_metadata_that_say_different_things_are_refused_and_those_that_agree_are_one(tmp_path):
    write_folder(tmp_path, "1.wav", "2.wav")
    (tmp_path / "metadata.csv").write_text("file_name,mood,beats\n1.wav,sad,3\n2.wav,gay,4\n")
    said = '{{"file_name": "{}.wav", "mood": "{}", "beats": {}}}\n'
    (tmp_path / "metadata.jsonl").write_text(said.format(1, "sad", 3) + said.format(2, "gay", 4))
    dataset = Dataset.load(tmp_path)
    assert dataset.clips.mood.tolist() == ["sad", "gay"]
    assert dataset.skipped["1.wav (line 1)"] == "metadata.jsonl line 1: the same clip as metadata.csv row 2"
    (tmp_path / "metadata.jsonl").write_text(said.format(1, "gay", 3) + said.format(2, "sad", 4))
    words = r"metadata.csv row 2 and metadata.jsonl line 1: the same clip with two cells of 'mood' \(sad, gay\)"
    with pytest.raises(DataError, match=words):
        Dataset.load(tmp_path).with_target("mood")


def test_one_class_folder_beside_a_table_is_no_data_set(tmp_path):
    write_folder(tmp_path, "audio/1.wav", "audio/2.wav")
    (tmp_path / "audio" / "own.csv").write_text("1,2\n")
    assert len(Dataset.load(tmp_path).clips) == 2
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text("filename,fold,category\n1.wav,1,dog\n")
    words = r"one class folder, 'audio'; if a table names these files, such as .*esc50.csv, give it as --data"
    with pytest.raises(DataError, match=words):
        Dataset.load(tmp_path)


def test_metadata_of_other_folders_that_contradict_one_another_are_refused_with_both_rows(tmp_path):
    for split in ("train", "test"):
        for number in (1, 2):
            write_tone(tmp_path / split / f"{number}.wav", 300, seconds=0.05)
        (tmp_path / split / "metadata.csv").write_text("file_name,mood\n1.wav,sad\n2.wav,gay\n")
    (tmp_path / "metadata.csv").write_text("file_name,mood\ntrain/1.wav,sad\ntrain/2.wav,gay\n")
    assert len(Dataset.load(tmp_path).clips) == 4
    (tmp_path / "metadata.csv").write_text("file_name,mood\ntrain/1.wav,gay\ntrain/2.wav,sad\n")
    with pytest.raises(DataError, match=r"metadata\.csv row 2 and train/metadata\.csv row 2: .* \(gay, sad\)"):
        Dataset.load(tmp_path).with_target("mood")


def test_a_file_that_two_tables_of_metadata_put_into_two_splits_stays_a_leak(tmp_path):
    write_tone(tmp_path / "train" / "1.wav", 300, seconds=0.05)
    for split, name in (("train", "1.wav"), ("test", "../train/1.wav")):
        (tmp_path / split).mkdir(exist_ok=True)
        (tmp_path / split / "metadata.csv").write_text(f"file_name,mood\n{name},sad\n")
    assert sorted(Dataset.load(tmp_path).clips.split) == ["test", "train"]


@pytest.mark.parametrize("name", ["labels.csv", "metadata.tsv"])
def test_a_table_beside_audio_in_no_class_folder_is_pointed_at(tmp_path, name):
    write_tone(tmp_path / "1.wav", 300, seconds=0.05)
    (tmp_path / name).write_text("path,mood\n1.wav,sad\n")
    with pytest.raises(
        DataError, match=rf"no audio in class folders; if the table .*/{name} names it, give that as --data"
    ):
        Dataset.load(tmp_path)


def test_a_folder_of_sound_that_is_not_read_says_so(tmp_path):
    (tmp_path / "a").mkdir()
    for number in range(3):
        (tmp_path / "a" / f"{number}.m4a").write_bytes(b"x")
    with pytest.raises(DataError, match=r"3 files are not read, such as a/0\.m4a: .*; convert them to FLAC or WAV"):
        Dataset.load(tmp_path)
