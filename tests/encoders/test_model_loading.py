import pytest

from layerscope.encoders import MODELS, load_encoder
from layerscope.errors import ModelError, UsageError


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UsageError, match="unknown model 'musicfn'; did you mean 'musicfm'"):
        load_encoder("musicfn")


def test_unknown_layer_is_named(golden):
    with pytest.raises(UsageError, match="'4' is not within 0-3"):
        load_encoder(golden / "muq-small", layers="4")


def test_pins_are_whole():
    for model in MODELS.values():
        assert len(model.revision) == 40
        assert len(model.sha256) == 64


def test_a_name_that_is_neither_known_nor_a_path(tmp_path):
    with pytest.raises(UsageError):
        load_encoder(tmp_path / "absent")
    with pytest.raises(ModelError, match="holds no weights"):
        load_encoder(tmp_path)
