"""gonogo: is this experiment code ready to run, and would its result mean anything?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gonogo.system.version import __version__

if TYPE_CHECKING:
    from gonogo.engine.pipeline import check
    from gonogo.model.experiment import Experiment
    from gonogo.model.finding import Finding
    from gonogo.model.verdict import Verdict

__all__ = ["Experiment", "Finding", "Verdict", "__version__", "check"]

_HOMES = {
    "Experiment": "gonogo.model.experiment",
    "Finding": "gonogo.model.finding",
    "Verdict": "gonogo.model.verdict",
    "check": "gonogo.engine.pipeline",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: `gonogo --version` should not pay for a parser."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gonogo' has no attribute '{name}'")
