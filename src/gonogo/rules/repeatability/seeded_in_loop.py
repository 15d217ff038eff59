"""REP103."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Called, Happening, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import arguments_of, is_none_literal, last_name, origin
from gonogo.analysis.training.generators import Seed, draws, is_fixed, seeds
from gonogo.analysis.training.repeats import goes_on_training
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

OWN = ("numpy.random.default_rng", "numpy.random.RandomState", "random.Random")


@rule("REP103", "seeded-in-loop", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def seeded_in_loop(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """A generator gets the same seed in every iteration of a loop, so each draws the same numbers.

    What it does:
        Speaks where a loop that goes on training one network seeds a generator with a fixed number, where a dataset does so for each
        sample, and where a loop seeds and draws numbers that it collects, also from a generator that each turn makes anew
        (`default_rng(seed)`). A loop over settings, each of which is trained anew, is
        right to seed each of them alike.

    Why it matters:
        Each epoch then sees the same order, the same augmentation and the same dropout masks, and repetitions are no repetitions.

    Instead:
        Seed once before the loop, or with a number that the turn goes into.
    """
    yield from by_place(found for walked in programs for found in _found(walked))
    for module in modules.values():
        for loop in module.of(ast.For):
            yield from _made_anew(module, loop)


def _made_anew(module: Module, loop: ast.For) -> Iterator[Violation]:
    """A generator that each repetition makes anew from a fixed seed, to collect what it draws."""
    if not (_repeats(loop) and isinstance(loop.iter, ast.Call) and last_name(loop.iter.func) in ("range", "trange")):
        return
    stored = {
        node.id for statement in loop.body for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    stored |= {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
    read = {node.id for statement in loop.body for node in ast.walk(statement) if isinstance(node, ast.Name)}
    collects = any(isinstance(node, ast.Attribute) and node.attr == "append" for statement in loop.body for node in ast.walk(statement))
    if not collects or read & {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)} - {"_"}:
        return
    for statement in loop.body:
        call = statement.value if isinstance(statement, ast.Assign) else None
        if not isinstance(call, ast.Call) or origin(module, call.func) not in OWN or len(call.args) != 1 or call.keywords:
            continue
        name = statement.targets[0] if isinstance(statement, ast.Assign) else None
        drawn = {ast.unparse(node.value) for inner in loop.body for node in ast.walk(inner) if isinstance(node, ast.Attribute)}
        if not isinstance(name, ast.Name) or name.id not in drawn:
            continue  # whatever draws from it is elsewhere
        seed = call.args[0]
        if isinstance(seed, (ast.Constant, ast.Name, ast.Attribute)) and not (
            ast.unparse(seed).partition(".")[0] in stored or is_none_literal(seed)
        ):
            yield Violation(
                module.location(statement),
                "each turn of the loop makes its generator from the same seed, and draws the same numbers",
                "make the generator once, before the loop",
            )


def _found(walked: Program) -> Iterator[Violation]:
    for seed in walked.gather(seeds):
        if not is_fixed(seed.value) or any(isinstance(around, Branch) for around in seed.at.around()):
            continue
        problem = _problem(walked, seed)
        if problem:
            yield violation(seed.at, f"the generator is seeded with the same number {problem}", "seed once, before the loop")


def _problem(walked: Program, seed: Seed) -> str:
    loops = [entry for entry in seed.at.around() if isinstance(entry, Loop) and entry.kind in ("for", "while") and len(entry.turns) == 1]
    for loop in loops[:1]:
        if _changes(loop, seed) or _is_seeded_anew(walked, loop, seed):
            continue
        if goes_on_training(walked, loop):
            return "in every turn of the training loop"
        if any(draw.library in seed.libraries and _directly(draw.at, loop) for draw in walked.gather(draws)) and _is_counted(loop):
            return "in every turn of the loop that draws"
    for around in seed.at.around():
        if isinstance(around, Called) and around.worker and getattr(around.definition, "name", "") == "__getitem__":
            return "for every sample"
    return ""


def _changes(loop: Loop, seed: Seed) -> bool:
    """Whether the loop gives what the generator is seeded with another value: `cfg.seed = cfg.seed + 1`."""
    nodes = [seed.at.node, *(entry.node for entry in seed.at.around() if isinstance(entry, Called))]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    given = [inner for call in calls for inner in arguments_of(call)]
    written = {ast.unparse(inner) for entry in given for inner in ast.walk(entry) if isinstance(inner, (ast.Name, ast.Attribute))}
    bodies = [inner for statement in getattr(loop.node, "body", ()) for inner in ast.walk(statement)]
    targets = [target for inner in bodies if isinstance(inner, ast.Assign) for target in inner.targets]
    targets += [inner.target for inner in bodies if isinstance(inner, ast.AugAssign)]
    return any(isinstance(target, (ast.Name, ast.Attribute)) and ast.unparse(target) in written for target in targets)


def _is_seeded_anew(walked: Program, loop: Loop, seed: Seed) -> bool:
    """Return whether each iteration also seeds the generator with a number of its own.

    The fixed seed is then for a part of the iteration, such as an evaluation.
    """
    others = (other for other in walked.gather(seeds) if loop in other.at.around() and not is_fixed(other.value))
    return seed.libraries <= {library for other in others for library in other.libraries}


def _directly(entry: Happening, loop: Loop) -> bool:
    return next((around for around in entry.around() if isinstance(around, Loop)), None) is loop


def _is_counted(loop: Loop) -> bool:
    """Whether a loop repeats something, `for _ in range(n)`, so that its turns should differ."""
    return isinstance(loop.node, ast.For) and _repeats(loop.node)


def _repeats(loop: ast.For) -> bool:
    return isinstance(loop.target, ast.Name) and loop.target.id in (
        "_",
        "i",
        "rep",
        "repetition",
        "trial",
        "run",
        "epoch",
        "step",
        "bootstrap",
        "b",
    )


PROGRAM = """import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
inputs, labels = torch.load("data.pt")
for epoch in range(10):
    {first}
    order = torch.randperm(len(inputs))
    for index in order.split(32):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[index]), labels[index]).backward()
        optimizer.step()
