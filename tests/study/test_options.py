import inspect
import re
import shutil
from collections.abc import Sequence
from typing import get_type_hints

import pytest
import torch
from safetensors.torch import load_file, save

import layerscope
from layerscope.errors import LayerscopeError, UsageError
from layerscope.study.option_base import checked
from layerscope.study.options import Call, Comparison, Plan, Probing, make_plan, read_plan


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('data = "x"\nmodels = ["muq"]\n', "unknown key 'models'; did you mean 'model'"),
        ('data = "x"\nmodel = ["muq"]\nseeds = 0\n', "'seeds': Input should be greater than or equal to 1"),
        ('data = "x"\nmodel = ["muq"]\nprobe = ["mpl"]\n', "unknown probe 'mpl'; did you mean 'mlp'"),
        ('data = "x"\nbaseline = ["mfc"]\n', "unknown baseline 'mfc'; did you mean 'mfcc'"),
        ('data = "x"\nbaseline = []\n', "nothing to study"),
        ("data = \n", "not readable as TOML"),
        ('model = ["muq"]\n', "no data; give --data, --task"),
        ('task = ["gtzan"]\n', "unknown task 'gtzan'; did you mean 'gtzan-"),
        ('data = "x"\ntask = ["emo"]\n', "--data and --task are two studies"),
        ('data = "x"\nkind = "tags"\ntarget = ["a", "b"]\n', "'kind' is of a single target"),
        ('data = "x"\nmetric = "macrof1"\n', "unknown metric 'macrof1'; did you mean 'macro_f1'"),
        ('data = "x"\nkind = "classs"\n', "unknown kind 'classs'; did you mean 'classes'"),
        ('data = "x"\nmodel = "muq"\nbaseline = "mel,mfc"\n', "unknown baseline 'mfc'; did you mean 'mfcc'"),
        ('data = "x"\nmodel = 3\n', "'model': Input should be a valid list"),
        ('data = "x"\nmodel = [3]\n', "'model.0': Input should be a valid string"),
        ('data = "x"\nmodel = "muq"\npreset = "papr"\n', "unknown preset 'papr'; did you mean 'paper'?"),
    ],
)
def test_a_study_file_that_is_wrong_says_where(tmp_path, written, words):
    (tmp_path / "study.toml").write_text(written)
    with pytest.raises(UsageError, match=words):
        read_plan(tmp_path / "study.toml")


def test_a_study_file_says_what_options_say(tmp_path, tones):
    (tmp_path / "study.toml").write_text('data = "tones"\nmodel = ["random:small"]\nbaseline = ["mel"]\nseeds = 3\n')
    plan = read_plan(tmp_path / "study.toml")
    assert plan == Plan(data=tones, model=["random:small"], baseline=["mel"], seeds=3)


def test_the_paper_preset_is_the_study_of_fourteen_tasks():
    plan = make_plan({"preset": "paper", "model": ["muq", "musicfm"]}, "command line")
    assert len(plan.task) == 14
    assert (plan.probe, plan.seeds) == (["mlp"], 1)
    own = make_plan({"preset": "paper", "task": ["emo"], "seeds": 3}, "command line")
    assert (own.task, own.seeds) == (["emo"], 3)


