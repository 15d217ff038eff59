"""Blocks of statements, and what walking them leaves behind.

A block ends in a signal: None when it runs to its end, else what left it. Where a condition is unknown both sides are walked; a side that
leaves the block takes its names with it. Where runs that are walked together part, a statement is walked for each group of them.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Sequence

from gonogo.analysis.interpreter.base import UNKNOWN, Frame, Value, Walk
from gonogo.analysis.interpreter.language.tables import STATEMENTS, Signal
from gonogo.analysis.interpreter.memory import Alternatives, Diverged
from gonogo.analysis.interpreter.sentinels import ABSENT, Absent
from gonogo.analysis.interpreter.state import MAX_STEPS, ExhaustedError
from gonogo.analysis.interpreter.values.choice import join

Ends = list[tuple[int, Signal | None]]  # which runs leave a block in which way


def ends_of(walk: Walk, body: Sequence[ast.stmt], frame: Frame) -> Ends:
    """Walk a block; runs may leave it in different ways."""
    state, memory = walk.state, walk.memory
    executed = state.executed
    for index, node in enumerate(body):
        state.steps += 1
        if state.steps > MAX_STEPS:
            raise ExhaustedError
        key = id(node)
        executed[key] = executed.get(key, 0) | memory.now
        mark = memory.mark()
        handler = STATEMENTS.get(node.__class__)
        if handler is None:
            continue
        try:
            signal = handler(walk, node, frame)
        except Diverged as split:
            ends = _by_signal(memory.each(memory.parted(mark, split), functools.partial(handler, walk, node, frame)))
            if len(ends) > 1 or ends[0][1] is not None:
                return _rest(walk, body[index + 1 :], frame, ends)
            continue
        if signal is not None:
            return [(memory.now, signal)]
    return [(memory.now, None)]


def _rest(walk: Walk, body: Sequence[ast.stmt], frame: Frame, ends: Ends) -> Ends:
    """Walk the rest of a block for the runs that have not left it."""
    staying = sum(runs for runs, signal in ends if signal is None)
    if not staying:
        return ends
    found = [end for _, some in walk.memory.each([staying], lambda: ends_of(walk, body, frame)) for end in some]
    return _by_signal([*((runs, signal) for runs, signal in ends if signal is not None), *found])


def _by_signal(ends: Ends) -> Ends:
    found: dict[Signal | None, int] = {}
    for runs, signal in ends:
        found[signal] = found.get(signal, 0) | runs
    return [(runs, signal) for signal, runs in found.items()]


def one_end(ends: Ends) -> Signal | None:
    """How all runs leave a block.

    Raises:
        Diverged: they leave it in different ways.
    """
    if len(ends) > 1:
        raise Diverged(runs for runs, _ in ends)
    return ends[0][1]


def execute(walk: Walk, body: Sequence[ast.stmt], frame: Frame) -> Signal | None:
    """Walk a block that all runs leave in the same way.

    Raises:
        Diverged: they do not.
    """
    return one_end(ends_of(walk, body, frame))


def execute_round(walk: Walk, body: Sequence[ast.stmt], frame: Frame) -> Signal | None:
    """Walk the body of a loop once; `continue` ends it like its last statement.

    Raises:
        Diverged: some runs leave the loop, and others do not.
    """
    ends = ends_of(walk, body, frame)
    return one_end(_by_signal([(runs, None if signal is Signal.CONTINUE else signal) for runs, signal in ends]))


def branch(walk: Walk, sides: Sequence[Callable[[], Signal | None]], frame: Frame) -> Signal | None:
    """Walk alternatives from the same names, and join what they leave behind."""
    names, memory = frame.locals, walk.memory
    before = dict(names)
    ends: list[dict[str, Value]] = []
    signals: list[Signal | None] = []
    with walk.state.maybe():
        for side in sides:
            if signals:
                memory.replace(names, before)
            signals.append(side())
            if signals[-1] is None:
                ends.append(dict(names))
    if any(signals):
        walk.state.may_have_left()
    if not ends:
        memory.replace(names, before)
        inner = next((signal for signal in signals if signal in (Signal.BREAK, Signal.CONTINUE)), None)
        return inner or (Signal.RETURN if Signal.RETURN in signals else signals[0])
    merged = ends[0]
    for other in ends[1:]:
        for name in [*merged, *(name for name in other if name not in merged)]:
            one, two = merged.get(name, UNKNOWN), other.get(name, UNKNOWN)
            if one is not two:
                merged[name] = joined_cells(one, two)
    memory.replace(names, merged)
    return None


def _filled(cell: Value | Absent) -> Value:
    return UNKNOWN if cell is ABSENT else cell


def joined_cells(one: Value, other: Value) -> Value:
    """What is in a cell after one of two sides; a cell that one side leaves empty holds something unknown."""
    for cell in (one, other):
        if isinstance(cell, Alternatives):
            return cell.memory.over([one, other], lambda cells: join(*map(_filled, cells)))
    return join(one, other)
