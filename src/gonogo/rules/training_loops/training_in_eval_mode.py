"""TRN105."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.loops import Done, acts, applications, outermost, training_loops
from gonogo.analysis.training.modes import In, mode_flow
from gonogo.analysis.training.objects import each
from gonogo.analysis.training.sensitive import is_sensitive
from gonogo.analysis.training.uses import applications_in, call_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("TRN105", "training-in-eval-mode", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def training_in_eval_mode(programs: list[Program]) -> Iterator[Violation]:
    """A network learns in eval mode from the second epoch on, because only the first began with `train()`.

    What it does:
        Follows the mode of each network through the program. Speaks where a network is applied for a loss that it learns from, is
        in train mode the first time round and in eval mode ever after: an evaluation within the loop calls `eval()`, and nothing
        calls `train()` again. A network that learns in eval mode from the start may be meant to (frozen statistics), and is left
        alone. Certain where the network is known to have dropout or normalisation by batch.

    Why it matters:
        Dropout is off and BatchNorm goes by its running statistics, and no longer updates them: the later epochs train another
        network than the first (PyTorch, `torch.nn.Module.train`).

    Instead:
        Call `train()` at the beginning of each epoch, `eval()` before each evaluation.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    learning = {call for done in walked.known(acts) if done.act.does is Does.COMPUTES for call in applications_in(done.act.on)}
    if not learning or not walked.known(training_loops):
        return
    flow = walked.known(mode_flow)
    for done in outermost(walked.known(applications)):
        if call_of(done.at) not in learning:
            continue
        for network in each(done.act.on) & flow.networks:
            modes = flow.modes_at(done.at, network)
            if modes and modes[0] <= {In.TRAIN, In.TRAINED} and {In.EVAL} in modes[1:]:
                sensitive = is_sensitive(walked, network)
                if sensitive is not False:
                    yield _violation(walked, done, sensitive is True)


def _violation(walked: Program, done: Done, sure: bool) -> Violation:
    switches = [entry for entry in walked.known(acts) if entry.act.does is Does.EVAL and each(entry.act.on) & each(done.act.on)]
    return violation(
        done.at,
        "from the second time round the network learns in eval mode: an evaluation leaves it so, and nothing calls `train()` again",
        "call `train()` at the beginning of each epoch",
        sure=sure,
        related=[(switches[0].at, "it is switched to eval mode here")] if switches else [],
    )


TRAINING = """import torch
from torch import nn


def evaluate(model, loader):
    model.eval()
    with torch.no_grad():
        return sum((model(inputs).argmax(1) == labels).sum().item() for inputs, labels in loader)


def fit(model, loader, held_out):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    {before}
    for epoch in range(10):
        {each}
        for inputs, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward(){marker}
            optimizer.step()
        print(epoch, evaluate(model, held_out))


batches = [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8
fit(nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2)), batches, batches[:2])
"""
BAD = program(TRAINING.format(before="model.train()", each="print(epoch)", marker="  # <- here"))
_SEEDS = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, width), nn.Dropout(0.5), nn.Linear(width, 2))

    def forward(self, inputs):
        return self.body(inputs)


batches = [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8
members = []
for seed in {seeds}:
    {made}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(10):
        for inputs, labels in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
    members.append(model.eval())
"""
GOOD = [
    program(_SEEDS.format(seeds="range(3)", made="model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))")),
    program(_SEEDS.format(seeds="range(3)", made="model = Net().to('cpu')")),
    program(_SEEDS.format(seeds="(4, 8, 16)", made="model = Net(seed)")),
    program(_SEEDS.format(seeds="range(3)", made="make = lambda: Net()\n    model = make()")),
    program(TRAINING.format(before="print(len(loader))", each="model.train()", marker="")),
    program(TRAINING.format(before="model.eval()  # frozen statistics", each="print(epoch)", marker="")),
]
