"""EVA101."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.project.child_processes import starts
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, main_guard, origin
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("EVA101", "main-calls-evaluate", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def main_calls_evaluate(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A run starts the evaluation.

    What it does:
        Looks in all other modules for a child process that runs the evaluation module, and for a call of the function
        that is its entry point.

    Why it matters:
        Evaluation compares runs, so it has to wait until all of them are finished and in the tracker. Called from a run
        it sees one of them at most, and in trial mode none at all.

    Instead:
        Take the call out. The evaluation has a documented command of its own.
    """
    name = contract.evaluation.module
    path = module_path(name)
    entries = _entries(modules.get(path))
    for module in modules.values():
        if module.path == path:
            continue
        for call, words in starts(module):
            if any(word in (name, path) or word.endswith(f"/{path}") for word in words):
                yield Violation(
                    module.location(call),
                    f"a run starts `{name}` in a child process",
                    "take the call out: evaluation is a command of its own",
                )
        for call in calls(module):
            owner, _, function = origin(module, call.func).rpartition(".")
            if owner == name and function in entries:
                yield Violation(
                    module.location(call), f"a run calls `{function}` of `{name}`", "take the call out: evaluation is a command of its own"
                )


def _entries(module: Module | None) -> set[str]:
    """The functions that the evaluation module calls when it is started."""
    guard = main_guard(module) if module is not None else None
    if guard is None:
        return set()
    return {node.func.id for node in ast.walk(guard) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


BAD = [
    Tree(
        {
            "src/main.py": Edit(
                "    subprocess.run(command, check=True)\n",
                "    subprocess.run(command, check=True)\n"
                '    subprocess.run([sys.executable, "-m", "src.evaluate"], check=True)  # <- here\n',
            )
        }
    ),
    Tree(
        {
            "src/main.py": (
                Edit("from omegaconf import DictConfig\n", "from omegaconf import DictConfig\n\nfrom src import evaluate\n"),
                Edit(
                    "    subprocess.run(command, check=True)\n", "    subprocess.run(command, check=True)\n    evaluate.main()  # <- here\n"
                ),
            )
        }
    ),
]
GOOD = Tree(
    {
        "src/main.py": Edit(
            '    print(f"finished the training of {cfg.run.run_id}")\n',
            '    print("finished; compare the runs with: python -m src.evaluate")\n',
        )
    }
)
