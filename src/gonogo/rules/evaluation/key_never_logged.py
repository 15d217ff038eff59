"""EVA109."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, text_of
from gonogo.analysis.python.sources.texts import ANY
from gonogo.analysis.tracking.asked_keys import SUMMARY, AskedKey
from gonogo.analysis.tracking.logged_keys import LoggedKeys
from gonogo.analysis.tracking.wandb_runs import handles, training_modules
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule


@rule("EVA109", "key-never-logged", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def key_never_logged(
    modules: dict[str, Module], asked_keys: list[AskedKey], logged_keys: LoggedKeys, contract: Contract
) -> Iterator[Violation]:
    """Evaluation asks W&B for a key that training never logs.

    What it does:
        Follows what training logs (`wandb.log`, `run.summary`) back to the names of the keys, through dictionaries that are
        built elsewhere, functions and f-strings, and holds what evaluation asks of a run's history and summary against
        them. A key that may be logged in some way that no text shows is left alone, and so is one that evaluation
        first looks for, or that only stands in for one that is logged.
        Also reports `history(keys=[…])` with keys that are always logged in different steps: no row holds
        them all. Where evaluation goes on with None or NaN it is a warning.

    Why it matters:
        The evaluation ends in a KeyError, draws an empty figure or reports its own default as a result, after all runs are
        done. One missing key among `keys` empties the whole table.

    Instead:
        Ask for the keys as they are logged; take rows of `scan_history()` and drop what is missing from each.
    """
    if not asked_keys or not logged_keys.places:
        return
    told: set[str] = set()
    for asked in asked_keys:
        in_history = asked.how != SUMMARY
        if asked.key in told or logged_keys.has(asked.key, in_history) is not False:
            continue
        if any(logged_keys.has(key, in_history) is True for key in asked.instead_of):
            continue
        told.add(asked.key)
        near = _nearest(asked.key, logged_keys)
        is_there = in_history and logged_keys.has(asked.key) is True
        yield Violation(
            asked.module.location(asked.written),
            f"evaluation asks for `{asked.key}` in the {'history' if in_history else 'summary'}, which training never logs"
            + (": it is in the summary alone" if is_there else ""),
            f"read `run.summary[{asked.key!r}]`" if is_there else _action(near),
            related=tuple(_logging_places(logged_keys, near)),
            severity=Severity.WARNING if asked.fallback == "shown" else None,
        )
    module = modules.get(module_path(contract.evaluation.module))
    if not told and module is not None:
        yield from _never_together(module, training_modules(modules, contract))


def _nearest(key: str, logged: LoggedKeys) -> str | None:
    """The logged key that was probably meant."""
    names = {name for place in logged.places for name in place.keys if ANY not in name}
    return next(iter(get_close_matches(key, sorted(names), n=1, cutoff=0.7)), None)


def _action(near: str | None) -> str:
    meant = f" (`{near}`?)" if near is not None else ""
    return f"ask for the key as training logs it{meant}, or log it there"


def _logging_places(logged: LoggedKeys, near: str | None) -> Iterator[Related]:
    """Where training logs, one place for each module: the one of the key that was probably meant, else the first."""
    for path in dict.fromkeys(place.module.path for place in logged.places):
        places = [place for place in logged.places if place.module.path == path]
        best = next((place for place in places if near in place.keys), places[0])
        yield Related(location=best.module.location(best.node), label="what training logs")


def _never_together(module: Module, training: list[Module]) -> Iterator[Violation]:
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
                yield Violation(
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


TABLE = "    history = pd.DataFrame(list(run.scan_history()))\n"
ROW = '{"epoch": epoch, "train_loss": train_loss, "val_accuracy": val_accuracy, "val_loss": val_loss}'
COLUMNS = 'HISTORY_KEYS = ["epoch", "train_loss", "val_accuracy", "val_loss"]\n'
BAD = [
    Tree({"src/evaluate.py": Edit('float(run.summary["test_accuracy"])', 'float(run.summary["accuracy_on_test"])  # <- here\n        ')}),
    Tree({"src/evaluate.py": Edit('float(run.summary["test_loss"])', 'run.summary.get("final_test_loss", 0.0)  # <- here\n        ')}),
    Tree({"src/evaluate.py": Edit(TABLE, '    history = run.history(keys=["epoch", "valid_loss"])  # <- here\n')}),
    Tree({"src/evaluate.py": Edit(TABLE, '    history = run.history(keys=["epoch", "test_loss"])  # <- here\n')}),
    Tree(
        {
            "src/train.py": Edit(
                f"wandb.log({ROW})",
                'row = {"loss": val_loss, "top1": val_accuracy}\n'
                '            wandb.log({"epoch": epoch} | {f"val/{key}": value for key, value in row.items()})',
            ),
            "src/evaluate.py": Edit(COLUMNS, 'HISTORY_KEYS = ["epoch", "val_loss"]  # <- here\n'),
        }
    ),
]
GOOD = [
    Tree(
        {
            "src/train.py": (
                Edit("def suggest(", 'SPLIT = "val"\n\n\ndef suggest('),
                Edit(ROW, '{f"{SPLIT}/top1": val_accuracy, ' + ROW[1:]),
            ),
            "src/evaluate.py": Edit(TABLE, '    history = run.history(keys=["epoch", "val/top1"])\n'),
        }
    ),
    Tree(
        {
            "src/train.py": (
                Edit(
                    "def suggest(",
                    "def report(row: dict[str, float], **more: float) -> None:\n    wandb.log({**row, **more})\n\n\ndef suggest(",
                ),
                Edit(f"wandb.log({ROW})", "row = dict(epoch=epoch, train_loss=train_loss)\n            report(row, val_top1=val_accuracy)"),
            ),
            "src/evaluate.py": (
                Edit(COLUMNS, 'HISTORY_KEYS = ["epoch", "train_loss", "val_top1"]\n'),
                Edit('y="val_accuracy"', 'y="val_top1"'),
                Edit('    sns.lineplot(data=history, x="epoch", y="val_loss", label="validation loss", ax=axes)\n', ""),
            ),
        }
    ),
    *(
        Tree({"src/evaluate.py": Edit('float(run.summary["test_accuracy"])', text)})
        for text in (
            'float(run.summary.get("test_accuracy", run.summary.get("best_accuracy", 0.0)))',
            'float(run.summary.get("test_accuracy") or run.summary.get("best_accuracy", 0.0))',
            'run.summary.get("test_accuracy", float(run.summary.get("top1", run.summary.get("acc", 0.0))))',
        )
    ),
]
