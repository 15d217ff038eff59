"""What the walked program has written so far, for several runs at once.

All runs of an experiment are walked together (variational execution: Nguyen, Kästner, Nguyen, ICSE 2014; faceted values: Austin and
Flanagan, POPL 2012). A set of runs is a bit mask, and `Memory.now` says which are being walked. Where something is asked whose answer
differs between them, `Diverged` is raised; the statement is taken back and walked once for each group that agrees, and what the groups
leave behind in different ways is kept as `Alternatives`. So a library model or a value kind is written as if there were one run only, and
has two duties: what changes is kept in `Cells` or in a `Field`, and is written through `Memory`, which logs it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, Self, TypeVar, overload

from gonogo.analysis.interpreter.sentinels import ABSENT, Absent

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Part = tuple[int, Any]  # some runs, and what is so for them
PLAIN = (bool, int, str, tuple, frozenset)  # compared by what they are


class Diverged(BaseException):
    """The runs that are walked together part here: `parts` are those that go on together."""

    def __init__(self, parts: Iterable[int]) -> None:
        super().__init__()
        self.parts = tuple(parts)


class Alternatives(Generic[T]):
    """What is one thing for some runs and another for others. No run is in two of its parts."""

    __slots__ = ("memory", "parts")

    def __init__(self, memory: Memory, parts: Iterable[tuple[int, T]]) -> None:
        self.memory = memory
        self.parts = tuple(parts)

    def here(self) -> list[tuple[int, T]]:
        """The alternatives of the runs that are being walked."""
        now = self.memory.now
        return [(mask & now, value) for mask, value in self.parts if mask & now]

    def seen(self) -> Any:
        """What it is for the runs that are being walked.

        Raises:
            Diverged: it is not the same for all of them.
        """
        found = self.here()
        if len(found) > 1:
            raise Diverged(mask for mask, _ in found)
        return found[0][1]


class Cells(dict[K, V]):
    """Names or keys with their values, which only `Memory` may change."""

    __slots__ = ()

    def look(self, key: K) -> V | Absent:
        """What is in a cell; ABSENT if nothing is.

        Raises:
            Diverged: it is there for some of the runs only.
        """
        value = self.get(key, ABSENT)
        return value.seen() if isinstance(value, Alternatives) else value  # type: ignore[return-value]

    def pairs(self) -> list[tuple[K, V]]:
        """The keys that are there and what is in their cells, in order.

        Raises:
            Diverged: some keys are there for some of the runs only.
        """
        found = ((key, value.seen() if isinstance(value, Alternatives) else value) for key, value in self.items())
        return [(key, value) for key, value in found if value is not ABSENT]

    def there(self) -> list[K]:
        """The keys that are there, in order.

        Raises:
            Diverged: some are there for some of the runs only.
        """
        return [key for key, _ in self.pairs()]

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("write through Memory.put, Memory.drop or Memory.replace")

    __setitem__ = __delitem__ = pop = popitem = clear = update = setdefault = __ior__ = _refuse


class OrderedCells(Cells[K, V]):
    """Cells whose order means something: the keys of a mapping."""

    __slots__ = ()


class Field(Generic[T]):
    """A descriptor for an attribute that changes.

    The value is in the slot of the same name with `_` before it, which `__init__` sets.
    """

    __slots__ = ("slot",)

    def __set_name__(self, owner: type, name: str) -> None:
        self.slot = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return self
        value = getattr(instance, self.slot)
        return value.seen() if isinstance(value, Alternatives) else value

    def __set__(self, instance: object, value: T) -> None:
        raise AttributeError(f"write through Memory.set: {self.slot.removeprefix('_')}")


class Ledger(Generic[T]):
    """What happened, in order, each entry with the runs it happened in."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.entries: list[tuple[int, T]] = []

    def add(self, entry: T) -> None:
        """Something happened in the runs that are being walked."""
        self._memory.enter(self.entries, entry)

    def here(self) -> Iterator[tuple[int, T]]:
        """The entries of the runs that are being walked."""
        now = self._memory.now
        return ((mask & now, entry) for mask, entry in self.entries if mask & now)


@dataclass
class _Changes:
    """What one group of runs left behind.

    It holds the cells and the fields that the group wrote to, as they then were, and its entries in the ledgers.
    """

    cells: dict[int, tuple[Cells[Any, Any], dict[Any, Any]]] = field(default_factory=dict)
    fields: dict[tuple[int, str], tuple[object, Any]] = field(default_factory=dict)
    entries: list[tuple[list[Part], Part]] = field(default_factory=list)


_WHOLE = object()  # in the log, in place of a key: all cells as they were
Mark = int  # a place in the log


class _Only:
    """A block in which only some runs are walked."""

    __slots__ = ("before", "memory", "runs")

    def __init__(self, memory: Memory, runs: int) -> None:
        self.memory, self.runs, self.before = memory, runs, memory.now

    def __enter__(self) -> None:
        self.memory.now = self.runs

    def __exit__(self, *_: object) -> None:
        self.memory.now = self.before


