"""Generators of random numbers: which calls draw from which, and which seed them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.dataflow.blocks import Event
from gonogo.analysis.dataflow.contents import Contents
from gonogo.analysis.dataflow.values import Call, Value, constant, is_none, number
from gonogo.analysis.training.kinds import Kind
from gonogo.analysis.training.made import made_by_kind

NUMPY, PYTHON, TORCH, TENSORFLOW = "NumPy", "random", "PyTorch", "TensorFlow"
_DRAWS = {
    NUMPY: re.compile(
        r"^numpy\.random\.(?!seed$|default_rng$|RandomState$|Generator$|SeedSequence$|get_state$|set_state$|PCG64$|MT19937$|Philox$|bit_generator)[a-z]\w*$"
    ),
    PYTHON: re.compile(r"^random\.(?!seed$|getstate$|setstate$)[a-z]\w*$"),
    TORCH: re.compile(
        r"^torch\.(?:rand|randn|randint|randperm|rand_like|randn_like|normal|bernoulli|multinomial|utils\.data\.random_split)$|^torch\.nn\.init\.(?!constant_|zeros_|ones_|eye_|dirac_)\w+_$"
    ),
    TENSORFLOW: re.compile(r"^tensorflow\.random\.(?!set_seed$|Generator|get_global)\w+$"),
}
_SEEDS = re.compile(
    r"^(?:numpy\.random\.seed|random\.seed|torch\.(?:random\.)?manual_seed|torch\.(?:cuda|mps|xpu)\.(?:random\.)?manual_seed(?:_all)?|torch\.seed|"
    r"tensorflow\.random\.set_seed|tensorflow\.set_random_seed|tensorflow\.(?:compat\.v1\.)?set_random_seed|"
    r"(?:\w+\.)*(?:set_seed|seed_everything|set_random_seed|seed_all|enable_full_determinism|fix_seed|seed_torch|set_all_seeds|setup_seed|"
    r"init_seeds|random_seed|set_global_seed|set_seeds|manual_seed|mx\.random\.seed))$"
)


_LEARNING = frozenset({"Linear", "Conv1d", "Conv2d", "Conv3d", "Embedding", "LSTM", "GRU", "RNN", "Transformer"})


@dataclass(frozen=True)
class Draw:
    """A call that draws from the one generator that a library keeps for all."""

    at: Event
    library: str


@dataclass(frozen=True)
class Seed:
    """A call that seeds generators: `libraries` which, `value` with what."""

    at: Event
    libraries: frozenset[str]
    value: Value | None


def drawn_by(call: Call) -> str | None:
    """The library whose own generator a call draws from."""
    if not call.name or call.argument(None, "generator", "rng") is not None:
        return None
    return next((library for library, pattern in _DRAWS.items() if pattern.match(call.name)), None)


def draws(contents: Contents) -> Iterator[Draw]:
    """Everything that draws from a library's own generator."""
    for events in contents.events.values():
        for event in events:
            library = drawn_by(event.call)
            if library is not None:
                yield Draw(event, library)


def seeds(contents: Contents) -> Iterator[Seed]:
    """Everything that seeds a library's own generator."""
    for events in contents.events.values():
        for event in events:
            call = event.call
            if _SEEDS.match(call.name):
                given = call.argument(0, "seed", "s", "a")
                yield Seed(event, _libraries(call), given)


def _libraries(call: Call) -> frozenset[str]:
    name = call.name
    if name.startswith("numpy."):
        return frozenset({NUMPY})
    if name == "random.seed":
        return frozenset({PYTHON})
    if name.startswith("torch."):
        return frozenset({TORCH})
    if name.startswith("tensorflow."):
        return frozenset({TENSORFLOW})
    return frozenset({NUMPY, PYTHON, TORCH, TENSORFLOW})


def states(call: Call) -> Value | None:
    """The `random_state` or `seed` that a call is given; None where it is given none, or None itself."""
    given = call.argument(None, "random_state", "seed", "random_seed", "generator", "rng")
    return given if given is not None and not is_none(given) else None


def is_fixed(value: Value | None) -> bool:
    """Whether a seed is a number that is written down."""
    return value is not None and (number(value) is not None or isinstance(constant(value), str))


def layers_drawn(contents: Contents) -> Iterator[Call]:
    """The layers whose first weights are drawn from PyTorch's own generator."""
    for kind, call in contents.gathered(made_by_kind):
        if kind is Kind.MODEL and call.name.startswith("torch.nn.") and call.short in _LEARNING:
            yield call
