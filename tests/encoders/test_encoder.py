import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from layerscope.encoders import load_encoder
from layerscope.encoders.encoder import fingerprint_of, parse_layers, source_digest
from layerscope.errors import UsageError
from layerscope.study.option_base import Computing
from layerscope.study.probe import encoder_of


@pytest.mark.parametrize(
    ("text", "layers"), [("0-5", (0, 1, 2, 3, 4, 5)), ("3", (3,)), ("4-6,0", (0, 4, 5, 6)), ("1,1-2", (1, 2))]
)
def test_layers_are_read(text, layers):
    assert parse_layers(text, 12) == layers


@pytest.mark.parametrize("text", ["", "a", "0-", "-1", "5-3", "13", "0-13", "1;2"])
def test_layers_that_are_none_are_named(text):
    with pytest.raises(UsageError, match="layers"):
        parse_layers(text, 12)


@given(st.sets(st.integers(0, 12), min_size=1))
def test_any_set_of_layers_survives_writing_and_reading(layers):
    assert parse_layers(",".join(map(str, layers)), 12) == tuple(sorted(layers))


def test_fingerprint_changes_with_one_bit_of_one_tensor():
    tensor = torch.zeros(4)
    before = fingerprint_of({"a": 1}, [("w", tensor)])
    assert before == fingerprint_of({"a": 1}, [("w", tensor.clone())])
    tensor[2] = torch.tensor(1, dtype=torch.int32).view(torch.float32)  # the smallest change there is
    assert before != fingerprint_of({"a": 1}, [("w", tensor)])
    assert before != fingerprint_of({"a": 2}, [("w", torch.zeros(4))])


def test_source_digest_tells_modules_apart():
    assert source_digest("layerscope.encoders.mel") != source_digest("layerscope.encoders.encoder")


def test_an_encoder_that_was_trained_on_in_memory_is_known_by_its_weights_of_now():
    encoder = load_encoder("random:small", device="cpu")
    before = encoder.fingerprint
    assert encoder_of(encoder, Computing()).fingerprint == before
    with torch.no_grad():
        next(encoder.model.parameters()).mul_(1.5)
    now = encoder_of(encoder, Computing())
    assert now.fingerprint != before
    assert now.fingerprint == now.network
    assert encoder.at("bfloat16").as_it_is().fingerprint not in (before, now.fingerprint)
    encoder.model.train()
    with pytest.raises(UsageError, match=r"random:small is in training mode; call its model\.eval\(\) first"):
        encoder_of(encoder, Computing())