"""
BOOTSTRAP = """import random

import numpy as np


def interval(values, seed=0):
    rng = np.random.default_rng(seed)
    means = []
    for b in range(1000):
        {make}
        means.append({draw})
    return np.percentile(means, [2.5, 97.5])


print(interval(np.loadtxt("scores.txt")))
"""
MEAN = "rng.choice(values, size=len(values)).mean()"
BAD = [
    program(PROGRAM.format(first="torch.manual_seed(0)  # <- here")),
    program(BOOTSTRAP.format(make="rng = np.random.default_rng(seed)  # <- here", draw=MEAN)),
    program(BOOTSTRAP.format(make="rng = np.random.RandomState(7)  # <- here", draw=MEAN)),
    program(BOOTSTRAP.format(make="rng = random.Random(0)  # <- here", draw="rng.choice(values)")),
]
GOOD = [
    program(BOOTSTRAP.format(make="rng = np.random.default_rng([seed, b])", draw=MEAN)),
    program(BOOTSTRAP.format(make="rng = np.random.default_rng(seed)", draw=f"{MEAN} + b")),
    program(BOOTSTRAP.format(make="rng = np.random.default_rng()", draw=MEAN)),
    program(BOOTSTRAP.format(make="print(b)", draw=MEAN)),
    program(BOOTSTRAP.format(make="np.RNG = np.random.default_rng(seed)", draw="values.mean()")),
    program(PROGRAM.format(first="torch.manual_seed(epoch)")),
    program(
        """import torch
from torch import nn

inputs, labels = torch.load("data.pt")
for rate in (0.1, 0.01, 0.001, 0.3):
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
"""
    ),
]
