import math

import pytest
import torch
from safetensors.torch import load_file

from layerscope.encoders import load_encoder
from layerscope.encoders.conformer import ConformerModel
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.model_names import UNTRAINED_SIZES
from layerscope.encoders.precision_effect import precision_effect, refuse_wrong_states, relative_differences
from layerscope.errors import ModelError

#: Of the states. A rounding to bf16 is 2⁻⁹ of a number at most; four or five in a row, of either sign, make 1 %.
BOUND = 0.02


@pytest.mark.parametrize("name", ["muq-small", "musicfm-small", "mert2-small"])
def test_bf16_changes_the_states_of_the_official_code_by_little(golden, name):
    expected = load_file(golden / name / "expected.safetensors")
    encoder = load_encoder(golden / name, precision="bf16", device="cpu")
    differences = precision_effect(encoder, [expected["waveforms"]])
    assert len(differences) == len(encoder.layers)
    # Were nothing rounded, it would not be bf16.
    assert min(differences) > 1e-4
    assert max(differences) < BOUND


@pytest.mark.parametrize("name", ["mert95-small", "mert330-small"])
def test_bf16_is_right_or_refused(golden, name):
    """Groups of 12 channels: oneDNN's convolution of them is wrong on CPUs with AMX."""
    pytest.importorskip("transformers")
    waveforms = load_file(golden / name / "expected.safetensors")["waveforms"]
    encoder = load_encoder(golden / name, device="cpu").at("bf16")
    if max(precision_effect(encoder, [waveforms])) > BOUND:
        with pytest.raises(ModelError, match=r"in bf16 on cpu, layer \d differs .*; give --precision float32"):
            load_encoder(golden / name, precision="bf16", device="cpu")
    else:
        load_encoder(golden / name, precision="bf16", device="cpu")


def test_differences_are_relative_to_the_states_of_all_sounds():
    exact = [[torch.full((1, 2, 2), 3.0), torch.zeros(1, 2, 2)], [torch.full((1, 2, 2), 4.0), torch.zeros(1, 2, 2)]]
    other = [[layer + change for layer in sound] for sound, change in zip(exact, (0.3, 0.4), strict=True)]
    first, second = relative_differences(exact, other)
    # √(4 · 0.3² + 4 · 0.4²) over √(4 · 3² + 4 · 4²).
    assert first == pytest.approx(0.1)
    assert second > 1e10


class Wrong(ConformerModel):
    """Under autocast, as a faulty kernel would, it computes something else."""

    fault = 1.5

    def states(self, waveforms, last):
        for state in super().states(waveforms, last):
            yield state * self.fault if torch.is_autocast_enabled("cpu") else state


@pytest.mark.parametrize("fault", [1.5, math.nan])
def test_a_precision_in_which_a_network_is_computed_wrongly_is_refused(fault):
    model = Wrong(UNTRAINED_SIZES["small"])
    model.fault = fault
    with pytest.raises(ModelError, match=r"wrong: in bf16 on cpu, layer \d differs from float32 by (50|51|nan) %"):
        refuse_wrong_states(LayeredEncoder(model, "wrong", precision="bf16"))
    refuse_wrong_states(LayeredEncoder(model, "wrong"))
