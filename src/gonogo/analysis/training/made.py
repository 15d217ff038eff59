"""The objects that a program makes, by kind."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.contents import Contents
from gonogo.analysis.dataflow.values import Call
from gonogo.analysis.training.kinds import Kind, kind_of


def made_by_kind(contents: Contents) -> Iterator[tuple[Kind, Call]]:
    """Every call that makes an object of a known kind."""
    for events in contents.events.values():
        for event in events:
            kind = kind_of(event.call) if event.call.name or event.call.arguments else None
            if kind is not None and event.call.method == "":
                yield kind, event.call


def optimizers_made(contents: Contents) -> list[Call]:
    """The optimizers that are made."""
    return [call for kind, call in contents.gathered(made_by_kind) if kind is Kind.OPTIMIZER]


def schedulers_made(contents: Contents) -> list[Call]:
    """The schedulers that are made."""
    return [call for kind, call in contents.gathered(made_by_kind) if kind is Kind.SCHEDULER]


def loaders_made(contents: Contents) -> list[Call]:
    """The loaders that are made."""
    return [call for kind, call in contents.gathered(made_by_kind) if kind is Kind.LOADER]


def losses_made(contents: Contents) -> list[Call]:
    """The losses that are made."""
    return [call for kind, call in contents.gathered(made_by_kind) if kind is Kind.LOSS]
