"""Loops of the experiment's own code: how many batches they process.

Also where a bounded run has had enough of them.

The source of the experiment's modules is changed as it is loaded: what a `for` loop iterates over goes through `over`. What kind of loop it
is can be told only when it runs: a *batch loop* is one whose rounds run a network on items that are data; a *step loop* is a counting
loop around the network within one batch; an *epoch loop* counts epochs by its variable's name. Other loops (over corruptions, seeds,
layers, parameters) are never cut.
"""

from __future__ import annotations

import ast
import builtins
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any

from . import channel, clock, events, handlers, hooks, settings
from .places import relative

NAME = "__gonogo_over__"
EPOCH = re.compile(r"(?:^|_)(?:epochs?|ep)(?:_|$)|^epoch", re.IGNORECASE)
ITEMS, SLICES, COUNTER, EPOCHS = "items", "slices", "counter", "epochs"
PATIENCE = 2.0  # seconds for which items are passed over to find the last one
_WRAPPERS = {"tqdm", "enumerate", "track", "progress_bar", "reversed"}
_RANGES = {"range", "trange"}
#: What else changes the tree of a module, given the module's path.
changes: list[Callable[[ast.Module, str], object]] = []
_here = threading.local()
_seen: dict[tuple[str, int], list[Any]] = {}  # place -> [role, times, most batches in one go, changed]
_timed: dict[tuple[str, int], tuple[int | None, list[float]]] = {}  # place -> rounds that there are in all, seconds of the first ones
MOST_TIMED = 20


def start() -> None:
    """Look at the loops of every module of the experiment that is imported from now on."""
    if settings.mode == "evaluation":
        return
    setattr(builtins, NAME, over)
    handlers.start()
    hooks.transform = instrument
    channel.on_flush(_report)


def instrument(source: bytes, path: str) -> CodeType:
    """The code of a module, its loops going through `over`.

    Raises:
        SyntaxError: it does not parse.
    """
    tree = ast.parse(source, path)
    shown = relative(path) or path
    for node in ast.walk(tree):
        for loop, line, role in _loops_of(node):
            arguments = [loop.iter, ast.Constant(shown), ast.Constant(line), ast.Constant(role)]
            loop.iter = ast.copy_location(ast.Call(ast.Name(NAME, ast.Load()), arguments, []), loop.iter)
    for change in changes:
        change(tree, shown)
    handlers.instrument(tree, shown)
    return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


def _loops_of(node: ast.AST) -> Iterator[tuple[ast.For | ast.comprehension, int, str]]:
    """The loops that a node is, each with its line and role.

    Of comprehensions those alone that cut data into parts, by `x[i : i + n]` or by slices and tensors of places as items: others may go
    through the views of one batch, and all of these are wanted.
    """
    if isinstance(node, ast.For):
        yield node, node.lineno, _role(node, node.body)
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
        made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for loop in node.generators:
            role = _role(loop, made)
            cut = role == SLICES and (_steps(loop.iter) or _cuts(made, loop.target, ast.Slice))
            if not loop.is_async and (cut or (role == ITEMS and _cuts(made, loop.target))):
                yield loop, node.lineno, role


def _role(node: ast.For | ast.comprehension, body: Sequence[ast.AST]) -> str:
    call = _within_wrappers(node.iter)
    if not (isinstance(call, ast.Call) and _called(call) in _RANGES):
        return ITEMS
    if _steps(node.iter):
        return SLICES
    if any(isinstance(name, ast.Name) and EPOCH.search(name.id) for name in ast.walk(node.target)):
        return EPOCHS
    return SLICES if _cuts(body, node.target) else COUNTER


def _within_wrappers(iterable: ast.expr) -> ast.expr:
    while isinstance(iterable, ast.Call) and _called(iterable) in _WRAPPERS and iterable.args:
        iterable = iterable.args[0]
    return iterable


def _steps(iterable: ast.expr) -> bool:
    """Whether a loop counts in steps: `range(0, n, size)`."""
    call = _within_wrappers(iterable)
    return isinstance(call, ast.Call) and _called(call) in _RANGES and len(call.args) == 3


def _cuts(body: Sequence[ast.AST], target: ast.expr, kind: type[ast.AST] = ast.AST) -> bool:
    """Whether a loop takes parts of something by what its variables stand for, with an index of that kind."""
    names = {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}
    places = (child.slice for part in body for child in ast.walk(part) if isinstance(child, ast.Subscript))
    return any(isinstance(name, ast.Name) and name.id in names for place in places if isinstance(place, kind) for name in ast.walk(place))


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else ""


class _Loop:
    """One loop while it runs.

    For the current iteration, `ran` is whether it ran the network itself, `inner` whether a batch loop within it did, and `within` whether
    a loop did that is neither (over names, or over ways to look at the batch). `ever` is whether any iteration had the first or the last.
    """

    __slots__ = ("all", "batches", "ever", "inner", "ran", "seconds", "within")

    def __init__(self) -> None:
        self.batches = 0
        self.seconds: list[float] = []
        self.ran = self.inner = self.within = self.ever = False
        self.all = (False, False, False)

    def next_round(self) -> None:
        """Forget the round at hand, but for what it adds to all rounds."""
        ran, inner, within = self.all
        self.all = ran or self.ran, inner or self.inner, within or self.within
        self.ran = self.inner = self.within = False


