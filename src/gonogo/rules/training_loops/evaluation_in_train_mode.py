"""TRN106."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Called, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Mode, Value, constant
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.loops import Done, acts, applications, outermost, training_loops
from gonogo.analysis.training.modes import In, mode_flow
from gonogo.analysis.training.objects import each
from gonogo.analysis.training.sensitive import is_sensitive
from gonogo.analysis.training.uses import applications_in, call_of, scored
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import Placed, violation

# Names of code that predicts in train mode on purpose, or only measures statistics.
ON_PURPOSE = re.compile(
    r"mc_?drop|monte|uncertain|bayes|adapt|tent\b|tta|calib|update_bn|bn_stat|warm|sanity|dummy|ema|teacher|target", re.I
)
STOCHASTIC = re.compile(r"stochastic|epistemic|aleatoric|enable_dropout|forward_pass(?:es)?\b|mc_samples|dropout_samples", re.I)
SWITCH = re.compile(r"^(?:is_)?(?:train|training|inference|deterministic|test|eval|evaluate)(?:_mode)?$", re.I)


@rule("TRN106", "evaluation-in-train-mode", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def evaluation_in_train_mode(programs: list[Program]) -> Iterator[Violation]:
    """A network that has learned is scored while it is still in train mode.

    What it does:
        Follows the mode of each network through the program. Speaks where one that has made steps is applied without automatic
        differentiation in a loop over other data, its predictions are scored, and on every path it is still in the mode it learned
        in. Certain where the network is known to have dropout or normalisation by batch, likely where its layers are not all known.

    Why it matters:
        Dropout goes on dropping and BatchNorm goes by the statistics of the test batch, and updates its own with them: the score
        depends on the batch size and on chance, and test data leak into the network (PyTorch, `torch.nn.Module.eval`). `no_grad`
        does not change the mode.

    Instead:
        Call `eval()` before the evaluation and `train()` after it.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    if not walked.known(training_loops):
        return
    learning = {call for done in walked.known(acts) if done.act.does is Does.COMPUTES for call in applications_in(done.act.on)}
    for done in walked.known(applications):
        if call_of(done.at) in learning:  # a network that returns several things learns by its parts
            learning |= {around.call for around in done.at.around() if isinstance(around, Called) and around.applied is not None}
    flow = walked.known(mode_flow)
    learned = {network for done in walked.known(applications) if call_of(done.at) in learning for network in each(done.act.on)}
    told: set[object] = set()  # one fault for all that one function applies a network to
    for done in outermost(walked.known(applications)):
        call = call_of(done.at)
        if call is None or call in learning or not _is_evaluation(call, done):
            continue
        for network in each(done.act.on) & flow.networks:
            modes = {mode for visit in flow.modes_at(done.at, network) for mode in visit}
            here = _switched_here(walked, done, network) if modes and modes <= {In.TRAIN, In.TRAINED} and network in learned else None
            if (modes == {In.TRAINED} or here is not None) and call in walked.known(scored):
                sensitive = is_sensitive(walked, network)
                around = next((entry for entry in done.at.around() if isinstance(entry, Called)), None)
                if sensitive is not False and (network, around) not in told:
                    told.add((network, around))
                    message = "the network is scored in train mode: it has learned in it, and nothing calls `eval()` before"
                    if here is not None:
                        message = "the network is scored in train mode, to which the evaluation switches it"
                    yield violation(
                        done.at,
                        message,
                        "call `eval()` before the evaluation, and `train()` when learning goes on",
                        sure=sensitive is True and not _has_switch(call),
                        related=_related(walked, done) if here is None else [(here.at, "it is switched here")],
                    )


def _switched_here(walked: Program, done: Done, network: Value) -> Done | None:
    """The `train()` of the function that applies a network without gradients, which computes none itself.

    None where there is none, or where the file has to do with predictions in train mode.
    """
    around = next((entry for entry in done.at.around() if isinstance(entry, Called)), None)
    call, text = call_of(done.at), done.at.module.text
    if around is None or ON_PURPOSE.search(text) or STOCHASTIC.search(text):
        return None
    if call is None or len(call.arguments) > 1:
        return None  # detectors of torchvision give their losses in train mode alone, and take the targets for it
    own = [entry for entry in walked.known(acts) if next((each for each in entry.at.around() if isinstance(each, Called)), None) is around]
    if any(entry.act.does is Does.COMPUTES for entry in own):
        return None
    return next((entry for entry in own if entry.act.does is Does.TRAIN and network in each(entry.act.on)), None)


def _is_evaluation(call: Call, done: Done) -> bool:
    """Return whether a network is applied for an evaluation.

    The application is in a loop of its own, without gradients or in a function that says so.
    """
    if not any(isinstance(entry, Loop) and entry.kind != "callback" for entry in done.at.around()):
        return False
    names = [
        entry.definition.name for entry in done.at.around() if isinstance(entry, Called) and isinstance(entry.definition, ast.FunctionDef)
    ]
    if any(ON_PURPOSE.search(name) for name in names):
        return False
    return call.context.grad is Mode.OFF


def _has_switch(call: Call) -> bool:
    """Whether the network is told by an argument that it does not learn: its layers may go by that."""
    return any(SWITCH.search(name) and isinstance(constant(value), bool) for name, value in call.keywords.items())


def _related(walked: Program, done: Done) -> list[tuple[Placed, str]]:
    steps = [entry for entry in walked.known(acts) if entry.act.does is Does.COMPUTES]
    return [(steps[0].at, "it learns here")] if steps else []


PROGRAM = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.head = nn.Linear(8, 2)

    def forward(self, inputs):
        return self.head(self.body(inputs))


def accuracy(model, loader):
    right = 0
    {switch}
    with torch.no_grad():
        for inputs, labels in loader:
            right += (model(inputs).argmax(1) == labels).sum().item(){marker}
    return right


model = Net()
optimizer = torch.optim.Adam(model.parameters())
batches = [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8
for epoch in range(3):
    model.train()
    for inputs, labels in batches[:6]:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    print(accuracy(model, batches[6:]))
"""
BAD = [
    program(PROGRAM.format(switch="print(len(loader))", marker="  # <- here")),
    program(PROGRAM.format(switch="model.train()", marker="  # <- here")),
]
GOOD = [
    program(PROGRAM.format(switch="model.eval()", marker="")),
    program(PROGRAM.format(switch="model.train(False)", marker="")),
    program(PROGRAM.format(switch="model.train()\n    print('Monte Carlo dropout')", marker="")),
    program(PROGRAM.format(switch="model.train()\n    model.eval()", marker="")),
    program(PROGRAM.format(switch="print(len(loader))", marker="").replace("nn.BatchNorm1d(8)", "nn.LayerNorm(8)")),
]
