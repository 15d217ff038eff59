"""torch's data loaders: how often each is gone through, and how far."""

from __future__ import annotations

import functools
import sys
import weakref
import zlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from .. import alterations, channel, clock, events, hooks, places, settings
from ..alterations import batches as labelled
from ..watchers import contents, ranks, rows, training, views

_loaders: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
_seen: dict[int, dict[str, Any]] = {}
_changed: set[int] = set()
_current: int | None = None
_settled = (0, 0)
_left: tuple[int, int] | None = None  # the loader that was left with its first batch, outside any other; and the backward passes until then
MOST_TIMED = 20  # batches of one loader
FEWEST = 2  # batches of a pass, however long they take
MOST_DIGESTS = 16  # batches of one loader that are compared
MOST_HASHED = 65_536  # numbers of one tensor


def start() -> None:
    """Watch `torch.utils.data.DataLoader`."""
    hooks.when_imported("torch.utils.data.dataloader", _watch)
    channel.on_flush(_report)


def limit() -> int | None:
    """How many batches a loader may give, None for all."""
    most: int | None = settings.bounds.get("batches")
    return most


def _settle(number: int | None) -> int | None:
    """Count what networks did since the last time for the former loader, and switch to another.

    The former loader is the one whose batch was in use. Returns its number.

    A loader may be left in the middle of a pass while another is gone through, as Lightning does between validation and training.
    """
    global _current, _settled
    now, former = training.counted(), _current
    if former is not None and now != _settled:
        entry = _seen[former]
        entry["forwards"] += now[0] - _settled[0]
        entry["backwards"] += now[1] - _settled[1]
        _changed.add(former)
    _current, _settled = number, now
    return former


def _settle_left() -> None:
    """Count the backward passes since a loader was left with its first batch: `next(iter(loader))`."""
    global _left
    if _left is not None:
        number, before = _left
        _left = None
        _seen[number]["backwards_left"] += training.counted()[1] - before
        _changed.add(number)


def _is_late(batches: int, seconds: float) -> bool:
    """Whether a pass has taken so long that two batches have to do."""
    most = settings.bounds.get("seconds")
    return most is not None and batches >= FEWEST and seconds > most


def _only_asks(backwards: int, seconds: float) -> bool:
    """Whether a pass may go on to its end, since nothing was trained in it.

    What is gathered there is held against all the data.
    """
    most = settings.bounds.get("asks")
    return most is not None and seconds < most and training.counted()[1] == backwards


def _never_trains(loader: Any, entry: dict[str, Any] | None) -> bool:
    """Whether the passes over a loader are no training, as far as anybody knows by now."""
    if entry is not None and entry["passes"]:
        return not entry["backwards"]
    return type(getattr(loader, "sampler", None)).__name__ == "SequentialSampler"


def _watch(module: ModuleType) -> None:
    loader = module.DataLoader
    original_init, original_iter, original_len = loader.__init__, loader.__iter__, loader.__len__

    @functools.wraps(original_init)  # Lightning reads its parameters, and makes a loader anew from them
    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        original_init(self, *arguments, **named)
        if self not in _loaders:
            number = _loaders[self] = len(_seen)
            _seen[number] = {
                "place": places.caller(sys._getframe(1)),
                "batch_size": getattr(self, "batch_size", None),
                "passes": [],
                "taken": [],
                "worked": [],
                "used": [],
                "forwards": 0,
                "backwards": 0,
                "length": None,
                "rows": None,
                "seconds": [],
                "digests": [],
                "backwards_left": 0,
            }

    @functools.wraps(original_iter)
    def __iter__(self: Any) -> Iterator[Any]:
        number = _loaders.get(self)
        if number is not None and not _seen[number]["passes"]:
            _seen[number]["length"], _seen[number]["rows"] = _size(original_len, self), _size(len, getattr(self, "dataset", None))
            rows.saw_dataset(number, getattr(self, "dataset", None))
        batches = original_iter(self)
        return _Pass(batches, _counted(batches, number, places.caller(sys._getframe(1))), self)

    @functools.wraps(original_len)
    def __len__(self: Any) -> int:
        length: int = original_len(self)
        most = limit()
        if most is None or (settings.bounds.get("asks") and _never_trains(self, _seen.get(_loaders.get(self, -1)))):
            return length
        return min(length, most)

    loader.__init__, loader.__iter__, loader.__len__ = __init__, __iter__, __len__


