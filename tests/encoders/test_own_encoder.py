import gc
import re
import sys
import textwrap
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from layerscope.encoders import Encoder, load_encoder
from layerscope.encoders.own_encoder import encode_batch, verify
from layerscope.errors import ModelError, ResourceError, UsageError
from layerscope.study.options import make_plan


class Own(Encoder):
    """Keeps the contract; each test breaks one thing."""

    name, sample_rate, frame_rate, layers, dim, fingerprint = "own", 8000, 10.0, (0, 1), 3, "f1"
    minimum_samples = 800

    def encode(self, waveforms):
        frames = waveforms[:, : waveforms.shape[1] // 800 * 800].unflatten(1, (-1, 800)).square().mean(-1)
        return torch.stack([frames, frames + 1], dim=1)[..., None].repeat(1, 1, 1, 3)


def test_the_contract_can_be_kept():
    verify(Own(), "x:y")


class Stages(Own):
    """A width, and a rate, of its own in every layer."""

    dim, widths = None, (3, 5)

    def encode(self, waveforms):
        states = Own.encode(self, waveforms)[:, 0]
        return [states, states[:, ::2, :1].repeat(1, 1, 5)]


def test_layers_may_have_widths_of_their_own():
    verify(Stages(), "x:y")
    with pytest.raises(ModelError, match=r"returned shapes .* widths \(3, 4\)"):
        verify(type("Wrong", (Stages,), {"widths": (3, 4)})(), "x:y")


def broken(**changes):
    return type("Broken", (Own,), changes)()


@pytest.mark.parametrize(
    ("encoder", "words"),
    [
        (object(), "returned object; return an instance of a subclass"),
        (broken(dim=None), "'dim' is None; set it to a int"),
        (broken(layers=[0, 1]), r"'layers' is \[0, 1\]; set it to a tuple"),
        (broken(fingerprint=None), "'fingerprint' is None"),
        (broken(dim=4), r"shape \(2, 2, 20, 3\); expected \(batch, layer, frame, dim\) = \(2, 2, 'frame', 4\)"),
        (broken(layers=(0,)), "expected"),
        (broken(frame_rate=25.0), "2 s gave 20 frames; frame_rate 25 says 50"),
        (broken(encode=lambda self, w: Own.encode(self, w).double()), "encode returned torch.float64"),
        (broken(encode=lambda self, w: Own.encode(self, w).numpy()), "return a float32 tensor"),
        (broken(encode=lambda self, w: Own.encode(self, w) + torch.rand(1)), "the same waveforms gave other states"),
        (broken(encode=lambda self, w: Own.encode(self, w) / len(w)), "a clip alone differs from the clip in a batch"),
        (broken(encode=lambda self, w: Own.encode(self, w).log()), "states of silence are not finite"),
        (broken(minimum_samples=10), "minimum_samples gives no frame"),
    ],
)
def test_what_breaks_it_is_named_with_what_to_mend(encoder, words):
    with pytest.raises(ModelError, match=words):
        verify(encoder, "x:y")


def test_a_factory_in_the_working_directory_is_found(tmp_path, monkeypatch):
    source = """
    import torch, layerscope as ls
    class Mine(ls.Encoder):
        name, sample_rate, frame_rate, layers, dim, fingerprint = "mine", 8000, 8000 / 1000, (0,), 1, "f"
        def encode(self, waveforms):
            return waveforms[:, : waveforms.shape[1] // 1000 * 1000].unflatten(1, (-1, 1000)).mean(-1)[:, None, :, None]
    """
    (tmp_path / "my_own_module.py").write_text(textwrap.dedent(source))
    monkeypatch.chdir(tmp_path)
    assert load_encoder("my_own_module:Mine").name == "mine"


def test_a_factory_takes_what_stands_behind_a_question_mark_and_no_step_is_taken_for_another(tmp_path, monkeypatch):
    source = """
        from test_own_encoder import Own

        def make(step, size="small"):
            made = Own()
            made.taken = (step, size)
            return made
    """
    (tmp_path / "module_of_steps.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    addresses = ["module_of_steps:make?step=1000", "module_of_steps:make?step=2000&size=0.50"]
    plan = make_plan({"data": str(tmp_path), "model": addresses}, "")
    assert plan.model == addresses
    early, late = map(load_encoder, addresses)
    assert (early.name, early.taken) == ("own@1000", (1000, "small"))
    assert (late.name, late.taken) == ("own@2000", (2000, "0.50"))
    assert len({early.fingerprint, late.fingerprint, Own().fingerprint}) == 3
    assert load_encoder(addresses[0]).fingerprint == early.fingerprint


@pytest.mark.parametrize("query", ["", "1000", "=1000", "step=1&step=2", "a b=1", "step"])
def test_what_no_factory_can_take_is_refused_in_words(query):
    with pytest.raises(ModelError, match="write what the factory takes, each once"):
        load_encoder(f"math:sin?{query}")


@pytest.mark.parametrize(
    ("address", "words"),
    [("no_such_module:factory", "cannot be imported"), ("math:nothing", "module 'math' has no callable 'nothing'")],
)
def test_an_address_that_leads_nowhere_is_an_error(address, words):
    with pytest.raises(ModelError, match=words):
        load_encoder(address)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "def make():\n    raise RuntimeError('no weights\\nthere')",
            r"RuntimeError: no weights there .*line 2",
        ),
        ("raise ValueError('at import')", r"raised ValueError: at import .*, line 1"),
        ("def make(:", r"raised SyntaxError: .*, line 1"),
        ("import sys\ndef make():\n    sys.exit(0)", r"raised SystemExit: 0 .*, line 3"),
        ("import os\ndef make(size):\n    pass", r"raised TypeError: make\(\) missing 1 required"),
    ],
)
def test_what_somebodys_code_raises_is_said_with_its_line(source, words, tmp_path, monkeypatch):
    # A module of the same name is not imported twice.
    module = f"raising_{abs(hash(source))}"
    (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=words):
        load_encoder(f"{module}:make")


