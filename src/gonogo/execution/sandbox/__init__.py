"""A sandbox for code that nobody has read: `with Sandbox(policy) as box: box.run([...])`.

`model.py` says what can be asked for and what comes back, `choice.py` which mechanism holds on this machine, `view.py` what the code sees
of the file system; `bubblewrap.py` and `launcher.py` are the two mechanisms; `watch.py` enforces what no mechanism does: time, memory,
disk, output, processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gonogo.execution.sandbox.box import Box
    from gonogo.execution.sandbox.choice import Sandbox, establish
    from gonogo.execution.sandbox.model import Containment, Limit, Limits, Mechanism, Policy, RunResult
    from gonogo.execution.sandbox.safe_files import Collected

__all__ = ["Box", "Collected", "Containment", "Limit", "Limits", "Mechanism", "Policy", "RunResult", "Sandbox", "establish"]

_HOMES = {"Box": "box", "Collected": "safe_files", "Sandbox": "choice", "establish": "choice"}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: the launcher needs none of them."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'model')}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
