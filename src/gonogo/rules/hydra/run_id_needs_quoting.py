"""HYD103."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from gonogo.analysis.interpreter.composing import ConfigSource
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module
from gonogo.model.contract import Contract
from gonogo.model.finding import Certainty, Location, Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, at, rule

UNSAFE = re.compile(r"[\s;&|<>()$`\"'*?\[\]{}!~#\\/]|^-")


@rule(
    "HYD103",
    "run-id-needs-quoting",
    criterion=2,
    severity=Severity.ERROR,
    stage=Stage.COMPOSE,
    certainty=Certainty.PROVEN,
    settles=("composition",),
)
def run_id_needs_quoting(
    traces: list[Trace], runs: list[Run], contract: Contract, config_source: ConfigSource, modules: dict[str, Module]
) -> Iterator[Violation]:
    """A run id does not survive the documented command line.

    What it does:
        Parses `run=<run_id>` with Hydra's own grammar, as the documented command gives it (also where its program has no code yet) and as
        the code hands it on to a child process.
        An id that parses but that a shell or a file system takes apart (blanks, brackets, slashes) is a warning. A program that puts quotes
        around the id before Hydra reads its arguments is fine.

    Why it matters:
        Parentheses, commas and equal signs mean something in Hydra's grammar: the command ends in a parse error before anything runs.

    Instead:
        Use plain words with dashes as ids, or quote the value for Hydra: `run='<run_id>'`.
    """
    faults: dict[str, tuple[str, list[Run]]] = {}
    unsafe: list[Run] = []
    for run in runs:
        own = [trace for trace in traces if trace.run_id == run.id]
        message = _refused(own, config_source) or _refused_anyway(run, contract, config_source, modules)
        if message is not None:
            faults.setdefault("", (message, []))[1].append(run)
        elif UNSAFE.search(run.id) and config_source.grammar_fault(f"run={run.id}") is None:
            unsafe.append(run)  # one that Hydra itself would refuse got through: then the code sees to its quotes
    for message, concerned in faults.values():
        what = "the run id does not parse as a Hydra override in the documented command `run=<run_id>`"
        fault = _of_runs(concerned, contract, what, message, Severity.ERROR)
        ids = {run.id for run in concerned}
        handed_on = [child.location for child in _children(traces, config_source) if ids & set(child.runs)]
        also = (Related(location=place, label="handed on unquoted here too") for place in dict.fromkeys(handed_on))
        yield replace(fault, related=(*fault.related, *also))
    if unsafe:
        yield _of_runs(
            unsafe,
            contract,
            "the run id holds characters that a shell or a file name can't take as they are",
            repr(unsafe[0].id),
            Severity.WARNING,
        )
    told = {run.id for _, concerned in faults.values() for run in concerned}
    by_id = {run.id: run for run in runs}
    for child in _children(traces, config_source):
        if not told & set(child.runs):
            named = [by_id[run_id] for run_id in child.runs if run_id in by_id and run_id in child.evidence]
            places = tuple(Related(location=_id_place(run, contract), label="the id of this run") for run in named)
            yield replace(child, related=places)


def _refused(traces: list[Trace], config_source: ConfigSource) -> str | None:
    """Hydra's complaint about the run override of the documented command."""
    for trace in traces:
        for process in trace.processes:
            for override, composition in process.failing:
                if process.launched is None and override.endswith(trace.run_id) and config_source.grammar_fault(override):
                    return f"{override}\n{composition.message}"
    return None


def _refused_anyway(run: Run, contract: Contract, config_source: ConfigSource, modules: dict[str, Module]) -> str | None:
    """Return Hydra's complaint where the documented program has no code yet.

    Such a program could put quotes around the id.
    """
    for command in contract.commands.values():
        module = modules.get(f"{command.module.replace('.', '/')}.py")
        if module is None or module.tree is None or any(not isinstance(line, ast.Expr) for line in module.tree.body):
            continue
        for override in command.overrides:
            filled = override.replace("{run_id}", run.id)
            complaint = config_source.grammar_fault(filled) if filled != override else None
            if complaint:
                return f"{filled}\n{complaint}"
    return None


def _of_runs(runs: list[Run], contract: Contract, message: str, evidence: str, severity: Severity) -> Violation:
    places = [_id_place(run, contract) for run in runs]
    related = tuple(Related(location=place, label="another such run id") for place in places[1:] if place != places[0])
    action = (
        "use plain words with dashes as run ids, also in the plan where it names them; or let the program put quotes around the value in "
        "`sys.argv`, before Hydra reads it, and wherever it hands it on (`gonogo explain HYD103` shows how)"
    )
    return Violation(places[0], message, action, related, tuple(run.id for run in runs), evidence, severity)


def _id_place(run: Run, contract: Contract) -> Location:
    return run.locate((contract.run_config.identity,)) if run.path else at("plan")


def _children(traces: list[Trace], config_source: ConfigSource) -> Iterator[Violation]:
    for trace in traces:
        for process in trace.processes:
            for override, composition in process.failing:
                complaint = config_source.grammar_fault(override)
                if process.launched is not None and complaint:
                    site = process.launched
                    yield Violation(
                        site.module.location(site.node),
                        f"the override `{override.partition('=')[0]}=…` is passed to `{process.module}` unquoted, "
                        "and its value does not parse",
                        "put the value in single quotes: `key='value'`",
                        runs=(trace.run_id,),
                        evidence=f"{override}\n{composition.message}",
                    )


BAD = [
    Tree(
        {
            "config/run/proposed-mlp-digits.yaml": None,
            "config/run/proposed-mlp (64 units).yaml": "run_id: proposed-mlp (64 units)  # <- here\n",
        }
    ),
    Tree(
        {
            "src/main.py": '"""Starts the training."""\n',
            "config/run/proposed-mlp-digits.yaml": None,
            "config/run/proposed-mlp (64 units).yaml": "run_id: proposed-mlp (64 units)  # <- here\n",
        }
    ),
    Tree(
        {
            "src/main.py": (
                Edit('[f"run={cfg.run.run_id}"]', '[f"run={cfg.run.run_id}", "results_dir=a,(b"]'),
                Edit("    subprocess.run(command, check=True)", "    subprocess.run(command, check=True)  # <- here"),
            )
        }
    ),
]
GOOD = [
    Tree({"src/main.py": Edit('f"run={cfg.run.run_id}"', "f\"run='{cfg.run.run_id}'\"")}),
    Tree(
        {
            "config/run/proposed-mlp-digits.yaml": None,
            "config/run/proposed-mlp (64 units).yaml": "run_id: proposed-mlp (64 units)\n",
            "src/main.py": (
                Edit('f"run={cfg.run.run_id}"', "f\"run='{cfg.run.run_id}'\""),
                Edit(
                    'if __name__ == "__main__":\n',
                    'if __name__ == "__main__":\n'
                    "    for place, argument in enumerate(sys.argv):\n"
                    '        if argument.startswith("run=") and "\'" not in argument:\n'
                    '            sys.argv[place] = "run=\'" + argument[4:] + "\'"\n',
                ),
            ),
        }
    ),
]
