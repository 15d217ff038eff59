"""Which runs of a sweep are stopped early: Hyperband, as sweep configurations ask for it.

Source: Li et al. 2017, "Hyperband", for the brackets; the W&B documentation of `early_terminate` for the names of its settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gonogo.tracker.store.runs import RefusedError


def bands(settings: Mapping[str, Any]) -> list[int]:
    """After how many logged values of the metric runs are compared.

    Raises:
        RefusedError: The settings can't be read.
    """
    if settings.get("type") != "hyperband":
        raise RefusedError(f"sweep: early_terminate knows the type hyperband, not {settings.get('type')!r}")
    try:
        eta = float(settings.get("eta", 3))
        if "min_iter" in settings:
            least, count = float(settings["min_iter"]), 20
            found = [least * eta**at for at in range(count)]
        else:
            most, count = float(settings["max_iter"]), int(settings["s"])
            found = [most / eta**at for at in range(count, 0, -1)]
    except (KeyError, TypeError, ValueError) as error:
        raise RefusedError("sweep: hyperband needs min_iter, or max_iter and s") from error
    if eta <= 1 or not all(band >= 1 for band in found):
        raise RefusedError("sweep: hyperband needs an eta of more than 1, and compares runs after 1 value at the earliest")
    return sorted({math.floor(band) for band in found})


def stopped(settings: Mapping[str, Any], scores: Mapping[str, Sequence[float]], running: Sequence[str]) -> list[str]:
    """Runs that are to be stopped: at the last band that they reached, others did better.

    Args:
        settings: What the configuration says under `early_terminate`.
        scores: What each run of the sweep logged, by its id, in order; less is better.
        running: Ids of those that may be stopped.
    """
    eta, found = float(settings.get("eta", 3)), bands(settings)
    best = {run: [min(values[: at + 1]) for at in range(len(values))] for run, values in scores.items()}
    chosen = []
    for run in running:
        reached = [band for band in found if band <= len(best.get(run, ()))]
        if not reached:
            continue
        band = reached[-1]
        rivals = sorted(values[band - 1] for values in best.values() if len(values) >= band)
        kept = max(1, math.floor(len(rivals) / eta))
        # Without strict, nobody is stopped before there are enough to be compared with.
        if len(rivals) >= eta and best[run][band - 1] > rivals[kept - 1]:
            chosen.append(run)
    return chosen
