import copy
import subprocess
import sys

import torch
from torch import nn

from layerscope.probes.adam import Adam


def test_steps_and_halvings_are_those_of_torch():
    torch.manual_seed(0)
    probe = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    reference = copy.deepcopy(probe)
    ours = Adam(probe.parameters(), 0.01, patience=2)
    theirs = torch.optim.AdamW(reference.parameters(), lr=0.01, weight_decay=0.0, fused=True)
    halving = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, mode="max", factor=0.5, patience=2)
    scores = [-0.5, -0.5, -0.50001, -0.49, 0.2, 0.2, 0.2, 0.20001, 0.2, 0.3, 0.3, 0.3, 0.3, float("nan"), 0.1, 0.1, 0.1]
    rates = []
    for score in scores:
        states = torch.randn(32, 8)
        for network, optimizer in ((probe, ours), (reference, theirs)):
            optimizer.zero_grad()
            network(states).square().sum().backward()
            optimizer.step()
        ours.judge(score)
        halving.step(score)
        rates.append(ours.rate)
        assert ours.rate == theirs.param_groups[0]["lr"]
    assert len(set(rates)) >= 3
    for mine, other in zip(probe.parameters(), reference.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_training_does_not_import_the_compiler_of_torch():
    program = """
import sys, torch
from layerscope.probes.adam import Adam
probe = torch.nn.Linear(2, 1)
optimizer = Adam(probe.parameters(), 0.1, 1)
probe(torch.ones(4, 2)).sum().backward()
optimizer.step()
optimizer.judge(1.0)
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