def test_the_preset_given_last_wins_whole(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text('preset = "paper"\nmodel = ["muq"]\ndata = "x"\n')
    assert (read_plan(path).probe, read_plan(path).seeds) == (["mlp"], 1)
    robust = read_plan(path, {"preset": "robust"})
    assert (robust.preset, robust.probe, robust.seeds) == ("robust", ["mlp", "linear", "closed"], 5)
    path.write_text('preset = "paper"\nmodel = ["muq"]\n')
    with pytest.raises(UsageError, match="no data"):  # the fourteen tasks were the other preset's
        read_plan(path, {"preset": "robust"})
    path.write_text('preset = "robust"\nmodel = ["muq"]\n')
    paper = read_plan(path, {"preset": "paper"})
    assert (len(paper.task), paper.probe, paper.seeds) == (14, ["mlp"], 1)


@pytest.mark.parametrize("presets", [("paper", "robust"), ("robust", "paper"), ("paper", None), (None, "paper")])
def test_what_is_said_wins_over_any_preset(tmp_path, presets):
    inside, given = ({"preset": name} if name else {} for name in presets)
    path = tmp_path / "study.toml"
    path.write_text(
        f'seeds = 3\nmodel = "muq"\ndata = "x"\n{"".join(f"{key} = {name!r}" for key, name in inside.items())}'
    )
    plan = read_plan(path, {**given, "probe": "linear"})
    assert (plan.seeds, plan.probe, plan.task) == (3, ["linear"], [])


def test_an_error_in_an_option_over_a_file_names_both(tmp_path):
    (tmp_path / "study.toml").write_text('data = "x"\nmodel = "muq"\n')
    with pytest.raises(UsageError, match=r"study.toml with the options given: 'seeds'"):
        read_plan(tmp_path / "study.toml", {"seeds": 0})


@pytest.mark.parametrize("several", ["a, b,c", ["a", "b", "c"], ["a,b", "c"], ("a", "b,c"), "a,b,,c"])
def test_names_take_commas_or_repetition(several):
    assert make_plan({"data": "x", "model": several}, "").model == ["a", "b", "c"]
    assert checked(Comparison, {"data": "x", "model": several}, "").model == ["a", "b", "c"]


def test_every_list_of_names_takes_commas():
    plan = make_plan({"task": "emo,mtt", "baseline": "mel,mfcc", "probe": "closed,mlp"}, "")
    assert (plan.task, plan.baseline, plan.probe) == (["emo", "mtt"], ["mel", "mfcc"], ["closed", "mlp"])


@pytest.mark.parametrize("none", ["none", ["none"], []])
def test_plain_features_may_be_left_out(none):
    assert make_plan({"data": "x", "model": "muq", "baseline": none}, "").baseline == []


def test_the_commas_of_a_target_are_its_own():
    assert make_plan({"data": "x", "target": "beats,downbeats"}, "").target == ["beats,downbeats"]
    assert checked(Probing, {"target": ["key", "a,b"]}, "").target == ["key", "a,b"]


def test_a_comparison_needs_a_model():
    with pytest.raises(UsageError, match="'model': List should have at least 1 item"):
        checked(Comparison, {"data": "x", "model": []}, "")


def test_the_signature_of_probe_says_what_the_fields_say():
    parameters = dict(inspect.signature(layerscope.probe).parameters)
    hints = get_type_hints(layerscope.probe)
    del parameters["subject"], parameters["dataset"]
    assert ["probe" if name == "probes" else name for name in parameters] == list(Call.model_fields)
    defaults = Call()
    for name, parameter in parameters.items():
        field = "probe" if name == "probes" else name
        stated = parameter.default
        if hints[name] == str | Sequence[str]:
            assert Call.model_fields[field].annotation == list[str]
            assert ([stated] if isinstance(stated, str) else list(stated)) == getattr(defaults, field)
        else:
            assert stated == getattr(defaults, field)
            if name != "kind":  # its names are spelt out for a type checker
                assert hints[name] == Call.model_fields[field].annotation


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"seeds": 0}, "'seeds'"), ({"probes": "mpl"}, "did you mean 'mlp'"), ({"folds": 2}, "'folds'"),
     ({"kind": "classs"}, "did you mean 'classes'"), ({"window": 0.0}, "'window'"),
     ({"split_seed": -1}, "'split_seed'"), ({"metric": "f1"}, "unknown metric 'f1'")],
)  # fmt: skip
def test_probe_checks_what_a_study_file_checks(wrong, words):
    with pytest.raises(UsageError, match=words):
        layerscope.probe([], **wrong)


def test_every_field_has_help():
    for model in (Plan, Comparison):
        for name, field in model.model_fields.items():
            assert field.description, name


#: A value of each field, as TOML and as the command line have it, that is not its default.
VALUES = {
    "layers_as": '["4+7", "search"]', "beyond_plain": "true",
    "data": '"x"', "root": '"x"', "model": '"a"', "layers": '"0-1"', "target": '"b"', "kind": '"key"',
    "probe": '"mlp"', "seeds": "2", "folds": "4", "split_seed": "7", "window": "1.5", "allow_leaks": "true",
    "baseline": '"mel"', "task": '"emo"', "preset": '"robust"', "twins": "3", "strict": "true",
    "few_labels": '"linear"', "memory": "4.5", "partial": "true", "near_duplicates": "true", "metric": '"macro_f1"',
    "device": '"cpu"', "precision": '"bf16"', "batch_seconds": "60", "ray": '"local"',
    "deform": '"pitch:+1,noise:20"',
    "pooling": '"max"', "keep_predictions": "true",
}  # fmt: skip


