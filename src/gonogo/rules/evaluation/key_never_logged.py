"""EVA109."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from gonogo.analysis.python.sources.texts import ANY
from gonogo.analysis.tracking.asked_keys import SUMMARY, AskedKey
from gonogo.analysis.tracking.guarded_keys import GuardedKey
from gonogo.analysis.tracking.logged_keys import LoggedKeys
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("EVA109", "key-never-logged", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def key_never_logged(asked_keys: list[AskedKey], guarded_keys: list[GuardedKey], logged_keys: LoggedKeys) -> Iterator[Violation]:
    """Evaluation asks W&B for a key that training never logs.

    What it does:
        Follows what training logs (`wandb.log`, `run.summary`) back to the names of the keys, through dictionaries that are
        built elsewhere, functions and f-strings, and holds what evaluation asks of a run's history and summary against
        them. A key that may be logged in some way that no text shows is left alone, and so is one that only stands in for
        one that is logged. Where evaluation goes on with None or NaN, or first looks whether the key is there and has
        nothing to put in its place, it is a warning.

    Why it matters:
        The evaluation ends in a KeyError, draws an empty figure or reports its own default as a result, after all runs are
        done. One missing key among `keys` empties the whole table.

    Instead:
        Ask for the keys as they are logged; take rows of `scan_history()` and drop what is missing from each.
    """
    if not logged_keys.places:
        return
    told: set[str] = set()
    for asked in asked_keys:
        in_history = asked.how != SUMMARY
        if asked.key in told or logged_keys.has(asked.key, in_history) is not False:
            continue
        if any(logged_keys.has(key, in_history) is True for key in (*asked.instead_of, *asked.otherwise)):
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
    lines: set[int] = set()
    for guarded in guarded_keys:
        if guarded.node.lineno not in lines and guarded.key not in told and logged_keys.has(guarded.key, guarded.in_history) is False:
            told.add(guarded.key)
            lines.add(guarded.node.lineno)  # one fault for one condition
            near = _nearest(guarded.key, logged_keys)
            yield Violation(
                guarded.module.location(guarded.node),
                f"evaluation looks for `{guarded.key}` in the {'history' if guarded.in_history else 'summary'}, which training never logs: "
                "what is done with it is never done",
                _action(near),
                related=tuple(_logging_places(logged_keys, near)),
                severity=Severity.WARNING,
            )


def _nearest(key: str, logged: LoggedKeys) -> str | None:
    """The logged key that was probably meant."""
    names = {name for place in logged.places for name in place.keys if ANY not in name}
    return next(iter(get_close_matches(key, sorted(names), n=1, cutoff=0.7)), None)


def _action(near: str | None) -> str:
    meant = f" (`{near}`?)" if near is not None else ""
    return f"ask for the key as training logs it{meant}, or log it there"


def _logging_places(logged: LoggedKeys, near: str | None) -> Iterator[Related]:
    """Yield where training logs, one place for each module.

    It is that of the key that was probably intended, otherwise the first.
    """
    for path in dict.fromkeys(place.module.path for place in logged.places):
        places = [place for place in logged.places if place.module.path == path]
        best = next((place for place in places if near in place.keys), places[0])
        yield Related(location=best.module.location(best.node), label="what training logs")


TABLE = "    history = pd.DataFrame(list(run.scan_history()))\n"
ROW = '{"epoch": epoch, "train_loss": train_loss, "val_accuracy": val_accuracy, "val_loss": val_loss}'
SAVED = '    save_figure(figure, run_dir / "confusion_matrix.pdf")\n'
COLUMNS = 'HISTORY_KEYS = ["epoch", "train_loss", "val_accuracy", "val_loss"]\n'
BAD = [
    Tree({"src/evaluate.py": Edit('float(run.summary["test_accuracy"])', 'float(run.summary["accuracy_on_test"])  # <- here\n        ')}),
    Tree({"src/evaluate.py": Edit('float(run.summary["test_loss"])', 'run.summary.get("final_test_loss", 0.0)  # <- here\n        ')}),
    Tree({"src/evaluate.py": Edit(TABLE, '    history = run.history(keys=["epoch", "valid_loss"])  # <- here\n')}),
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
RECORD = '    return {\n        "run_id": run_id,\n'
DRAWN = '    if "calibration" in run["summary"]:  # <- here\n        print(run["summary"]["calibration"])\n'
_EITHER = 'float(run.summary.get("final_accuracy", run.summary.get("test_accuracy")))'
_OR = 'float(run.summary.get("final_accuracy") or run.summary["test_accuracy"])'
BAD.append(Tree({"src/evaluate.py": (Edit(RECORD, f'{RECORD}        "summary": dict(run.summary),\n'), Edit(SAVED, SAVED + DRAWN))}))
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
            _EITHER,
            _OR,
        )
    ),
]
