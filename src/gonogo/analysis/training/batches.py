"""What a loop goes through, behind what only counts or shows its turns."""

from __future__ import annotations

from gonogo.analysis.dataflow.blocks import Loop
from gonogo.analysis.dataflow.values import Call, Value
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.kinds import Kind, likely_kind

_AROUND = frozenset({"enumerate", "tqdm", "track", "iter", "islice"})


def source_of(loop: Loop) -> Value | None:
    """What a loop goes through, such as the loader in `enumerate(tqdm(loader))`."""
    value = loop.iterated
    for _ in range(4):
        made = base(value) if value is not None else None
        if not isinstance(made, Call) or made.short not in _AROUND or not made.arguments:
            return made
        value = made.arguments[0]
    return value


def loader_of(loop: Loop) -> Value | None:
    """The loader that a loop goes through, None where it is none."""
    source = source_of(loop)
    return source if source is not None and likely_kind(source) is Kind.LOADER else None
