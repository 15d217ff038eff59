"""Many experiments on a Ray cluster.

Each actor judges with a pool of one process, which limits its time and survives its death.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gonogo.model.check_options import CheckOptions
from gonogo.pool.pool import Pool, Result, Task, failed
from gonogo.system.ray import connected, ray

RETRIES = 2  # an actor that dies with its machine begins anew on another, and with it the experiment at hand
AHEAD = 2  # experiments that wait at each actor


class RayPool:
    """Judges on all nodes, which must see the same folders.

    Args:
        jobs: how many experiments at a time; None for one a core, or one a node where experiments are run.
        address: of a running cluster; None starts one here.
    """

    def __init__(self, jobs: int | None = None, address: str | None = None) -> None:
        self._jobs = jobs
        self._address = address

    def run(self, tasks: list[Task], options: CheckOptions) -> Iterator[Result]:
        """Judge the experiments; results come in the order of the tasks.

        Args:
            tasks: the experiments.
            options: the caller's choices; the plans are the tasks' own.

        Raises:
            UsageError: an option names nothing.
        """
        with connected(self._address) as there:
            usual = int(there.get("CPU", 1)) if not options.to.runs_code else sum(key.startswith("node:") for key in there)
            count = max(1, min(self._jobs or usual, len(tasks)))
            kind: Any = ray.remote(max_restarts=-1, max_task_retries=RETRIES, num_cpus=1, scheduling_strategy="SPREAD")(_Judge)
            yield from self._carry(tasks, [kind.remote(options) for _ in range(count)])

    def _carry(self, tasks: list[Task], actors: list[Any]) -> Iterator[Result]:
        waiting = list(enumerate(tasks))[::-1]
        running: dict[Any, tuple[int, Any]] = {}
        done: dict[int, Result] = {}
        free = actors * AHEAD
        for position in range(len(tasks)):
            while position not in done:
                while free and waiting:
                    actor = free.pop(0)
                    index, task = waiting.pop()
                    running[actor.judge.remote(task)] = index, actor
                ready, _ = ray.wait(list(running), num_returns=1)
                index, actor = running.pop(ready[0])
                free.append(actor)
                try:
                    done[index] = ray.get(ready[0])
                except (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError) as error:
                    done[index] = failed(tasks[index].name, f"the process that judged it was lost: {str(error).splitlines()[0]}")
            yield done.pop(position)


class _Judge:
    """One process of the cluster."""

    def __init__(self, options: CheckOptions) -> None:
        self._options = options
        self._pool = Pool(1)

    def judge(self, task: Task) -> Result:
        """Judge one experiment."""
        (result,) = self._pool.run([task], self._options)
        return result
