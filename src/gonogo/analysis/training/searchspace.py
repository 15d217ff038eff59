"""The search section of a run config: whether the search is on, and what it samples from what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gonogo.documents.yaml import KeyPath
from gonogo.model.runs import Run

SECTION = "optuna"
SPACE_KEYS = ("search_space", "search_spaces", "space")
TRIAL_KEYS = ("n_trials", "num_trials", "trials")
OFF = ("false", "off", "no", "0")


def is_on(run: Run) -> bool | None:
    """Whether a run asks for a search, None if its config does not say it plainly."""
    section = run.document.get(run.section(SECTION))
    if not isinstance(section, dict):
        return False
    enabled = section.get("enabled", section.get("enable"))
    trials = next((section[key] for key in TRIAL_KEYS if key in section), None)
    if any(isinstance(value, str) and "${" in value for value in (enabled, trials)):
        return None
    if trials is not None and _is_number(trials) and float(trials) <= 0:
        return False
    if enabled is not None:
        return enabled is True or (isinstance(enabled, str) and enabled.lower() not in OFF)
    return bool(trials is not None and _is_number(trials) and any(section.get(key) for key in SPACE_KEYS))


def parameters(run: Run) -> Iterator[tuple[str, Any, KeyPath]]:
    """Yield each searched parameter: its name, its specification as written, and where it stands.

    Items of a list must give their own name.
    """
    base = run.section(SECTION)
    for key in SPACE_KEYS:
        space = run.document.get((*base, key))
        if isinstance(space, dict):
            yield from ((str(name), spec, (*base, key, name)) for name, spec in space.items())
        elif isinstance(space, list):
            for index, spec in enumerate(space):
                name = (
                    next((spec[word] for word in ("name", "param", "parameter") if word in spec), None) if isinstance(spec, dict) else None
                )
                if isinstance(name, str):
                    yield name, spec, (*base, key, index)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