class _Pass:
    """One pass over a loader, which answers as the loader's own iterator does.

    Args:
        batches: the loader's own iterator.
        counted: the same batches, counted and cut.
        loader: the loader, whose length is that of a pass.
    """

    def __init__(self, batches: Any, counted: Iterator[Any], loader: Any) -> None:
        self._gonogo = (batches, counted, loader)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._gonogo[1])

    def __len__(self) -> int:
        return len(self._gonogo[2])

    def __getattr__(self, name: str) -> Any:
        if name == "_gonogo":  # it is being copied, and has nothing yet
            raise AttributeError(name)
        return getattr(self._gonogo[0], name)


def _size(measure: Any, value: Any) -> int | None:
    """How many there are, None where nothing tells it."""
    try:
        return int(measure(value))
    except (TypeError, NotImplementedError):
        return None


def _counted(batches: Iterator[Any], number: int | None, place: Any) -> Iterator[Any]:
    entry = _seen.get(number) if number is not None else None
    if entry is None:
        yield from batches
        return
    most, index = limit(), len(entry["passes"])
    for count in ("passes", "taken", "worked"):
        entry[count].append(0)
    entry["used"].append(place)
    is_altered = number in settings.alter.get(alterations.LABELS, {}).get(settings.run, {}).get("loaders", ())
    first = began = clock.now()
    backwards = training.counted()[1]
    global _left
    for batch in batches:
        _settle_left()
        contents.saw(str(number), batch)
        views.begins(batch, places.caller(sys._getframe(1)) or place)
        if len(entry["digests"]) < MOST_DIGESTS:
            with clock.aside():
                entry["digests"].append(_digest(batch))
        if index < 1000:
            entry["passes"][index] += 1
            _changed.add(number)  # type: ignore[arg-type]
        if settings.alter:
            batch = labelled.permuted(batch) if is_altered else batch
        if settings.alter or settings.mode == settings.REHEARSAL:
            labelled.remember(batch)
        before, outer = training.counted(), _settle(number)
        labelled.begin(number, index)
        try:
            yield batch
            entry["taken"][index] += 1
        except GeneratorExit:
            if outer is None and entry["passes"][index : index + 1] == [1]:
                _left = (number, training.counted()[1])  # type: ignore[assignment]
            raise
        finally:  # also where the loop is left by `break`
            labelled.begin(None, 0)
            _settle(outer if _current == number else _current)
            entry["worked"][index] += training.counted() != before
            _changed.add(number)  # type: ignore[arg-type]
        now = clock.now()
        if len(entry["seconds"]) < MOST_TIMED:
            entry["seconds"].append(round(now - began, 6))
        began = now
        enough = most is not None and (entry["passes"][index] >= most or _is_late(entry["passes"][index], now - first))
        if enough and not _only_asks(backwards, now - first):
            return


def _digest(batch: Any) -> int | None:
    """A number by which equal batches are known; None for one that holds no plain tensor."""
    torch: Any = sys.modules.get("torch")
    parts = [value for _, value in contents.tensors(batch)] if torch is not None else []
    plain = [value for value in parts if type(value) is torch.Tensor and value.device.type == "cpu" and not value.is_sparse]
    if not plain or len(plain) < len(parts):
        return None
    found = 0
    for value in plain:
        numbers = value.detach().flatten()[:MOST_HASHED].contiguous()
        found = zlib.crc32(repr((value.dtype, tuple(value.shape))).encode(), found)
        if numbers.numel():
            found = zlib.crc32(numbers.view(torch.uint8).numpy().tobytes(), found)
    return found


def _alike(digests: list[int | None]) -> int:
    """How many batches were all the same; 0 where they differ, or where it is not known."""
    return len(digests) if None not in digests and len(set(digests)) == 1 else 0


def _report() -> None:
    _settle(_current)
    _settle_left()
    while _changed:
        number = _changed.pop()
        entry = _seen[number]
        known = {
            name: entry[name] for name in ("place", "batch_size", "forwards", "backwards", "backwards_left", "length", "rows", "seconds")
        }
        channel.emit(
            events.Loader(
                passes=len(entry["passes"]),
                batches=entry["passes"][:50],
                used=[place for place in dict.fromkeys(entry["used"][:50]) if place is not None][:8],
                used_batches=[worked or taken for worked, taken in zip(entry["worked"][:50], entry["taken"])],
                number=number,
                alike=_alike(entry["digests"]),
                digests=entry["digests"] if ranks.is_one_of_many() else [],
                **known,
            )
        )
