"""Directories that layerscope or others wrote, damaged: runs, comparisons, predictors, pretrainings, models and caches.

A file of a directory is damaged, lost, replaced or swapped, and the directory is used. What comes out must be what the
undisturbed directory gives, file by file, or the directory is refused by name. A model's files have no digests: another
setting or weight is another model, whose fingerprint must say so.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file

from benchmarks.hostile.trials import Trial
from layerscope.encoders import load_encoder
from layerscope.features.encoder_pass import Pass
from layerscope.predictor.predict import load_predictor
from layerscope.pretrain import pretrain
from layerscope.pretrain.recipe import Recipe
from layerscope.scores.combine import combine
from layerscope.scores.score_table import Results
from layerscope.study.compare import compare
from layerscope.study.export import export
from layerscope.study.options import Comparison, make_plan
from layerscope.study.run import run
from layerscope.study.run_pages import write_page
from layerscope.toymusic.composed_dataset import write_notes

__all__ = ["SUBJECTS", "trials"]

WEIGHTS = Path(__file__).parents[2] / "src" / "layerscope" / "encoders" / "weights"
HUBERT: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "conv_dim": (16,) * 3,
    "conv_kernel": (10, 3, 2), "conv_stride": (5, 2, 2), "num_feat_extract_layers": 3, "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4, "vocab_size": 8,
}  # fmt: skip
RECIPE: dict[str, Any] = {
    "steps": 2, "batch": 1, "seconds": 0.9, "family": "musicfm", "dim": 32, "depth": 1, "heads": 2, "feedforward": 64,
}  # fmt: skip
#: What nobody reads, and what tells when something was written.
UNREAD = {"README.md", "curve.png", ".lock"}
TIMED = {"provenance.json", "log.jsonl", "checkpoint.safetensors"}
#: What a report writes.
DRAWN = ("report.html", "answer.json", "figures", "tables")
#: What JSON fields become.
VALUES = (None, True, -1, 0, 3, 1e308, 10**400, float("nan"), "", "x", "../../x", "²", [], [[]], {}, ["a"], "é" * 999)
Signature = dict[str, str]


def digests_of(directory: Path, *but: str) -> Signature:
    """Return a digest of every file below a directory that tells what came out, but for some."""
    digests = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name not in (*UNREAD, *TIMED, *but):
            # Its header says how much was in the cache.
            content = load_file(path)["draws"].tobytes() if path.name == "draws.safetensors" else path.read_bytes()
            digests[str(path.relative_to(directory))] = hashlib.sha256(content).hexdigest()
    return digests


# How each kind of directory is made, given a place with data in it.


def plan_of(place: Path, **given: Any) -> Any:
    """Return the plan of a small study of the notes of a place."""
    asked = {"data": str(place / "notes" / "notes.jsonl"), "target": "instrument", "probe": ["closed"], "seeds": 1}
    return make_plan({**asked, "model": ["toy-muq"], "baseline": ["mel"], **given}, "a test")


def make_run(place: Path, out: Path) -> None:
    """Run a study, in a cache that stays whole."""
    os.environ["LAYERSCOPE_CACHE"] = str(place / "cache")
    run(plan_of(place), out)


def make_comparison(place: Path, out: Path) -> None:
    """Compare two encoders."""
    os.environ["LAYERSCOPE_CACHE"] = str(place / "cache")
    compare(Comparison(data=str(place / "notes" / "notes.jsonl"), model=["toy-muq", "random:small"]), out)


def make_predictor(place: Path, out: Path) -> None:
    """Export the answer of a run."""
    export(base(place, "run"), out, insist=True)


def make_cache(place: Path, out: Path) -> None:
    """Copy the cache of a run."""
    base(place, "run")
    shutil.copytree(place / "cache", out)


def make_pretraining(place: Path, out: Path) -> None:
    """Pretrain a small encoder."""
    pretrain(Recipe(**RECIPE, data=str(place / "notes")), out)


def make_packaged(place: Path, out: Path) -> None:
    """Copy the small MuQ and the small MusicFM."""
    del place
    for name in ("toy-muq", "toy-musicfm"):
        shutil.copytree(WEIGHTS / name, out / name, ignore=shutil.ignore_patterns("*.png", "*.md"))


def make_hubert(place: Path, out: Path) -> None:
    """Write a small HuBERT as the transformers library does."""
    del place
    torch.manual_seed(0)
    # A config that is a plain JSON, as hubs have it.
    transformers.HubertModel(transformers.HubertConfig(**HUBERT)).save_pretrained(out)
    (out / "preprocessor_config.json").write_text(json.dumps({"sampling_rate": 16_000, "do_normalize": True}))


# How each is used; what comes back must be as it is undisturbed.


def report_again(path: Path, place: Path) -> Signature:
    """Draw the page of a run or comparison."""
    del place
    for name in DRAWN:
        shutil.rmtree(path / name) if (path / name).is_dir() else (path / name).unlink(missing_ok=True)
    write_page(path)
    return {name: digest for name, digest in digests_of(path).items() if name.partition("/")[0] in DRAWN}


def report_together(path: Path, place: Path) -> Signature:
    """Put two runs together."""
    del place
    combine([Results.read(path), Results.read(path)]).save(path / "both")
    return digests_of(path / "both")


def export_again(path: Path, place: Path) -> Signature:
    """Export the answer of a run."""
    os.environ["LAYERSCOPE_CACHE"] = str(place / "cache")
    export(path, path / "use", insist=True)
    return digests_of(path / "use")


def run_again(path: Path, place: Path) -> Signature:
    """Run a study in its directory."""
    os.environ["LAYERSCOPE_CACHE"] = str(place / "cache")
    run(plan_of(place), path)
    return digests_of(path, "report.html")  # it says how much was in the cache


def run_over_cache(path: Path, place: Path) -> Signature:
    """Run a study anew over a cache."""
    os.environ["LAYERSCOPE_CACHE"] = str(path)
    run(plan_of(place), path / "run")
    return digests_of(path / "run", "report.html")


def predict_note(path: Path, place: Path) -> Signature:
    """Answer for a note."""
    return {"answer": json.dumps(load_predictor(path)(next(iter(sorted((place / "notes").rglob("*.wav"))))))}


def pretrain_again(path: Path, place: Path) -> Signature:
    """Repeat a pretraining."""
    pretrain(Recipe(**RECIPE, data=str(place / "notes")), path)
    return digests_of(path)


def load_models(path: Path, place: Path) -> Signature:
    """Take a pass of each encoder of a directory over noise."""
    del place
    signature = {}
    noise = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    for directory in sorted({file.parent for file in path.rglob("*.safetensors")} or {path}):
        encoder = load_encoder(directory)
        [states] = Pass(encoder, 1.0).states_of({"noise": noise})
        # Of another fingerprint other states are right.
        digest = hashlib.sha256(b"".join(layer.numpy().tobytes() for layer in states.pooled)).hexdigest()
        signature[encoder.fingerprint] = digest
    return signature


@dataclass(frozen=True)
class Subject:
    """A kind of directory, and a use of it."""

    make: Callable[[Path, Path], None]
    use: Callable[[Path, Path], Signature]


SUBJECTS = {
    "run": Subject(make_run, report_again),
    "run, put together": Subject(make_run, report_together),
    "run, exported": Subject(make_run, export_again),
    "run, repeated": Subject(make_run, run_again),
    "comparison": Subject(make_comparison, report_again),
    "cache": Subject(make_cache, run_over_cache),
    "predictor": Subject(make_predictor, predict_note),
    "pretraining": Subject(make_pretraining, pretrain_again),
    "MuQ and MusicFM": Subject(make_packaged, load_models),
    "HuBERT": Subject(make_hubert, load_models),
}


@cache
def base(place: Path, name: str) -> Path:
    """Return an undisturbed directory of a subject, which is made once."""
    path = place / "bases" / SUBJECTS[name].make.__name__
    if not path.exists():
        SUBJECTS[name].make(place, path)
    return path


@cache
def undisturbed(place: Path, name: str) -> Signature:
    """Return what comes out of an undisturbed directory."""
    copy = place / f"whole-{name}"
    shutil.copytree(base(place, name), copy)
    return SUBJECTS[name].use(copy, place)


# Damage. Each takes a file, the others of its directory, and a source of chance.


def damage_bytes(path: Path, others: Sequence[Path], chance: random.Random) -> None:
    """Flip, overwrite, cut or append bytes."""
    del others
    content = path.read_bytes() or b" "
    first, length = chance.randrange(len(content)), chance.randint(1, 4096)
    flipped = bytearray(content)
    flipped[first] ^= 1 << chance.randrange(8)
    zeros = content[:first] + bytes(len(content[first : first + length])) + content[first + length :]
    whole = (bytes(flipped), bytes(flipped), zeros, content[:first], content + b"x" * length, content[first:], b"")
    path.write_bytes(chance.choice((*whole, chance.randbytes(length), content.replace(b"0", b"1", 1))))


def damage_text(path: Path, others: Sequence[Path], chance: random.Random) -> None:
    """Write a text in another encoding, without a line, with one twice, or with another number."""
    if path.suffix not in (".csv", ".json"):
        return damage_bytes(path, others, chance)
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines(keepends=True)
    number = chance.randrange(len(lines)) if lines else 0
    texts = ("".join(lines[:number] + lines[number + 1 :]), "".join(lines[: number + 1] + lines[number:]),
             text.replace(chance.choice("123456789"), chance.choice("0²x-"), 1), text.replace(",", ";"))  # fmt: skip
    encoding = chance.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32"))
    path.write_bytes(chance.choice(texts).encode(encoding))
    return None


def damage_json(path: Path, others: Sequence[Path], chance: random.Random) -> None:
    """Remove a field, or give it a value of another type or size."""
    if path.suffix == ".safetensors":
        return damage_header(path, others, chance)
    if path.suffix != ".json":
        return damage_bytes(path, others, chance)
    if chance.random() < 0.15:
        path.write_text(chance.choice(("[" * 100_000, '{"a":' * 100_000, "[]", "null", "3", '"x"', "{}", "{" * 9)))
        return None
    path.write_text(json.dumps(with_other_field(json.loads(path.read_text()), chance, 1.0)))
    return None


def with_other_field(value: Any, chance: random.Random, deeper: float = 0.7) -> Any:
    """Return a JSON value in which something is gone or another, below its top with a probability."""
    if isinstance(value, (dict, list)) and value and chance.random() < deeper:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = chance.choice(keys)
        if chance.random() < 0.25:
            return {name: kept for name, kept in value.items() if name != key} if isinstance(value, dict) else value[1:]
        pairs = [(name, with_other_field(value[name], chance) if name == key else value[name]) for name in keys]
        return dict(pairs) if isinstance(value, dict) else [kept for _, kept in pairs]
    return chance.choice(VALUES)


def damage_header(path: Path, others: Sequence[Path], chance: random.Random) -> None:
    """Change the header of a file of tensors, or the length that it says the header has."""
    del others
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    if chance.random() < 0.3:
        said = chance.choice((0, 1, length + 8, 2**40, 2**63))
        path.write_bytes(said.to_bytes(8, "little") + content[8:])
        return
    try:
        header = json.dumps(with_other_field(json.loads(content[8 : 8 + length]), chance, 1.0)).encode()
    except ValueError:
        header = content[8 : 8 + length // 2]
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])


def lose(path: Path, others: Sequence[Path], chance: random.Random) -> None:
    """Remove a file, or put something else that has its name in its place."""
    path.unlink()
    kind = chance.choice(("nothing", "nothing", "directory", "loop", "pipe", "dangling", "other", "other"))
    if kind == "directory":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "dangling":
        path.symlink_to("/nowhere/at/all")
    elif kind == "other":
        alike = [other for other in others if other.suffix == path.suffix and other != path]
        if alike:
            shutil.copy(chance.choice(alike), path)


DAMAGE: tuple[Callable[[Path, Sequence[Path], random.Random], None], ...] = (
    damage_bytes, damage_text, damage_json, damage_json, lose,
)  # fmt: skip


def trials(place: Path, seed: int, count: int, subjects: Sequence[str] = tuple(SUBJECTS)) -> Iterator[Trial]:
    """Yield trials of directories, one of ten undamaged."""
    write_notes(place / "notes", count=24, first_seed=0, seconds=1.0)
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        name = subjects[number % len(subjects)]
        expected = undisturbed(place, name)
        path = place / f"{number:05}"
        shutil.copytree(base(place, name), path)
        inside = [file for file in sorted(path.rglob("*")) if file.is_file() and file.name not in UNREAD]
        # Of pictures there are as many as of all else.
        files = [file for file in inside if file.relative_to(path).parts[0] not in DRAWN[2:]]
        words = "whole"
        if chance.random() < 0.9:
            file, damage = chance.choice(files), chance.choice(DAMAGE)
            damage(file, files, chance)
            words = f"{damage.__name__} of {file.relative_to(path)}"
        about = {"path": path, "place": place, "subject": name, "expected": expected, "way": words}
        # A refusal names the directory, a file of it, or what a file of it refers to.
        yield Trial(name, place.name, judge, {**about, "whole": words == "whole"})
        shutil.rmtree(path)


def judge(trial: Trial) -> tuple[str, str]:
    """Use a directory, and hold what comes out to what comes out of the undisturbed one."""
    about = trial.about
    expected: Signature = about["expected"]
    seen = SUBJECTS[about["subject"]].use(about["path"], about["place"])
    if SUBJECTS[about["subject"]].use is load_models:
        # Another fingerprint is another model.
        same = all(expected.get(fingerprint, states) == states for fingerprint, states in seen.items())
        return ("right" if same else "loss"), about["way"]
    other = [name for name in sorted({*seen, *expected}) if seen.get(name) != expected.get(name)]
    return ("loss", f"{about['way']}: {', '.join(other)}") if other else ("right", about["way"])