def test_entry_points_are_names_and_suggestions(monkeypatch):
    entry = EntryPoint("bands", "test_own_encoder:Own", "layerscope.encoders")
    monkeypatch.setattr("layerscope.encoders.encoder_address.entry_points", lambda **_: [entry])
    assert load_encoder("bands").name == "own"
    with pytest.raises(UsageError, match="did you mean 'bands'"):
        load_encoder("band")


def test_what_a_module_asks_for_in_vain_is_its_authors_error(tmp_path, monkeypatch):
    (tmp_path / "asking.py").write_text("import torch\nimport no_such_library_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=r"No module named 'no_such_library_at_all' .*asking\.py, line 2"):
        load_encoder("asking:make")


@pytest.mark.parametrize("address", [":make", "module:", ".relative:make", "a b:make"])
def test_what_is_no_address_is_refused_in_words(address):
    with pytest.raises(ModelError, match=r"write package\.module:factory"):
        load_encoder(address)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sample_rate": 0}, "'sample_rate' is 0; set it to a number above 0"),
        ({"sample_rate": 24}, "'sample_rate' is 24; set it to that of music, in Hz"),
        ({"sample_rate": True}, "'sample_rate' is True; set it to a int"),
        ({"frame_rate": float("nan")}, "'frame_rate' is nan; set it to a number above 0"),
        ({"layers": ()}, r"'layers' is \(\); set it to different whole numbers"),
        ({"layers": (1, 0)}, "ascending"),
        ({"layers": ("a", "b")}, "whole numbers"),
        ({"window": "long"}, "'window' is 'long'"),
        ({"minimum_samples": None}, "'minimum_samples' is None"),
        ({"widths": 3}, "'widths' to one for each layer"),
    ],
)
def test_attributes_that_cannot_be_are_named(changes, words):
    with pytest.raises(ModelError, match=words):
        verify(broken(**changes), "x:y")


def test_a_choice_of_layers_that_an_encoder_does_not_offer_is_refused(monkeypatch):
    entry = EntryPoint("bands", "test_own_encoder:Own", "layerscope.encoders")
    monkeypatch.setattr("layerscope.encoders.encoder_address.entry_points", lambda **_: [entry])
    assert load_encoder("bands", layers="0-1").layers == (0, 1)
    with pytest.raises(UsageError, match="own gives layers 0, 1 and no choice of them"):
        load_encoder("bands", layers="0")
    with pytest.raises(UsageError, match="'0-5' is not within 0-1"):
        load_encoder("bands", layers="0-5")


def test_a_line_of_ones_own_is_named_not_that_of_a_library():
    def encode(_, waveforms):
        return torch.nn.functional.linear(waveforms, torch.ones(1, 1))

    line = encode.__code__.co_firstlineno + 1
    with pytest.raises(ModelError, match=rf"RuntimeError: .*test_own_encoder\.py, line {line}\); mend it there"):
        encode_batch(broken(encode=encode), torch.zeros(2, 8000), "'a.wav'")


