"""EVA109."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.code.modules import Module
from gonogo.code.names import all_parsed, argument, calls, text_of
from gonogo.code.tracking import Wanted, handles, training_modules, vocabulary, wanted_keys
from gonogo.contract import Contract, module_path
from gonogo.experiment import Experiment
from gonogo.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, quoted, rule


@rule("EVA109", "key-never-logged", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK)
def key_never_logged(experiment: Experiment, modules: dict[str, Module], contract: Contract) -> Iterator[Fault]:
    """Evaluation asks W&B for a key that training never logs.

    What it does:
        Collects the keys that evaluation asks for by name (`history(keys=[…])`, columns of the history, `run.summary["…"]`,
        `summary.get("…", 0.0)`) and every text from which training could make the name of a metric, configs and f-strings
        included. A key that nothing could make was never logged. It also reports `history(keys=[…])` with keys that are always logged in
        different steps: no row holds them all, so the table is empty.

    Why it matters:
        The evaluation ends in a KeyError, or draws an empty figure, after all runs are done. One missing key among
        `keys` empties the whole table.

    Instead:
        Ask for the keys as they are logged; take rows of `scan_history()` and drop what is missing from each.
    """
    module = modules.get(module_path(contract.evaluation.module))
    training = training_modules(modules, contract)
    if module is None or not all_parsed(modules) or not any(handles(other) for other in training):
        return
    wanted = list(wanted_keys(module))
    if not wanted:
        return
    known = vocabulary(training, "\n".join(file.text or "" for file in experiment.with_suffix(".yaml", ".yml")))
    logging = tuple(_logging_places(training))
    told: set[str] = set()
    for entry in wanted:
        if entry.key not in told and known.lacks(entry.key):
            told.add(entry.key)
            yield Fault(
                module.location(entry.node),
                f"evaluation asks for `{entry.key}`{_where(entry)}, which training never logs",
                "ask for the key as training logs it, or log it there",
                related=logging,
            )
    if not told:
        yield from _never_together(module, training)


def _logging_places(training: list[Module]) -> Iterator[Related]:
    """Where training logs, one place for each module."""
    for module in training:
        names = handles(module)
        for call in calls(module):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "log" and ast.unparse(call.func.value) in names:
                yield Related(location=module.location(call), label="what training logs")
                break


def _where(entry: Wanted) -> str:
    return " in the summary" if entry.how == "summary" else " in the history"


def _never_together(module: Module, training: list[Module]) -> Iterator[Fault]:
    """Requests for keys of which no row can hold all."""
    rows = _rows(training)
    if rows is None:
        return
    for call in calls(module):
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in ("history", "scan_history"):
            continue
        listed = argument(call, None, "keys")
        keys = [text for entry in (listed.elts if isinstance(listed, (ast.List, ast.Tuple)) else []) if (text := text_of(entry))]
        logged = [key for key in keys if any(key in row for row in rows)]
        if len(logged) == len(keys) > 1 and not any(set(keys) <= row for row in rows):
            apart = [key for key in keys if not any({keys[0], key} <= row for row in rows)]
            if apart:
                yield Fault(
                    module.location(call),
                    f"no row of the history holds all of these keys, so the table is empty: `{keys[0]}` and {', '.join(quoted(apart))} are "
                    "logged in different steps",
                    "read `scan_history()` without `keys` and drop what is missing, or ask for each key by itself",
                )


def _rows(training: list[Module]) -> list[set[str]] | None:
    """The keys of every row that is logged; None unless each call logs a literal dictionary and makes a step of its own."""
    rows = []
    for module in training:
        names = handles(module)
        for call in calls(module):
            if not (isinstance(call.func, ast.Attribute) and call.func.attr == "log"):
                continue
            owner = ast.unparse(call.func.value)
            if owner not in names:
                if owner.rpartition(".")[2] in ("logger", "log", "math", "np", "torch"):
                    continue
                return None
            first = call.args[0] if len(call.args) == 1 and not call.keywords else None
            if not isinstance(first, ast.Dict) or not all(key is not None and text_of(key) is not None for key in first.keys):
                return None
            rows.append({text_of(key) or "" for key in first.keys})
    return rows or None


BAD = [
    Tree({"src/evaluate.py": Edit('float(run.summary["test_accuracy"])', 'float(run.summary["accuracy_on_test"])  # <- here\n        ')}),
    Tree(
        {
            "src/evaluate.py": (
                Edit(
                    "    history = pd.DataFrame(list(run.scan_history()))\n",
                    '    history = run.history(keys=["epoch", "valid_loss"])  # <- here\n',
                ),
            )
        }
    ),
    Tree(
        {
            "src/evaluate.py": (
                Edit(
                    "    history = pd.DataFrame(list(run.scan_history()))\n",
                    '    history = run.history(keys=["epoch", "test_loss"])  # <- here\n',
                ),
            )
        }
    ),
]
GOOD = Tree(
    {
        "src/train.py": (
            Edit(
                'wandb.log({"epoch": epoch, "train_loss"',
                'prefix = "val"\n            wandb.log({f"{prefix}/top1": val_accuracy, "epoch": epoch, "train_loss"',
            ),
        ),
        "src/evaluate.py": Edit(
            "    history = pd.DataFrame(list(run.scan_history()))\n", '    history = run.history(keys=["epoch", "val/top1"])\n'
        ),
    }
)
