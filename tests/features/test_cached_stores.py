import numpy as np

from layerscope.cli.entry_point import guarded
from layerscope.features.cached_stores import cached_stores, prune
from layerscope.features.store import ClipEntry, FeatureStore


def made(cache, name, encoder, frames=None):
    about = {"encoder": encoder, "layers": [0], "widths": [2], "frames_per_second": frames, "window_seconds": 30.0}
    store = FeatureStore(cache / "features" / name, about)
    store.write({"pooled.0": np.ones((1, 2), np.float32)}, [ClipEntry("key", 1, 1.0, "sound", 25)])
    return store


def test_stores_are_listed_with_what_they_take_and_nothing_else_is(tmp_path):
    store = made(tmp_path, "a", "toy")
    made(tmp_path, "b", "mel", frames=25.0)
    for name, text in (("stranger", "{}"), ("broken", "{"), ("list", "[1]")):
        (tmp_path / "features" / name).mkdir()
        (tmp_path / "features" / name / "about.json").write_text(text)
    (tmp_path / "features" / "begun").mkdir()
    listed, unknown = cached_stores(tmp_path)
    assert [(each.encoder, each.frames) for each in listed] == [("mel", True), ("toy", False)]
    assert listed[1].size == sum(path.stat().st_size for path in store.directory.glob("*.safetensors"))
    assert {store.directory.name: store.size for store in unknown} == {"stranger": 2, "broken": 1, "list": 3}
    assert cached_stores(tmp_path / "nothing") == ([], [])


def test_pruning_deletes_what_was_asked_for_and_leaves_what_is_not_ours(tmp_path):
    kept, gone = made(tmp_path, "a", "toy"), made(tmp_path, "b", "mel")
    (gone.directory / "notes.txt").write_text("mine")
    prune(store for store in cached_stores(tmp_path)[0] if store.encoder == "mel")
    assert [path.name for path in gone.directory.iterdir()] == ["notes.txt"]
    assert [store.encoder for store in cached_stores(tmp_path)[0]] == ["toy"]
    assert FeatureStore(kept.directory, kept.description).holds("key")


def test_the_command_lists_prunes_and_names_what_it_does_not_know(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path))
    made(tmp_path, "a", "toy")
    assert guarded(["cache"]) == 0
    assert "toy" in capsys.readouterr().out
    assert guarded(["cache", "--prune", "muq"]) == 2
    assert "unknown model in the cache 'muq'" in capsys.readouterr().err
    assert guarded(["cache", "--prune", "toy"]) == 0
    assert guarded(["cache", "--prune", "toy"]) == 2
    assert cached_stores(tmp_path) == ([], [])


def test_the_command_says_what_it_cannot_tell_how_large_it_is_and_the_way_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path))
    broken, lacking = made(tmp_path, "a", "toy").directory, made(tmp_path, "b", "mel").directory
    (broken / "about.json").write_text('{"encoder": "to')
    (lacking / "about.json").unlink()
    (lacking / f"{0:032}.safetensors").write_bytes(bytes(3_000_000))
    mine = tmp_path / "features" / "thesis"
    (mine / "chapters").mkdir(parents=True)
    (mine / "chapters" / "one.txt").write_bytes(bytes(2_000_000))
    (tmp_path / "features" / "notes.txt").write_bytes(bytes(1_000_000))
    dangling = made(tmp_path, "c", "mfcc").directory
    (dangling / "gone.safetensors").symlink_to("nowhere")
    assert guarded(["cache"]) == 0
    said = capsys.readouterr().out.splitlines()
    again = "a run makes features again, so delete it"
    foreign = "no features of layerscope's; move it away"
    for directory, size, start, end in [
        (broken, "0.0", f"{broken}/about.json: not readable as JSON", again),
        (lacking, "3.0", f"{lacking}/about.json: cannot be read", again),
        (mine, "2.0", f"{mine}/about.json: cannot be read", foreign),
        (mine.parent / "notes.txt", "1.0", f"{mine.parent}/notes.txt", foreign),
        (dangling, "0.0", f"{dangling}/gone.safetensors: cannot be read", "delete it"),
    ]:
        line = next(line for line in said if line.startswith(f"{directory}: "))
        assert f"{directory}: {size} MB more, not told what it is: {start}" in line
        assert line.endswith(end)
