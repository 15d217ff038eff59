"""The engines, one small module each."""

from __future__ import annotations

from gonogo.launch.job import Executor
from gonogo.model.errors import UsageError


def make(name: str, jobs: int | None, address: str | None, parameters: dict[str, str]) -> Executor:
    """An engine by name.

    Args:
        name: `local`, `ray` or `slurm`.
        jobs: how many jobs at a time, None for what the engine thinks best.
        address: of a Ray cluster; None for one on this machine.
        parameters: of Slurm, as submitit has them.

    Raises:
        UsageError: it is not installed, or an option is another engine's.
    """
    if address is not None and name != "ray":
        raise UsageError("--address is a Ray cluster's: it goes with --on ray.")
    if parameters and name != "slurm":
        raise UsageError("--slurm is for Slurm's parameters: it goes with --on slurm.")
    try:
        if name == "ray":
            from gonogo.launch.executors.ray import RayExecutor

            return RayExecutor(jobs, address)
        if name == "slurm":
            from gonogo.launch.executors.slurm import SlurmExecutor

            return SlurmExecutor(parameters)
    except ImportError as error:
        raise UsageError(f"--on {name} needs more packages: install gonogo[{name}].") from error
    from gonogo.launch.executors.local import LocalExecutor

    return LocalExecutor(jobs)