class Memory:
    """The writes of the walked program.

    Args:
        runs: how many runs are walked together.
        vary: makes one value of several groups' different ones.

    Attributes:
        now: the runs that are being walked, as a bit mask; `everyone` is all of them.
    """

    def __init__(self, runs: int, vary: Callable[[Memory, list[Part]], Any]) -> None:
        self.everyone = self.now = (1 << runs) - 1
        self._vary = vary
        self._log: list[tuple[Any, Any, Any]] | None = [] if runs > 1 else None

    # -- writing ------------------------------------------------------------------------------------------

    def put(self, cells: Cells[K, V], key: K, value: V) -> None:
        """Write a cell."""
        if self._log is not None:
            self._log.append((cells, key, cells.get(key, ABSENT)))
        dict.__setitem__(cells, key, value)

    def drop(self, cells: Cells[K, V], key: K) -> None:
        """Empty a cell."""
        if key in cells:
            if self._log is not None:
                self._log.append((cells, _WHOLE, dict(cells)))
            dict.__delitem__(cells, key)

    def replace(self, cells: Cells[K, V], content: dict[K, V]) -> None:
        """Give all cells another content."""
        if self._log is not None:
            self._log.append((cells, _WHOLE, dict(cells)))
        dict.clear(cells)
        dict.update(cells, content)

    def set(self, owner: object, name: str, value: Any) -> None:
        """Write a `Field`."""
        slot = f"_{name}"
        if self._log is not None:
            self._log.append((owner, slot, getattr(owner, slot)))
        object.__setattr__(owner, slot, value)

    def enter(self, entries: list[tuple[int, T]], entry: T) -> None:
        """Add to the entries of a `Ledger`."""
        entries.append((self.now, entry))
        if self._log is not None:
            self._log.append((entries, None, None))

    @staticmethod
    def raw(owner: object, name: str) -> Any:
        """What a `Field` holds for all runs, to be given back to `set` later."""
        return getattr(owner, f"_{name}")

    # -- several runs -------------------------------------------------------------------------------------------------

    def only(self, runs: int) -> _Only:
        """Walk only some of the runs for the time of the block, in which nothing may be written."""
        return _Only(self, runs)

    def agree(self, mask: int) -> bool:
        """Whether all runs that are being walked are in a set (True), or none is.

        Raises:
            Diverged: some are.
        """
        inside, outside = self.now & mask, self.now & ~mask
        if inside and outside:
            raise Diverged((inside, outside))
        return bool(inside)

    def combine(self, parts: Iterable[Part]) -> Any:
        """One value for what is so for each of some groups of runs."""
        groups: dict[Hashable, list[Any]] = {}
        for mask, value in parts:
            if not isinstance(value, Alternatives):
                _gather(groups, mask, value)
                continue
            for other, each in value.parts:
                if mask & other:
                    _gather(groups, mask & other, each)
        found = [(mask, value) for mask, value in groups.values()]
        return found[0][1] if len(found) == 1 else self._vary(self, found)

    def groups(self, values: Iterable[object]) -> list[int]:
        """The groups of runs for each of which every value is one."""
        masks = [self.now]
        for value in values:
            if isinstance(value, Alternatives):
                masks = [mask & part for mask in masks for part, _ in value.parts if mask & part]
        return masks

    def runs(self) -> list[int]:
        """The runs that are being walked, by number."""
        return [number for number in range(self.now.bit_length()) if self.now >> number & 1]

    def over(self, values: Sequence[V], action: Callable[[Sequence[V]], T]) -> T:
        """Apply an action to values, once per group of runs for which they are the same.

        The action writes nothing.
        """
        if not any(isinstance(value, Alternatives) for value in values):
            return action(values)
        found = []
        for mask in self.groups(values):
            with self.only(mask):
                found.append((mask, action([value.seen() if isinstance(value, Alternatives) else value for value in values])))
        return self.combine(found)  # type: ignore[no-any-return]

    def inside(self, cell: V, action: Callable[[V], V]) -> V:
        """Return a cell's content with an action applied to the value of each group of runs.

        Groups that have no value there are left as they are. The action writes nothing.
        """
        if not isinstance(cell, Alternatives):
            return action(cell)
        parts = []
        for mask, value in cell.here():
            with self.only(mask):
                parts.append((mask, value if value is ABSENT else action(value)))
        return self.combine(parts)  # type: ignore[no-any-return]

    def copied(self, cells: Mapping[K, V], action: Callable[[K, V], V]) -> dict[K, V]:
        """Return the content of cells with an action applied to the value of each group of runs.

        The action writes nothing.
        """
        found = {key: self.inside(cell, lambda value, key=key: action(key, value)) for key, cell in cells.items()}  # type: ignore[misc]
        return {key: value for key, value in found.items() if value is not ABSENT}

    def agreed(self, parts: Iterable[tuple[int, T]]) -> T:
        """The answer that all groups give.

        Raises:
            Diverged: they give several.
        """
        answers: dict[Any, int] = {}
        for mask, answer in parts:
            key = (type(answer), answer)
            answers[key] = answers.get(key, 0) | mask
        if len(answers) > 1:
            raise Diverged(answers.values())
        return next(iter(answers))[1]  # type: ignore[no-any-return]

    def apart(self, action: Callable[[], T]) -> list[tuple[int, T]]:
        """Do something that may write; where the runs part, take it back and do it for each group on its own."""
        start = self.mark()
        try:
            return [(self.now, action())]
        except Diverged as split:
            return self.each(self.parted(start, split), action)

    def mark(self) -> Mark:
        """A place in the log, to go back to."""
        return 0 if self._log is None else len(self._log)

    def parted(self, start: Mark, split: Diverged) -> list[int]:
        """Take back all that was written since a mark; the groups in which it is to be done again."""
        self._take_back(start)
        parts = [mask & self.now for mask in split.parts if mask & self.now]
        rest = self.now
        for mask in parts:
            rest &= ~mask
        parts += [rest] if rest else []
        assert len(parts) > 1, "runs that agree have nothing to part over"
        return parts

    def each(self, parts: Sequence[int], action: Callable[[], T]) -> list[tuple[int, T]]:
        """Do something for each group of runs from the same memory, and keep what each leaves behind.

        Raises:
            Diverged: what they leave behind can't be kept in one memory; it has been taken back.
        """
        start, now = self.mark(), self.now
        if list(parts) == [now]:
            return self.apart(action)
        results: list[tuple[int, T]] = []
        ends: list[tuple[int, _Changes]] = []
        rest = now
        for part in parts:
            rest &= ~part
            self.now = part
            try:
                results += self.apart(action)
            finally:
                self.now = now
            ends.append((part, self._take_back(start)))
        self._keep(ends, rest)
        return results

    def _take_back(self, start: Mark) -> _Changes:
        """Undo what was written since a mark, and tell what it was."""
        changes, log = _Changes(), self._log
        assert log is not None
        for target, key, _ in log[start:]:
            if isinstance(target, Cells):
                if id(target) not in changes.cells:
                    changes.cells[id(target)] = (target, dict(target))
            elif isinstance(target, list):
                pass  # told as it is undone
            elif (id(target), key) not in changes.fields:
                changes.fields[id(target), key] = (target, getattr(target, key))
        while len(log) > start:
            target, key, old = log.pop()
            if isinstance(target, list):
                changes.entries.append((target, target.pop()))
            elif not isinstance(target, Cells):
                object.__setattr__(target, key, old)
            elif key is _WHOLE:
                dict.clear(target)
                dict.update(target, old)
            elif old is ABSENT:
                dict.__delitem__(target, key)
            else:
                dict.__setitem__(target, key, old)
        changes.entries.reverse()
        return changes

    def _keep(self, ends: list[tuple[int, _Changes]], rest: int) -> None:
        """Write what each group left behind; `rest` are the runs that did nothing."""
        touched = {key: cells for _, changes in ends for key, (cells, _) in changes.cells.items()}
        for key, cells in touched.items():
            here = dict(cells)
            contents = [(mask, changes.cells[key][1] if key in changes.cells else here) for mask, changes in ends]
            self._keep_cells(cells, [*contents, (rest, here)] if rest else contents)
        fields = {place: owner for _, changes in ends for place, (owner, _) in changes.fields.items()}
        for place, owner in fields.items():
            slot = place[1]
            old = getattr(owner, slot)
            values = [(mask, changes.fields[place][1] if place in changes.fields else old) for mask, changes in ends]
            self.set(owner, slot.removeprefix("_"), self.combine([*values, (rest, old)] if rest else values))
        for _, changes in ends:
            for entries, entry in changes.entries:
                entries.append(entry)
                if self._log is not None:
                    self._log.append((entries, None, None))

    def _keep_cells(self, cells: Cells[Any, Any], contents: list[tuple[int, dict[Any, Any]]]) -> None:
        keys = list(dict.fromkeys([*cells, *(key for _, content in contents for key in content)]))
        if isinstance(cells, OrderedCells):
            place = {key: index for index, key in enumerate(keys)}
            if any(sorted(content, key=place.__getitem__) != list(content) for _, content in contents):
                raise Diverged(mask for mask, _ in contents)  # the same keys in another order: no one mapping can be both
        first, *others = (content for _, content in contents)
        for key in keys:
            value = first.get(key, ABSENT)
            if any(content.get(key, ABSENT) is not value for content in others):
                value = self.combine((mask, content.get(key, ABSENT)) for mask, content in contents)
            if value is ABSENT:
                self.drop(cells, key)
            elif value is not cells.get(key, ABSENT):
                self.put(cells, key, value)


def _gather(groups: dict[Hashable, list[Any]], mask: int, value: Any) -> None:
    """Put a value among those that need not be kept apart from it."""
    key: Hashable = (type(value), value) if isinstance(value, PLAIN) else value.identity() if hasattr(value, "identity") else id(value)
    if key in groups:
        groups[key][0] |= mask
    else:
        groups[key] = [mask, value]