def test_full_memory_is_the_machines():
    def encode(*_):
        return torch.empty(2**60)

    with pytest.raises(ResourceError, match=r"own: out of memory at 'a.wav' \(.*; choose a shorter --window"):
        encode_batch(broken(encode=encode), torch.zeros(2, 8000), "'a.wav'")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "async def make(): return Loudness()",
            r"returned a coroutine \(write def, not async def\); return an instance",
        ),
        ("def make(): return Loudness", r"returned the class Loudness itself, not an instance \(write Loudness\(\)\)"),
        ("def make(): pass", "returned nothing; return an instance of a subclass"),
        ("def make(): yield Loudness()", "returned generator; return an instance"),
        ("make = Loudness()", "no callable 'make'; 'make' is one, not a function that returns it"),
        (
            "class make(Loudness):\n    async def encode(self, waveforms): return waveforms",
            r"encode returned a coroutine \(write def, not async def\); return a float32 tensor",
        ),
    ],
)
def test_what_a_factory_gives_in_place_of_an_encoder_is_said_without_a_warning(source, words, tmp_path, monkeypatch):
    loudness = """
        from layerscope import Encoder
        class Loudness(Encoder):
            name, sample_rate, frame_rate, layers, dim, fingerprint = "loudness", 8000, 10.0, (0,), 1, "loudness-1"
            def encode(self, waveforms):
                return waveforms.unfold(1, 800, 800).square().mean(dim=2)[:, None, :, None]
    """
    module = f"giving_{abs(hash(source))}"
    (tmp_path / f"{module}.py").write_text(textwrap.dedent(loudness) + source)
    monkeypatch.syspath_prepend(tmp_path)
    unraised = []
    monkeypatch.setattr(sys, "unraisablehook", unraised.append)
    with pytest.raises(ModelError, match=words):
        load_encoder(f"{module}:make")
    gc.collect()
    assert unraised == []


def test_a_file_in_place_of_a_module_is_answered_by_the_module():
    with pytest.raises(ModelError, match="write my_encoder:make"):
        load_encoder("my_encoder.py:make")


class Wanting(Encoder):
    """Gives states that cannot be taken, as its `change` makes them."""

    name, sample_rate, frame_rate, layers, dim, fingerprint = "wanting", 8000, 10.0, (0,), 1, "wanting-1"

    def __init__(self, change):
        self.change = change

    def encode(self, waveforms):
        return self.change(waveforms.unfold(1, 800, 800).square().mean(dim=2)[:, None, :, None])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda states: states * float("nan"), "states of noise are not finite"),
        (lambda states: states.to("meta"), r"encode returned a tensor without numbers \(meta\)"),
        (lambda states: states.to_sparse(), "encode returned a tensor of layout torch.sparse_coo"),
        (lambda states: states.numpy(), "encode returned ndarray; return a float32 tensor"),
    ],
)
def test_states_that_cannot_be_taken_are_called_what_they_are(change, reason):
    with pytest.raises(ModelError, match=reason):
        verify(Wanting(change), "mine:factory")


def test_gradients_bring_no_note_of_a_library(recwarn):
    verify(Wanting(lambda states: states.clone().requires_grad_() * 1.0), "mine:factory")
    assert not recwarn.list


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[31m", "a\ud800"])
def test_a_name_that_no_table_shows_is_refused(name):
    encoder = Wanting(lambda states: states)
    encoder.name = name
    with pytest.raises(ModelError, match=r"'name' is .*; set it to a name on one line"):
        verify(encoder, "mine:factory")


@pytest.mark.parametrize("name", ["name", "fingerprint", "sample_rate", "layers"])
def test_what_an_encoder_says_of_itself_may_not_change_while_it_encodes(name):
    def encode(encoder, waveforms):
        states = Own.encode(encoder, waveforms)
        setattr(encoder, name, {"sample_rate": 16_000, "layers": (0, 2)}.get(name, "other"))
        return states

    with pytest.raises(ModelError, match=f"own, given 'a.wav': encode changed '{name}'"):
        encode_batch(broken(encode=encode), torch.ones(1, 1600), "'a.wav'")


def test_states_that_ask_for_gradients_are_taken_without_them():
    encoder = broken(encode=lambda self, waveforms: Own.encode(self, waveforms).requires_grad_())
    assert not any(layer.requires_grad for layer in encode_batch(encoder, torch.ones(1, 1600), "'a.wav'"))


def test_frames_of_the_documents_encoder_are_equal_stretches():
    page = (Path(__file__).parents[2] / "docs" / "your-own-encoder.md").read_text(encoding="utf-8")
    module = {}
    exec(re.search(r"```python\n(# my_encoder.py\n.*?)```", page, flags=re.DOTALL)[1], module)
    encoder = module["factory"]()
    verify(encoder, "my_encoder:factory")
    click, frame = torch.zeros(1, encoder.sample_rate), 20
    click[0, frame * encoder.sample_rate // int(encoder.frame_rate)] = 1.0
    loudness = encoder.encode(click)[0, 0].sum(dim=1)
    assert len(loudness) == encoder.frame_rate
    # Where one stretch ends and the next begins, both hear as much.
    assert sorted(loudness.topk(2).indices.tolist()) == [frame - 1, frame]
    torch.testing.assert_close(loudness[frame - 1], loudness[frame])
