import numpy as np

from layerscope.cli.commands import guarded
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
    listed = cached_stores(tmp_path)
    assert [(each.encoder, each.frames) for each in listed] == [("mel", True), ("toy", False)]
    assert listed[1].size == sum(path.stat().st_size for path in store.directory.glob("*.safetensors"))
    assert cached_stores(tmp_path / "nothing") == []


def test_pruning_deletes_what_was_asked_for_and_leaves_what_is_not_ours(tmp_path):
    kept, gone = made(tmp_path, "a", "toy"), made(tmp_path, "b", "mel")
    (gone.directory / "notes.txt").write_text("mine")
    prune(store for store in cached_stores(tmp_path) if store.encoder == "mel")
    assert [path.name for path in gone.directory.iterdir()] == ["notes.txt"]
    assert [store.encoder for store in cached_stores(tmp_path)] == ["toy"]
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
    assert cached_stores(tmp_path) == []
