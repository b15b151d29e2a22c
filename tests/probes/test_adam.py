import copy
import subprocess
import sys

import torch
from torch import nn

from layerscope.probes.adam import Adam, StackedAdam


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


def test_in_a_stack_each_training_takes_the_steps_that_it_takes_alone():
    torch.manual_seed(0)
    rates, shapes = [0.1, 0.01, 0.003], [(4, 3), (3,)]
    alone = [[nn.Parameter(torch.randn(shape)) for shape in shapes] for _ in rates]
    stacked = StackedAdam([torch.stack([each[n].detach() for each in alone]) for n in range(2)], rates, patience=1)
    single = [Adam(each, rate, patience=1) for each, rate in zip(alone, rates, strict=True)]
    live = [0, 1, 2]
    scores = torch.randn(12, 3, generator=torch.Generator().manual_seed(1)).cummax(dim=0).values.tolist()
    scores[4][1] = float("-inf")
    for step, of_step in enumerate(scores):
        if step == 7:
            # The second training stops.
            live = [0, 2]
            stacked.take(live)
        gradients = [torch.randn(3, *shape) for shape in shapes]
        for place in live:
            for parameter, gradient in zip(alone[place], gradients, strict=True):
                parameter.grad = gradient[place].clone()
            single[place].step()
            single[place].judge(of_step[place])
        stacked.step([gradient[live] for gradient in gradients])
        stacked.judge([of_step[place] for place in live])
        assert stacked.rates.tolist() == [single[place].rate for place in live]
    assert stacked.rates[0] < rates[0]
    for row, place in enumerate(live):
        for together, parameter in zip(stacked.parameters, alone[place], strict=True):
            torch.testing.assert_close(together[row], parameter.detach(), rtol=1e-5, atol=1e-6)
