"""The engines that carry out runs, one module each.

A module is in this package, or an installed package names it in `gonogo.executors`.

A module defines `make(options) -> Executor`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module

from gonogo.launch.job import Executor
from gonogo.model.errors import UsageError
from gonogo.system.plugins import named

GROUP = "gonogo.executors"


@dataclass(frozen=True)
class ExecutorOptions:
    """What an executor can be told; each refuses what it has no use for.

    Attributes:
        jobs: how many jobs at a time, None for what it thinks best.
        address: of a cluster.
        parameters: of a scheduler, by name.
    """

    jobs: int | None = None
    address: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    def refuse(self, *, address: bool = False, parameters: bool = False) -> None:
        """Refuse options that mean nothing here.

        Raises:
            UsageError: one of them is given.
        """
        if address and self.address is not None:
            raise UsageError("--address is a Ray cluster's: it goes with --on ray.")
        if parameters and self.parameters:
            raise UsageError("--slurm is for Slurm's parameters: it goes with --on slurm.")


def names() -> list[str]:
    """The names of all executors."""
    return sorted({*(entry.name for entry in pkgutil.iter_modules(__path__)), *named(GROUP)})


def make(name: str, options: ExecutorOptions) -> Executor:
    """An executor by name.

    Raises:
        UsageError: there is none of this name, it is not installed, or an option is another one's.
    """
    if name not in names():
        raise UsageError(f"There is no executor '{name}': use one of {', '.join(names())}.")
    try:
        module = import_module(named(GROUP).get(name, f"{__name__}.{name}"))
    except ImportError as error:
        raise UsageError(f"--on {name} needs more packages: install gonogo[{name}] ({error}).") from error
    made: Executor = module.make(options)
    return made
