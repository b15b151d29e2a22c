"""The worked examples of what these rooms offer, run as they stand."""

import doctest
import importlib

import pytest

MODULES = [
    "atomic_files", "encoders.encoder", "encoders.mel", "encoders.model_names", "encoders.own_encoder",
    "encoders.plain_features", "encoders.published_models", "pretrain.recipe", "toymusic.composer",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples_run_as_they_stand(name):
    failed, tried = doctest.testmod(importlib.import_module(f"layerscope.{name}"))
    assert tried
    assert not failed
