"""REP101."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Called
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, constant
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.generators import TORCH, draws, layers_drawn, seeds
from gonogo.analysis.training.kinds import kind_of
from gonogo.analysis.training.loops import training_loops
from gonogo.analysis.training.made import loaders_made
from gonogo.analysis.training.order import Order
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import Placed, violation

# Frameworks that seed everything themselves, by what is made of them.
SEEDING = ("TrainingArguments", "Seq2SeqTrainingArguments", "SFTConfig", "DPOConfig", "GRPOConfig", "PPOConfig")
_SEED = re.compile(r"seed|determinis|reproducib|(?:set|fix|init|setup|control)\w*_(?:randomness|random|random_state|rng)$", re.IGNORECASE)


@rule("REP101", "never-seeded", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def never_seeded(programs: list[Program]) -> Iterator[Violation]:
    """A training script draws random numbers from generators that nothing seeds.

    What it does:
        Looks at scripts that train, and at those that sample texts with `generate(do_sample=True)` of transformers. Speaks where
        weights are initialised, batches shuffled or numbers drawn from the generator that
        PyTorch, NumPy, TensorFlow or Python's `random` keeps for all, and neither the script nor what it calls seeds that one, and
        no framework that seeds by itself is used. Generators with a state of their own (`default_rng(0)`) are not meant.

    Why it matters:
        No run can be repeated, a bug seen once is gone, and a difference between two settings may be one between two seeds
        (PyTorch, "Reproducibility"; Henderson et al., Deep reinforcement learning that matters, 2018; Bouthillier et al.,
        Accounting for variance in machine learning benchmarks, 2021).

    Instead:
        Seed each generator once, at the start, with a number from the settings; run several seeds for a claim.
    """
    yield from by_place(found for walked in programs if walked.is_script for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    if not walked.known(training_loops) and not walked.has("fit"):
        yield from _sampled(walked)
        return
    if walked.has(*SEEDING) or _mentions_seeding(walked):
        return
    seeded = {library for seed in walked.gather(seeds) for library in seed.libraries}
    order = walked.known(Order)
    listed: list[tuple[int, str, Placed]] = [(order.place(draw.at), draw.library, draw.at) for draw in walked.gather(draws)]
    if walked.known(training_loops):
        listed += [(order.made(made) or 0, TORCH, made) for made in _torch_draws(walked)]
    drawn: dict[str, Placed] = {}
    for _, library, at in sorted(listed, key=lambda entry: entry[0]):
        drawn.setdefault(library, at)
    missing = {library: at for library, at in drawn.items() if library not in seeded}
    if missing and walked.module.path:
        names = " and ".join(f"`{name}`" if name == "random" else name for name in missing)
        yield violation(
            next(iter(missing.values())),
            f"numbers are drawn from the generators of {names}, which nothing seeds: no run can be repeated",
            "seed them once at the start, with a number from the settings",
            sure=False,
        )


def _sampled(walked: Program) -> Iterator[Violation]:
    """Texts that are sampled from PyTorch's generator, which nothing seeds."""
    sampled = [event for event in walked.calls("generate") if constant(event.call.argument(None, "do_sample")) is True]
    uses_transformers = any(dotted.startswith("transformers") for dotted in walked.module.imports.values())
    if not sampled or not uses_transformers or walked.has(*SEEDING) or _mentions_seeding(walked):
        return
    if sampled[0].call.argument(None, "generator", "seed") is None and not any(TORCH in seed.libraries for seed in walked.gather(seeds)):
        yield violation(
            sampled[0],
            "texts are sampled from the generator of PyTorch, which nothing seeds: no run can be repeated",
            "seed it once at the start, with a number from the settings",
            sure=False,
        )


def _torch_draws(walked: Program) -> Iterator[Call]:
    """The layers whose weights are drawn, and the loaders that shuffle."""
    yield from walked.gather(layers_drawn)
    yield from (loader for loader in walked.gather(loaders_made) if constant(loader.argument(2, "shuffle")) is True)


def _is_own(call: Call) -> bool:
    """`torch.Generator().manual_seed(0)`: the seed of a generator of its own."""
    made = base(call.receiver) if call.receiver is not None else None
    return isinstance(made, Call) and made.short in ("Generator", "RandomState", "default_rng", "Random")


def _mentions_seeding(walked: Program) -> bool:
    """Return whether something that is called may set a seed.

    It is a function with such a name, whose code can't be read.
    """
    for event in walked.calls():
        call = event.call
        if _SEED.search(call.short) and not call.name.startswith(("numpy.", "random.", "torch.")) and not _is_own(call):
            return True
        if isinstance(call, Call) and call.short == "Trainer" and kind_of(call) is None and call.name.startswith("transformers"):
            return True
    return any(_SEED.search(getattr(called.definition, "name", "")) and not called.body.items for called in walked.all(Called))


PROGRAM = """import torch
from torch import nn

{seed}
model = nn.Sequential(
    nn.Linear(4, 8),{marker}
    nn.ReLU(),
    nn.Linear(8, 2),
)
optimizer = torch.optim.Adam(model.parameters())
batches = torch.load("batches.pt")
for inputs, labels in batches:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(inputs), labels).backward()
    optimizer.step()
"""
SAMPLED = """import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

{seed}
tokens = AutoTokenizer.from_pretrained("gpt2")
model = AutoModelForCausalLM.from_pretrained("gpt2").eval()


def answer(prompt):
    with torch.no_grad():
        given = tokens(prompt, return_tensors="pt")
        return tokens.decode(model.generate(**given, {how})[0]){marker}


print([answer(line) for line in open("prompts.txt")])
"""
BAD = [
    program(PROGRAM.format(seed="print(torch.__version__)", marker="  # <- here")),
    program(SAMPLED.format(seed="print(0)", how="do_sample=True, temperature=0.7", marker="  # <- here")),
]
GOOD = [
    program(SAMPLED.format(seed="torch.manual_seed(0)", how="do_sample=True", marker="")),
    program(SAMPLED.format(seed="from transformers import set_seed\nset_seed(0)", how="do_sample=True", marker="")),
    program(SAMPLED.format(seed="print(0)", how="do_sample=False", marker="")),
    program(PROGRAM.format(seed="torch.manual_seed(0)", marker="")),
    program(PROGRAM.format(seed="from lightning import seed_everything\nseed_everything(7)", marker="")),
    program(
        PROGRAM.format(seed="from tools import prepare\nprepare(3)", marker=""),
        tools="import torch\n\n\ndef prepare(number):\n    torch.manual_seed(number)\n",
    ),
]
