"""What a run logged besides numbers, step by step.

That is histograms, pictures and tables, under the keys that the run gave them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.tracker.store import Store
from gonogo.tracker.store.history import MISSING, evenly, lookup

HISTOGRAM = "histogram"
PICTURES = ("image-file", "images/separated", "images")
TABLE = "table-file"
# Steps that are shown of one key, spread evenly.
LIMIT_OF_STEPS = 200
LIMIT_OF_PICTURES = 100
# Bins of the common grid of all histograms of a key.
BINS = 48
DEEPEST = 6


@dataclass(frozen=True)
class Logged:
    """A value with the step at which it was logged."""

    step: int
    value: dict[str, Any]


def keys(store: Store, run: int) -> dict[str, list[str]]:
    """Return the names of what was logged, by kind: `histogram`, `image`, `table`.

    Those in objects have their path, with dots.
    """
    found: dict[str, list[str]] = {"histogram": [], "image": [], "table": []}
    for metric in store.history.metrics(run):
        name, kind = metric["name"], metric["kind"]
        if name.startswith("_"):
            continue
        if kind == "object":
            inner = _inside(store, run, name)
        else:
            inner = [(name, kind)]
        for path, each in inner:
            what = _kind(each)
            if what:
                found[what].append(path)
    return found


def _kind(kind: str) -> str | None:
    return "histogram" if kind == HISTOGRAM else "image" if kind in PICTURES else "table" if kind == TABLE else None


def _inside(store: Store, run: int, name: str) -> list[tuple[str, str]]:
    places = store.history.places_with(run, [name])
    rows = [row for _, row in store.history.rows_at(run, evenly(places, 3))]
    return [*dict.fromkeys(pair for row in rows for pair in _walk(row.get(name), name, DEEPEST))]


def _walk(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and "_type" in value:
        yield path, str(value["_type"])
    elif isinstance(value, dict) and depth:
        for key, item in value.items():
            yield from _walk(item, f"{path}.{key}", depth - 1)


def values(store: Store, run: int, key: str, limit: int = LIMIT_OF_STEPS) -> list[Logged]:
    """What was logged under a key, by step: all of it, or a part that is spread evenly."""
    places = evenly(store.history.places_with(run, [key]), limit)
    found = ((place[0], lookup(row, key)) for place, row in store.history.rows_at(run, places))
    return [Logged(step, value) for step, value in found if value is not MISSING and isinstance(value, dict)]


def histograms(logged: Sequence[Logged]) -> dict[str, Any]:
    """Return histograms on one grid.

    It has `edges`, and for each of `steps` its `counts`. There are no steps if none of them can be read.
    """
    read = [(each.step, found) for each in logged if (found := _bins(each.value)) is not None]
    if not read:
        return {"edges": [], "steps": [], "counts": []}
    low = min(edges[0] for _, (edges, _) in read)
    high = max(edges[-1] for _, (edges, _) in read)
    if low == high:
        low, high = low - 0.5, high + 0.5
    grid = [low + (high - low) * at / BINS for at in range(BINS + 1)]
    counts = [_rebinned(edges, found, low, high) for _, (edges, found) in read]
    return {"edges": grid, "steps": [step for step, _ in read], "counts": counts}


def _bins(value: dict[str, Any]) -> tuple[list[float], list[float]] | None:
    """Return edges and counts of a histogram as the client writes it.

    It is written with all edges, or with the first and their distance.
    """
    counts, edges, packed = value.get("values"), value.get("bins"), value.get("packedBins")
    if isinstance(packed, dict) and isinstance(counts, list):
        try:
            if packed["count"] != len(counts):
                return None
            edges = [packed["min"] + packed["size"] * at for at in range(len(counts) + 1)]
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
    if not isinstance(edges, list) or not isinstance(counts, list) or len(edges) != len(counts) + 1 or len(counts) > 10_000:
        return None
    try:
        numbers, found = [float(edge) for edge in edges], [float(count) for count in counts]
    except (TypeError, ValueError, OverflowError):
        return None
    return (numbers, found) if found and all(map(math.isfinite, numbers)) and all(map(math.isfinite, found)) else None


def _rebinned(edges: Sequence[float], counts: Sequence[float], low: float, high: float) -> list[float]:
    """Counts on a grid from `low` to `high`: each bin's count is spread evenly over what it covers."""
    width = (high - low) / BINS
    found = [0.0] * BINS
    for left, right, count in zip(edges, edges[1:], counts, strict=False):
        first, last = ((end - low) / width for end in (min(left, right), max(left, right)))
        if last - first < 1e-9:
            found[min(BINS - 1, max(0, int(first)))] += count
            continue
        for at in range(max(0, int(first)), min(BINS, math.ceil(last))):
            found[at] += count * max(0.0, min(at + 1, last) - max(at, first)) / (last - first)
    return [round(count, 6) for count in found]


def pictures(store: Store, run: int, value: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return the file names of a logged picture, or of several.

    Each comes with its caption and whether the file was uploaded.
    """
    single = value.get("_type") == "image-file"
    names = [value.get("path")] if single else value.get("filenames")
    captions = [value.get("caption")] if single else value.get("captions")
    texts = captions if isinstance(captions, list) else []
    files = [name.encode(errors="replace").decode() for name in names if isinstance(name, str)] if isinstance(names, list) else []
    labels = [texts[at] if at < len(texts) and isinstance(texts[at], str) else "" for at in range(len(files))]
    shown = [*zip(files, labels, strict=True)][:LIMIT_OF_PICTURES]
    uploaded = {row["name"] for row in store.files.of_run(run, [name for name, _ in shown])} if shown else set()
    return [(name, label, name in uploaded) for name, label in shown]
