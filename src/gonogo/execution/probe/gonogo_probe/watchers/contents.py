"""What programs learn from: shapes, types, ranges and labels of batches.

Also of what a network is given that no loader gave.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from .. import channel, clock, events, settings

MOST_BATCHES = 16  # of one source that are looked at
MOST_TENSORS, MOST_SHAPES, MOST_CHANNELS, MOST_CLASSES = 8, 6, 4, 1000
MOST_NUMBERS = 4_000_000  # of one tensor whose mean is taken
_sources: dict[str, dict[str, Any]] = {}
_told: dict[str, int] = {}


def start() -> None:
    """Say from time to time what was seen."""
    channel.on_flush(_report)


def saw(source: str, batch: Any) -> None:
    """Look at a batch.

    Args:
        source: where it comes from: the number of a loader, or the name of a network.
        batch: whatever holds tensors.
    """
    if settings.mode != settings.PROGRAM:
        return
    entry = _sources.setdefault(source, {"batches": 0, "tensors": {}})
    if entry["batches"] >= MOST_BATCHES:
        return
    entry["batches"] += 1
    with clock.aside():
        for name, tensor in tensors(batch):
            if name in entry["tensors"] or len(entry["tensors"]) < MOST_TENSORS:
                _look(entry["tensors"].setdefault(name, {"shapes": {}, "rows": 0, "not_finite": 0}), tensor)


def tensors(value: Any, name: str = "", depth: int = 0) -> list[tuple[str, Any]]:
    """The arrays in a batch, each with the keys and indices that lead to it."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return [(name, value)]
    pairs: list[tuple[Any, Any]] = []
    if depth < 4 and isinstance(value, Mapping):
        pairs = list(value.items())
    elif depth < 4 and isinstance(value, (list, tuple)):
        pairs = list(enumerate(value))
    return [found for key, part in pairs[:20] for found in tensors(part, f"{name}.{key}" if name else str(key), depth + 1)]


def _look(entry: dict[str, Any], value: Any) -> None:
    torch = sys.modules.get("torch")
    if torch is None:
        return
    try:
        tensor = value.detach() if isinstance(value, torch.Tensor) else torch.as_tensor(value)
    except (TypeError, ValueError):
        return  # an array of texts
    is_plain = type(tensor) in (torch.Tensor, torch.nn.Parameter) and not (tensor.is_sparse or tensor.is_quantized)
    if not is_plain or tensor.is_meta or tensor.is_complex():
        return
    with torch.no_grad():
        entry["dtype"] = str(tensor.dtype).removeprefix("torch.")
        if len(entry["shapes"]) < MOST_SHAPES:
            entry["shapes"].setdefault("x".join(map(str, tensor.shape)) or "scalar")
        entry["rows"] += len(tensor) if tensor.ndim else 1
        if not tensor.numel():
            return
        if tensor.ndim:
            tensor = tensor[: max(1, MOST_NUMBERS * len(tensor) // tensor.numel())]
        numbers = tensor.cpu()
        if numbers.is_floating_point():
            finite = torch.isfinite(numbers)
            entry["not_finite"] += int((~finite).sum())
            if not bool(finite.any()):
                return
            numbers = numbers if bool(finite.all()) else torch.where(finite, numbers, torch.zeros_like(numbers))
        low, high = float(numbers.min()), float(numbers.max())
        entry["low"], entry["high"] = min(entry.get("low", low), low), max(entry.get("high", high), high)
        if numbers.is_floating_point() or numbers.ndim > 2:
            _add_moments(entry, numbers.double())
        elif numbers.ndim <= 1 or numbers.shape[1:].numel() == 1:
            _count(entry, numbers.flatten().tolist())


def _add_moments(entry: dict[str, Any], numbers: Any) -> None:
    """Sums for mean and standard deviation: of each channel of images, else of all."""
    channels = numbers.ndim >= 4 and numbers.shape[1] <= MOST_CHANNELS
    each = numbers.transpose(0, 1).flatten(1) if channels else numbers.reshape(1, -1)
    found = [[float(row.sum()), float((row * row).sum()), row.numel()] for row in each]
    old = entry.get("moments")
    if old is None or len(old) != len(found):
        entry["moments"] = found
    else:
        entry["moments"] = [[a + b for a, b in zip(one, other)] for one, other in zip(old, found)]


def _count(entry: dict[str, Any], values: list[Any]) -> None:
    counts = entry.setdefault("counts", {})
    for value in values:
        if value in counts or len(counts) < MOST_CLASSES:
            counts[value] = counts.get(value, 0) + 1


# -- reports -------------------------------------------------------------------------------------------------------------------------------


def _report() -> None:
    for source, entry in list(_sources.items()):
        if _told.get(source) == entry["batches"]:
            continue
        _told[source] = entry["batches"]
        for name, tensor in entry["tensors"].items():
            if "dtype" in tensor:
                channel.emit(events.Contents(source, name, entry["batches"], **_shown(tensor)))


def _shown(tensor: dict[str, Any]) -> dict[str, Any]:
    moments = []
    for total, squares, count in tensor.get("moments", ()):
        mean = total / count
        moments.append([_rounded(mean), _rounded(math.sqrt(max(0.0, squares / count - mean * mean)))])
    counts = tensor.get("counts")
    most = sorted(counts.items(), key=lambda each: -each[1])[:100] if counts else []
    return {
        "dtype": tensor["dtype"],
        "shapes": list(tensor["shapes"]),
        "rows": tensor["rows"],
        "not_finite": tensor["not_finite"],
        "low": _rounded(tensor.get("low")),
        "high": _rounded(tensor.get("high")),
        "moments": moments,
        "classes": len(counts) if counts else 0,
        "counts": [[value, count] for value, count in most],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")
