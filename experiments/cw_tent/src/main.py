"""Start one run: `python -m src.main run=<run_id> results_dir=<path> [trial_mode=true] [any other override]`.

The run itself is `src.train` in a child process. A run id may hold spaces and parentheses, which Hydra's grammar takes only in quotes:
they are added here, so that the id can be given as it is written in the plan, quoted or not.
"""

from __future__ import annotations

import os
import subprocess
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

# Threads that wait for others would otherwise spin: on cores that something else uses too, that made a step forty times as long.
# glibc's malloc would give large tensors back to the system after each step, and every step would pay for the page faults.
SURROUNDINGS = {"OMP_WAIT_POLICY": "PASSIVE", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_MMAP_MAX_": "0"}
# Overrides whose value is a text that may hold anything: an id or a path.
TEXTS = ("run", "results_dir")


def quoted(text: str) -> str:
    """A text in the quotes of Hydra's override grammar."""
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"


def safe(argument: str) -> str:
    """Quote the values of `run` and `results_dir` so that Hydra can parse the argument."""
    key, equals, value = argument.partition("=")
    if key not in TEXTS or not equals:
        return argument
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return argument
    return f"{key}={quoted(value)}"


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Train in a child process with the overrides that were given, and end with its exit code."""
    given = HydraConfig.get().overrides
    overrides = [safe(override) for override in given.task]
    print(f"{cfg.run.run_id}: {'trial' if cfg.trial_mode else 'run'} with {' '.join(overrides)}", flush=True)
    environment = {**SURROUNDINGS, **os.environ}
    child = subprocess.Popen([sys.executable, "-u", "-m", "src.train", *given.hydra, *overrides], env=environment)
    try:
        code = child.wait()
    except KeyboardInterrupt:  # the terminal sent it to the child as well, which ends by itself
        code = child.wait()
    if code != 0:
        sys.exit(code if code > 0 else 128 - code)


if __name__ == "__main__":
    sys.argv[1:] = [safe(argument) for argument in sys.argv[1:]]
    main()
