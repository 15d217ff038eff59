"""What is chosen by the score on the test loader, beside a validation loader.

The program itself calls them so.
"""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Event, Happening, Loop, happenings
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.rows.flow import name_of
from gonogo.analysis.rows.parts import Role, role_of_loader
from gonogo.analysis.training.bests import KEEPS
from gonogo.analysis.training.made import loaders_made
from gonogo.analysis.training.uses import ancestry


def chosen_by_test(program: Program) -> Iterator[tuple[Happening, Call, str]]:
    """Yield where a state is kept, or the rate is lowered, by such a score.

    That is the place, the test loader and what is chosen.
    """
    loaders = {loader: role_of_loader(loader) for loader in program.gather(loaders_made)}
    if Role.TEST not in loaders.values() or Role.VALID not in loaders.values():
        return
    kept = [branch for branch in program.all(Branch) if _keeps(branch)]
    by_role = [(branch, _loaders_of(score, loaders)) for branch in kept for score in branch.compared()]
    if not any(Role.VALID in found.values() for _, found in by_role):
        for branch, found in by_role:
            if set(found.values()) == {Role.TEST}:
                yield branch, next(iter(found)), "the best so far is kept"
    for event in program.calls("step"):
        scheduler = base(event.call.receiver) if event.call.receiver is not None else None
        given = event.call.argument(0, "metrics")
        if isinstance(scheduler, Call) and scheduler.short == "ReduceLROnPlateau" and given is not None:
            found = _loaders_of(given, loaders)
            if set(found.values()) == {Role.TEST}:
                yield event, next(iter(found)), "the learning rate is lowered"


def _keeps(branch: Branch) -> bool:
    """Whether a branch in a loop keeps a state where a comparison holds."""
    if not any(isinstance(around, Loop) for around in branch.around()) or not branch.arms:
        return False
    return any(isinstance(entry, Event) and entry.call.short in KEEPS for entry in happenings(branch.arms[0]))


def _loaders_of(score: Value, loaders: dict[Call, Role | None]) -> dict[Call, Role]:
    """The loaders with a role that a score was computed on.

    What a network or a loader was itself made from is no part of that: a network has learned from other rows.
    """
    found = {}
    for value in ancestry(score, lambda entry: not isinstance(entry, Call) or entry not in loaders):
        role = loaders.get(value) if isinstance(value, Call) else None
        if isinstance(value, Call) and role is not None and name_of(value):
            found[value] = role
    return found