def _stack() -> list[_Loop]:
    if not hasattr(_here, "stack"):
        _here.stack = []
    return _here.stack  # type: ignore[no-any-return]


def network_ran() -> None:
    """The outermost network was called: the innermost loop did that."""
    stack = _stack()
    if stack:
        stack[-1].ran = True


def over(iterable: Iterable[Any], path: str, line: int, role: str) -> Iterator[Any]:
    """Yield the items of an iterable.

    In a bounded run these are the first ones and the last, since code often does something special for the last. Where a run is made again,
    a loop that only asks a network goes on to its end: what it gathers is held against all the data.
    """
    stack, loop = _stack(), _Loop()
    stack.append(loop)
    limit = settings.bounds.get("epochs" if role == EPOCHS else "batches") if settings.bounds.get("loops") else None
    length, began, backwards = _length(iterable), clock.now(), handlers.work()[1]
    asks_until = began + settings.bounds.get("asks", 0) if role != EPOCHS else 0.0
    try:
        items = iter(iterable)
        for item in items:
            loop.ran = loop.inner = loop.within = False
            come_to_top(loop)
            yield item
            loop.ever |= loop.ran or loop.within
            now = clock.now()
            spent, began = now - began, now
            if not _is_round(loop, item, role):
                continue
            loop.batches += 1
            if len(loop.seconds) < MOST_TIMED:
                loop.seconds.append(round(spent, 6))
            only_asks = now < asks_until and handlers.work()[1] == backwards
            if limit is not None and loop.batches >= limit - 1 and not only_asks:
                for last in _last(items) if limit > 1 else ():
                    yield last
                    loop.batches += 1
                break
    finally:
        if loop.batches and (path, line) not in _timed:
            _timed[path, line] = length, loop.seconds
        _leave(stack, loop, (path, line), role)


def _length(iterable: Any) -> int | None:
    """How many rounds a loop would go, where that is sure to be no matter of the experiment's own code."""
    if type(iterable) not in (range, list, tuple) and type(iterable).__name__ not in ("tqdm", "trange"):
        return None
    try:
        return len(iterable)
    except (TypeError, AttributeError):
        return None  # a bar around what has no length


def _last(items: Iterator[Any]) -> list[Any]:
    """The last item there is, if it can be got at quickly; else another one."""
    found: list[Any] = []
    until = time.monotonic() + PATIENCE
    for item in items:
        found = [item]
        if time.monotonic() > until:
            break
    return found


def _is_round(loop: _Loop, item: Any, role: str) -> bool:
    if role == EPOCHS:
        return loop.ran or loop.inner
    if role == COUNTER:
        return loop.ran
    return (loop.ran or loop.within) and (role == SLICES or _is_data(item))


def come_to_top(loop: _Loop) -> None:
    """Record that an iteration of a loop begins.

    The loop is now the innermost one, and no longer that of a generator from which its items come.
    """
    stack = _stack()
    if stack and stack[-1] is not loop:
        _take(stack, loop)
        stack.append(loop)


def enter() -> _Loop:
    """A loop begins that is no `for` loop."""
    loop = _Loop()
    _stack().append(loop)
    return loop


def leave_transparent(loop: _Loop) -> None:
    """A loop is left: what its rounds did, the loop around it did too."""
    stack = _stack()
    _take(stack, loop)
    loop.next_round()
    if stack:
        ran, inner, within = loop.all
        stack[-1].ran |= ran
        stack[-1].inner |= inner
        stack[-1].within |= within


def note(place: tuple[str, int], role: str, rounds: int) -> None:
    """Count a loop that was left, and its rounds."""
    entry = _seen.setdefault(place, [role, 0, 0, True])
    entry[1] += 1
    entry[2] = max(entry[2], rounds)
    entry[3] = True


def _take(stack: list[_Loop], loop: _Loop) -> None:
    for index in range(len(stack) - 1, -1, -1):
        if stack[index] is loop:
            del stack[index]
            break


def _leave(stack: list[_Loop], loop: _Loop, place: tuple[str, int], role: str) -> None:
    _take(stack, loop)
    loop.ever |= loop.ran or loop.within  # of a round that was left by `break`
    if not loop.batches and not loop.ever:
        return
    if stack:
        stack[-1].inner = True
        stack[-1].ran |= role == COUNTER  # steps within one batch: the loop around them goes through the batches
        stack[-1].within |= not loop.batches
    if loop.batches:
        note(place, role, loop.batches)


def _is_data(item: Any, depth: int = 0) -> bool:
    """Whether an item is a batch: an array, a slice, or something that holds one."""
    if isinstance(item, slice):
        return True
    if hasattr(item, "shape") and hasattr(item, "dtype"):
        return True
    if depth < 2 and isinstance(item, (list, tuple)):
        return any(_is_data(part, depth + 1) for part in item[:8])
    if depth < 2 and isinstance(item, Mapping):
        return any(_is_data(part, depth + 1) for part in list(item.values())[:8])
    return False


def _report() -> None:
    for (path, line), entry in list(_seen.items()):
        if entry[3]:
            entry[3] = False
            length, seconds = _timed.get((path, line), (None, []))
            channel.emit(events.Loop((path, line), entry[0], entry[1], entry[2], length, seconds))
