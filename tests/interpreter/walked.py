"""Small experiments, walked: what the tests of the interpreter share."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum

from gonogo.analysis.interpreter.base import Value
from gonogo.analysis.interpreter.composing import ConfigSource
from gonogo.analysis.interpreter.runs import walk_runs
from gonogo.analysis.interpreter.sentinels import Sentinel
from gonogo.analysis.interpreter.trace import Site, Trace
from gonogo.analysis.python.modules import load_modules
from gonogo.compose.client import Composer
from gonogo.engine.facts import Facts
from gonogo.engine.workspace import Workspace
from gonogo.model import contract as contracts
from gonogo.model.experiment import Experiment, SourceFile
from gonogo.model.runs import collect_runs

CONFIG = """
defaults:
  - _self_
  - run: ???
trial_mode: false
results_dir: results
training: {}
must: ???
shared:
  lr: ${run.training.lr}
  broken: ${run.nope}
wandb: {entity: e, project: p, mode: online}
"""
RUN = """
run_id: a
method: tent
model: {name: resnet18, width: 64}
dataset: {name: cifar, root: /data, sizes: [1, 2]}
training: {lr: 0.1, momentum: 0.9, steps: 10, optimizer: sgd}
optuna: {enabled: true, n_trials: 3, search_space: {lr: {type: loguniform, low: 1e-4, high: 1e-2}}}
"""
HEAD = """
import dataclasses, copy, functools, subprocess, sys
import hydra
from omegaconf import OmegaConf, DictConfig, open_dict
"""
TAIL = """
if __name__ == "__main__":
    main()
"""


def program(body: str, before: str = "") -> str:
    """A main module whose function under `@hydra.main` has this body."""
    text = (
        HEAD
        + textwrap.dedent(before)
        + '\n@hydra.main(version_base="1.3", config_path="../config", config_name="config")\ndef main(cfg):\n'
        + textwrap.indent(textwrap.dedent(body), "    ")
        + TAIL
    )
    ast.parse(text)
    return text


def experiment_of(texts: Mapping[str, str]) -> Experiment:
    """An experiment of these files."""
    return Experiment("test", {path: SourceFile(path, text) for path, text in texts.items()})


def trace_of(
    composer: Composer,
    body: str,
    *,
    command: str = "full",
    before: str = "",
    config: str = CONFIG,
    files: dict[str, str] | None = None,
    contract: str = "trial-mode",
) -> Trace:
    """Walk a main function with this body."""
    own = "config/run/a.yaml" if contract == "trial-mode" else "config/runs/a.yaml"
    experiment = experiment_of({"src/main.py": program(body, before), "config/config.yaml": config, own: RUN, **(files or {})})
    rules = contracts.load(contract)
    runs = collect_runs(experiment, rules)
    with Workspace(experiment, runs) as workspace:
        facts = Facts(experiment=experiment, contract=rules, composer=composer, workspace=workspace, runs=runs)
        traces: list[Trace] = facts.get("traces")
    return next(trace for trace in traces if trace.command == command)


def absent(trace: Trace) -> list[str]:
    """The paths of keys that are surely absent where they are read."""
    return [".".join(access.path) for access in trace.accesses if not access.guarded and not access.doubtful]


def written(trace: Trace) -> list[str]:
    """The paths of writes that struct mode refuses."""
    return [".".join(write.path) for write in trace.struct_writes]


@dataclass
class Runs:
    """Several runs, whose configs are composed once for all programs that are walked with them."""

    texts: dict[str, str]
    configs: ConfigSource

    def walk(self, body: str, before: str = "", together: bool = True, **files: str) -> list[Trace]:
        """The traces of a program."""
        experiment = experiment_of({**self.texts, "src/main.py": program(body, before), **files})
        rules = contracts.load("trial-mode")
        return walk_runs(experiment, rules, load_modules(experiment), collect_runs(experiment, rules), self.configs, together)


@contextmanager
def runs_of(composer: Composer, configs: Mapping[str, str], shared: str = CONFIG) -> Iterator[Runs]:
    """Runs with these configs by id."""
    texts = {"config/config.yaml": shared, **{f"config/run/{name}.yaml": text for name, text in configs.items()}}
    experiment = experiment_of(texts)
    with Workspace(experiment, collect_runs(experiment, contracts.load("trial-mode"))) as workspace:
        yield Runs(texts, ConfigSource(composer, workspace.root))


def seen(trace: Trace) -> dict[str, object]:
    """All that a trace says, in a form that can be compared with that of another walk of the same text."""
    return {
        "run": (trace.run_id, trace.command),
        "complete": (trace.complete, trace.reason, trace.loads_unknown),
        "used": trace.used,
        "used whole": trace.used_whole,
        "written": trace.written,
        "events": [_plain(event) for event in trace.events],
        "processes": [_plain(process) for process in trace.processes],
        "executed": len(trace.executed),
    }


def _plain(value: object) -> object:
    if isinstance(value, Value):
        return (type(value).__name__, value.constant(), value.outside_name(), value.shown())
    if isinstance(value, Site):
        return (value.module.path, getattr(value.node, "lineno", 0), getattr(value.node, "col_offset", 0))
    if isinstance(value, (Sentinel, Enum)) or not is_dataclass(value):
        if isinstance(value, (list, tuple)):
            return [_plain(each) for each in value]
        return {str(key): _plain(each) for key, each in value.items()} if isinstance(value, Mapping) else value
    names = [entry.name for entry in fields(value)]
    return [type(value).__name__, *(_plain(getattr(value, name)) for name in names)]
