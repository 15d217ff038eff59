"""EVA109."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches

from gonogo.code.asked_keys import SUMMARY, AskedKey
from gonogo.code.logged_keys import LoggedKeys
from gonogo.code.modules import Module
from gonogo.code.names import argument, calls, text_of
from gonogo.code.sources.texts import ANY
from gonogo.code.tracking import handles, training_modules
from gonogo.contract import Contract, module_path
from gonogo.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, quoted, rule


@rule("EVA109", "key-never-logged", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK)
def key_never_logged(
    modules: dict[str, Module], asked_keys: list[AskedKey], logged_keys: LoggedKeys, contract: Contract
) -> Iterator[Fault]:
    """Evaluation asks W&B for a key that training never logs.

    What it does:
        Follows what training logs (`wandb.log`, `run.summary`) back to the names of the keys, through dictionaries that are
        built elsewhere, functions and f-strings, and holds what evaluation asks of a run's history and summary against
        them. A key that may be logged in some way that no text shows is left alone, and so is one that evaluation
        first looks for. Also reports `history(keys=[…])` with keys that are always logged in different steps: no row holds
        them all. Where evaluation goes on with None or NaN it is a warning.

    Why it matters:
        The evaluation ends in a KeyError, draws an empty figure or reports its own default as a result, after all runs are
        done. One missing key among `keys` empties the whole table.

    Instead:
        Ask for the keys as they are logged; take rows of `scan_history()` and drop what is missing from each.
    """
    if not asked_keys or not logged_keys.places:
        return
    related = tuple(_logging_places(logged_keys))
    told: set[str] = set()
    for asked in asked_keys:
        in_history = asked.how != SUMMARY
        if asked.key in told or logged_keys.has(asked.key, in_history) is not False:
            continue
        told.add(asked.key)
        is_there = in_history and logged_keys.has(asked.key) is True
        yield Fault(
            asked.module.location(asked.node),
            f"evaluation asks for `{asked.key}` in the {'history' if in_history else 'summary'}, which training never logs"
            + (": it is in the summary alone" if is_there else ""),
            f"read `run.summary[{asked.key!r}]`" if is_there else _action(asked, logged_keys),
            related=related,
            severity=Severity.WARNING if asked.fallback == "shown" else None,
        )
    module = modules.get(module_path(contract.evaluation.module))
    if not told and module is not None:
        yield from _never_together(module, training_modules(modules, contract))


def _action(asked: AskedKey, logged: LoggedKeys) -> str:
    """What to do, with the name that was probably meant."""
    names = [key for place in logged.places for key in place.keys if ANY not in key]
    near = get_close_matches(asked.key, names, n=1, cutoff=0.75)
    return f"ask for `{near[0]}`, as training logs it" if near else "ask for the key as training logs it, or log it there"


def _logging_places(logged: LoggedKeys) -> Iterator[Related]:
    """Where training logs, one place for each module."""
    for path in dict.fromkeys(place.module.path for place in logged.places):
        first = next(place for place in logged.places if place.module.path == path)
        yield Related(location=first.module.location(first.node), label="what training logs")


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
