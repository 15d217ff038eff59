"""scikit-learn: what the experiment's own code fits estimators to."""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

from .. import channel, clock, events, hooks, places, settings

MOST_FITS, MOST_CLASSES = 40, 1000
_fits: list[dict[str, Any]] = []
_told = 0


def start() -> None:
    """Watch every `fit` of scikit-learn that goes through the decorator of its own classes.

    Version 1.3 and later have this decorator.
    """
    if settings.mode == settings.PROGRAM:
        hooks.when_imported("sklearn.base", _watch)
        channel.on_flush(_report)


def _watch(module: ModuleType) -> None:
    original = getattr(module, "_fit_context", None)
    if original is None:
        return

    def _fit_context(*arguments: Any, **named: Any) -> Any:
        decorate = original(*arguments, **named)

        def watched(method: Any) -> Any:
            made = decorate(method)

            @functools.wraps(made)
            def fit(self: Any, *given: Any, **more: Any) -> Any:
                caller = sys._getframe(1)
                entry = None
                if len(_fits) < MOST_FITS and places.is_direct(caller):
                    with clock.aside():
                        entry = _look(self, method.__name__, given, more, places.caller(caller))
                began = clock.now()
                try:
                    return made(self, *given, **more)
                finally:
                    if entry is not None:
                        _fits.append({**entry, "seconds": round(clock.now() - began, 4)})
                        channel.tick()

            return fit

        return watched

    vars(module)["_fit_context"] = _fit_context


def _look(estimator: Any, method: str, given: tuple[Any, ...], named: dict[str, Any], place: Any) -> dict[str, Any]:
    x = given[0] if given else named.get("X")
    y = given[1] if len(given) > 1 else named.get("y")
    entry: dict[str, Any] = {"name": type(estimator).__name__, "method": method, "place": place}
    entry["shape"] = "x".join(map(str, getattr(x, "shape", ())))
    entry["dtype"] = str(getattr(x, "dtype", type(x).__name__))
    numpy = sys.modules["numpy"]
    try:
        numbers = numpy.asarray(x, dtype=float)
        entry["not_finite"] = int((~numpy.isfinite(numbers)).sum())
    except (TypeError, ValueError):
        pass  # texts, or a sparse matrix
    try:
        values, counts = numpy.unique(numpy.asarray(y), return_counts=True) if y is not None else ([], [])
    except TypeError:
        values, counts = [], []
    if 0 < len(values) <= MOST_CLASSES and not (len(values) > 20 and len(values) > 0.5 * counts.sum()):
        entry["classes"] = len(values)
        entry["counts"] = sorted(((str(value)[:40], int(count)) for value, count in zip(values, counts)), key=lambda each: -each[1])[:50]
    return entry


def _report() -> None:
    global _told
    for entry in _fits[_told:]:
        channel.emit(events.Fit(**entry))
    _told = len(_fits)