def test_every_field_is_a_key_of_a_study_file(tmp_path):
    assert set(VALUES) == set(Plan.model_fields)
    for name, value in VALUES.items():
        data = "" if name in ("data", "task") else 'data = "y"\n'
        data += 'model = "muq"\n' if name in ("layers_as", "beyond_plain") else ""
        (tmp_path / "study.toml").write_text(f"{data}{name} = {value}\n")
        plan = read_plan(tmp_path / "study.toml")
        assert name in plan.model_fields_set
        assert getattr(plan, name) != getattr(make_plan({"data": "z"}, ""), name)


@pytest.mark.parametrize(
    ("given", "words"), [({"probe": "none"}, "probe"), ({"target": []}, "target"), ({"window": float("inf")}, "window")]
)
def test_nothing_and_infinity_are_no_options(given, words):
    with pytest.raises(UsageError, match=words):
        make_plan({"data": "x", **given}, "test")


def test_a_place_means_the_same_from_every_directory(tmp_path, monkeypatch):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert make_plan({"data": "tones", "root": ".."}, "test").data == tmp_path / name / "tones"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seeds": True}, "'seeds': Input should be a valid integer"),
        ({"layers_as": "4+"}, "layers-as '4+': neither layers"),
        ({"layers_as": "4+7,7+4", "model": "muq"}, "'layers_as': '4+7' is given twice"),
        ({"layers_as": "4+7"}, "'layers_as' is about layers of a model"),
        ({"beyond_plain": True, "model": "muq", "baseline": "none"}, "'beyond_plain' needs a plain feature"),
        ({"beyond_plain": True, "model": "random:muq", "twins": 2}, "only twins of several draws"),
        ({"seeds": "3"}, "'seeds': Input should be a valid integer"),
        ({"window": True}, "'window': Input should be a valid number"),
        ({"allow_leaks": 1}, "'allow_leaks': Input should be a valid boolean"),
        ({"split_seed": 2**32}, "'split_seed': Input should be less than"),
        ({"target": [""]}, "'target': a name is empty"),
        ({"target": ["label", "label"]}, "'target': 'label' is given twice"),
        ({"probe": "closed,closed"}, "'probe': 'closed' is given twice"),
        ({"model": ["muq", "muq"]}, "'model': 'muq' is given twice"),
        ({"model": ["a/mine", "b/mine"]}, "two models are called 'mine'; rename one"),
        ({"batch_seconds": 0.0}, "'batch_seconds': Input should be greater than 0"),
        ({"batch_seconds": 1e306}, "batch_seconds is 1e+306; give seconds of audio above 0, up to 1e+06"),
        ({"precision": "float16"}, "precision 'float16': states of MuQ and MusicFM exceed 65,504"),
        ({"precision": "bfloat16"}, "precision 'bfloat16' is none; give float32, tf32, bf16"),
        ({"precision": "tf32", "device": "cpu"}, "precision 'tf32' is of NVIDIA GPUs from Ampere on"),
        ({"device": "gpu"}, "device 'gpu' is none; give auto, cpu, cuda, cuda:n or mps"),
        ({"device": "cuda:99"}, "device 'cuda:99' is not there; this machine, as torch sees it, has"),
    ],
)
def test_wrong_types_and_what_is_given_twice_are_refused_in_words(given, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        make_plan({"data": "somewhere", **given}, "study.toml")


OWN = """
import torch, layerscope as ls
class Own(ls.Encoder):
    name, sample_rate, frame_rate, layers, dim, fingerprint = NAME, 8000, RATE, (0, 1), 1, "f"
    def encode(self, waveforms):
        return waveforms.unfold(1, 800, 800).mean(-1)[:, None, :, None].repeat(1, 2, 1, 1)
"""


def test_a_name_that_there_is_not_is_told_with_the_place_where_it_stands(tmp_path):
    (tmp_path / "study.toml").write_text("model = ['toy-muq']\ntask = ['gtzan-genres']\n")
    with pytest.raises(UsageError, match=r"study\.toml: unknown task 'gtzan-genres'.*gtzan-genre"):
        read_plan(tmp_path / "study.toml")


@pytest.fixture
def wrong_models(tmp_path, monkeypatch, golden):
    """Models each with a fault of its own, by name."""
    source = golden / "muq-small"
    content, tensors = (source / "model.safetensors").read_bytes(), load_file(source / "model.safetensors")
    first = next(iter(tensors))
    weights = {
        "cut": content[: len(content) // 2],
        "keys": save(tensors | {"head.weight": torch.zeros(2)}),
        "nan": save(tensors | {first: tensors[first] * torch.nan}),
        "bare": content,
    }
    for name, written in weights.items():
        shutil.copytree(source, tmp_path / name, copy_function=shutil.copyfile)
        (tmp_path / name / "model.safetensors").write_bytes(written)
    (tmp_path / "bare" / "config.json").unlink()
    (tmp_path / "of_a_wrong_rate.py").write_text(OWN.replace("NAME", "'own'").replace("RATE", "50.0"))
    (tmp_path / "of_the_same_name.py").write_text(OWN.replace("NAME", "'toy-muq'").replace("RATE", "10.0"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("wrong_models")
@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("cut", "not a readable checkpoint"),
        ("bare", "config.json"),
        ("keys", "'head.weight' is of no layout known"),
        ("nan", "holds non-finite values"),
        ("random:small", "'0-6' is not within 0-4"),
        ("of_a_wrong_rate:Own", "2 s gave 20 frames; frame_rate 50 says 100"),
        ("of_the_same_name:Own", "two models are called 'toy-muq'"),
    ],
)
def test_a_wrong_second_model_is_found_before_the_first_is_used(model, words):
    layers = {"layers": "0-6"} if model == "random:small" else {}
    plan = make_plan({"data": "x", "model": ["toy-muq", model], **layers}, "test")
    with pytest.raises(LayerscopeError, match=words):
        next(plan.encoders())


def test_of_a_twin_one_draw_is_looked_at_beforehand():
    plan = make_plan({"data": "x", "model": ["toy-muq", "random:small"], "twins": 3, "baseline": ["mel"]}, "test")
    names = ["toy-muq", "random:small", "random:small#1", "random:small#2", "mel"]
    assert [encoder.name for encoder in plan.encoders()] == names


def test_a_record_holds_the_precision_and_not_the_place():
    plain = make_plan({"data": "x", "model": "a"}, "").on_record()
    # As it was written before there was a choice.
    assert not {"device", "batch_seconds", "precision", "layers_as", "beyond_plain"} & plain.keys()
    assert make_plan({"data": "x", "model": "a", "layers_as": "4+7"}, "").on_record() == {**plain, "layers_as": ["4+7"]}
    elsewhere = make_plan({"data": "x", "model": "a", "device": "cpu", "batch_seconds": 60.0}, "")
    assert elsewhere.on_record() == plain
    assert make_plan({"data": "x", "model": "a", "precision": "bf16"}, "").on_record() == {**plain, "precision": "bf16"}


def test_deformations_are_on_record_as_they_are_named_and_only_where_they_are_asked_for():
    plain = make_plan({"data": "x"}, "test")
    assert "deform" not in plain.on_record()
    assert "deform" not in plain.model_dump(mode="json")
    asked = make_plan({"data": "x", "deform": ["pitch:+1", "noise:20.0"]}, "test")
    assert asked.on_record()["deform"] == ["pitch:1", "noise:20"]
    # A plan that is read back from its record is the same.
    assert make_plan(asked.model_dump(mode="json"), "test") == asked
    with pytest.raises(UsageError, match="did you mean 'lowpass'"):
        make_plan({"data": "x", "deform": ["lowpas:3000"]}, "test")


@pytest.mark.parametrize(
    ("given", "message"),
    [({"pooling": ["max"]}, "stands beside the mean; give --pooling mean,max"),
     ({"deform": ["gain:-3"]}, "add another .--probe attention,closed."),
     ({"layers_as": "search"}, "reads the frames of one layer, and 'layers_as' is about more"),
     ({"beyond_plain": True}, "'beyond_plain' is about more; add another .--probe attention,closed.")],
)  # fmt: skip
def test_what_attention_cannot_do_is_refused_before_any_work(tmp_path, given, message):
    with pytest.raises(UsageError, match=message):
        make_plan({"data": tmp_path, "model": ["toy-muq"], "probe": ["attention"], **given}, "test")
