"""The encoder of docs/crepe.md against the network that comes with its weights."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch

PAGE = Path(__file__).parents[2] / "docs" / "crepe.md"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("torchcrepe") is None, reason="torchcrepe is not installed: make setup")
def test_the_states_are_those_of_the_packages_own_network(monkeypatch):
    module = {}
    exec(re.search(r"```python\n(# crepe.py\n.*?)```", PAGE.read_text(), flags=re.DOTALL)[1], module)
    encoder = module["factory"]()
    code = Path(find_spec("torchcrepe").origin).with_name("model.py").read_text()
    # Of the package the network alone: the rest of it asks for more packages.
    parent = ModuleType("torchcrepe")
    parent.PITCH_BINS = 360
    monkeypatch.setitem(sys.modules, "torchcrepe", parent)
    reference = {}
    exec(code, reference)
    network = reference["Crepe"]("full").eval()
    network.load_state_dict(encoder.weights)
    waveform = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
    # The second frame, 3,200 samples on, is the first that no padding touches.
    frame = waveform[:, 3200 - 512 : 3200 + 512]
    with torch.inference_mode():
        embedding = network.embed((frame - frame.mean()) / frame.std())
        last = network.layer(embedding, network.conv6, network.conv6_BN)
    *_, fifth, sixth = encoder.encode(waveform)
    torch.testing.assert_close(fifth[0, 1], embedding[0, :, :, 0].mean(-1), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(sixth[0, 1], last[0, :, :, 0].mean(-1), atol=1e-6, rtol=1e-4)
