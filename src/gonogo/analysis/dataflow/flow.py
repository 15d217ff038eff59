"""Dataflow analysis of states along a tree of events.

It tells what may hold at each event, whichever branches were taken.

A state is a set of facts; where branches meet it is the union of both. So a fact that is alone of its kind at some event holds there for
sure. A loop is gone through until nothing new comes up; it is taken to turn at least once.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gonogo.analysis.dataflow.blocks import Attempt, Block, Branch, Called, End, Happening, Imported, Loop, With

F = TypeVar("F", bound=Hashable)
MAX_ROUNDS = 4


@dataclass
class _Left(Generic[F]):
    """States in which a loop or function was left, by how."""

    states: dict[End, frozenset[F] | None] = field(default_factory=dict)

    def add(self, end: End, state: frozenset[F]) -> None:
        before = self.states.get(end)
        self.states[end] = state if before is None else before | state

    def take(self, end: End) -> frozenset[F] | None:
        return self.states.pop(end, None)


class Flow(Generic[F]):
    """Follows facts through a tree of events; a subclass says how each event changes them.

    Attributes:
        seen: at each event that was noted, the facts that may hold there.
        visits: the same for each time that it was come by: in the first turn of a loop, in the second.
    """

    def __init__(self) -> None:
        self.seen: dict[Happening, frozenset[F]] = {}
        self.visits: dict[Happening, list[frozenset[F]]] = {}
        self._known: dict[tuple[Happening, frozenset[F]], tuple[frozenset[F] | None, frozenset[F] | None]] = {}

    def step(self, entry: Happening, state: frozenset[F]) -> frozenset[F]:
        """The facts after an event, or as a loop, branch, block or called function is entered."""
        return state

    def leave(self, entry: Happening, state: frozenset[F]) -> frozenset[F]:
        """The facts after a called function or `with` block is left."""
        return state

    def note(self, entry: Happening, state: frozenset[F]) -> None:
        """Remember what may hold at an event."""
        self.seen[entry] = self.seen.get(entry, frozenset()) | state
        self.visits.setdefault(entry, []).append(state)

    def run(self, block: Block, state: frozenset[F] = frozenset()) -> frozenset[F] | None:
        """Follow the facts through a whole tree; None where it surely does not come to its end."""
        return self._block(block, state, _Left())

    def _block(self, block: Block, state: frozenset[F] | None, left: _Left[F]) -> frozenset[F] | None:
        for entry in block.items:
            if state is None:
                return None
            state = self._entry(entry, state, left)
        if block.end is not None:
            if block.end is not End.RAISE and state is not None:
                left.add(block.end, state)
            return None
        return state

    def _entry(self, entry: Happening, state: frozenset[F], left: _Left[F]) -> frozenset[F] | None:
        state = self.step(entry, state)
        if isinstance(entry, Loop):
            return self._loop_once(entry, state, left)
        if isinstance(entry, Branch):
            return _joined([self._block(arm, state, left) for arm in entry.arms]) if entry.arms else state
        if isinstance(entry, Attempt):
            return self._attempt(entry, state, left)
        if isinstance(entry, (Called, Imported)):
            if (entry, state) not in self._known:
                inside: _Left[F] = _Left()
                self._known[entry, state] = _joined([self._block(entry.body, state, inside), inside.take(End.RETURN)]), None
            ended = self._known[entry, state][0]
            return self.leave(entry, ended) if ended is not None else None
        if isinstance(entry, With):
            ended = self._block(entry.body, state, left)
            return self.leave(entry, ended) if ended is not None else None
        return state

    def _loop_once(self, entry: Loop, state: frozenset[F], left: _Left[F]) -> frozenset[F] | None:
        """Walk a loop, unless it was entered with the same facts before.

        Without this cache nested loops would be walked again and again.
        """
        if (entry, state) not in self._known:
            inside: _Left[F] = _Left()
            self._known[entry, state] = self._loop(entry, state, inside), inside.take(End.RETURN)
        ended, returned = self._known[entry, state]
        if returned is not None:
            left.add(End.RETURN, returned)
        return ended

    def _loop(self, entry: Loop, state: frozenset[F], left: _Left[F]) -> frozenset[F] | None:
        inside: _Left[F] = _Left()
        begun: frozenset[F] | None = state
        known, ended = state, None
        for _ in range(MAX_ROUNDS if len(entry.turns) == 1 else 1):
            for turn in entry.turns:
                begun = _joined([self._block(turn, begun, inside), inside.take(End.CONTINUE)])
            ended = _joined([ended, begun])
            if begun is None or begun <= known:
                break
            known |= begun
        if entry.kind == "comprehension" or not entry.turns:
            ended = _joined([state, ended])
        ended = _joined([ended, inside.take(End.BREAK)])
        returned = inside.take(End.RETURN)
        if returned is not None:
            left.add(End.RETURN, returned)
        return self._block(entry.orelse, ended, left)

    def _attempt(self, entry: Attempt, state: frozenset[F], left: _Left[F]) -> frozenset[F] | None:
        tried = self._block(entry.body, state, left)
        failed = state if tried is None else state | tried
        ends = [self._block(entry.orelse, tried, left)]
        ends += [self._block(block, failed, left) for _, block in entry.handlers]
        return self._block(entry.final, _joined(ends), left)


def _joined(states: list[frozenset[F] | None]) -> frozenset[F] | None:
    known = [state for state in states if state is not None]
    return frozenset().union(*known) if known else None
