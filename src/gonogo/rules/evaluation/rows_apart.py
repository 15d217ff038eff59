"""EVA121."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.tracking.logged_keys import LoggedKeys
from gonogo.analysis.tracking.rows import RowRequest, rows_of
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule
from gonogo.rules.grouping import by_message


@rule("EVA121", "rows-apart", criterion=8, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("evaluation",))
def rows_apart(traces: list[Trace], row_requests: list[RowRequest], logged_keys: LoggedKeys) -> Iterator[Violation]:
    """Evaluation asks for rows that hold keys which are never logged in one row.

    What it does:
        Follows each full run to every row that it logs, and holds `history(keys=[…])` and `scan_history(keys=[…])` against them: reported
        where each key is logged, but no row holds all of them. Silent where rows are put together by `step` or `commit`, or where
        something is logged that is not known.

    Why it matters:
        W&B gives back only the rows that hold all of the keys that are asked for. The table is empty, and so is all that is made of it.

    Instead:
        Read `scan_history()` without `keys` and drop what is missing, or ask for each key by itself.
    """
    rows = [(trace.run_id, found) for trace in traces if trace.command == "full" and (found := rows_of(trace, logged_keys)) is not None]
    for request in row_requests:
        yield from by_message(fault for run_id, logged in rows for fault in _of_run(request, run_id, logged, logged_keys))


def _of_run(request: RowRequest, run_id: str, rows: list[frozenset[str]], logged: LoggedKeys) -> Iterator[Violation]:
    keys = request.keys
    if any(set(keys) <= row for row in rows) or not all(any(key in row for row in rows) for key in keys):
        return  # EVA109 speaks of keys that are never logged
    most = max((row for row in rows), key=lambda row: len(row & set(keys)))
    apart = [key for key in keys if key not in most]
    places = [place for place in logged.places if place.in_history and any(key in place.keys for key in keys)]
    yield Violation(
        request.module.location(request.call),
        f"no row of the history holds all of these keys, so the table is empty: {', '.join(quoted(apart))} and "
        f"`{next(key for key in keys if key in most)}` are logged in different rows",
        "read `scan_history()` without `keys` and drop what is missing, or ask for each key by itself",
        related=tuple(Related(location=place.module.location(place.node), label="logged here") for place in places[:3]),
        runs=(run_id,),
    )


_TABLE = "    history = pd.DataFrame(list(run.scan_history()))\n"
_ROW = '            wandb.log({"epoch": epoch, "train_loss": train_loss, "val_accuracy": val_accuracy, "val_loss": val_loss})\n'
_APART = """            report("train", epoch, train_loss)
            report("val", epoch, val_loss)
"""
_REPORT = """def report(split: str, epoch: int, loss: float) -> None:
    wandb.log({"epoch": epoch, f"{split}_loss": loss})


"""
_ASKED = '    history = run.history(keys=["epoch", "train_loss", "val_loss"])\n'
_SUGGEST = "def suggest(trial"
BAD = [
    Tree({"src/evaluate.py": Edit(_TABLE, '    history = run.history(keys=["epoch", "test_loss"])  # <- here\n')}),
    Tree(
        {
            "src/train.py": (Edit(_ROW, _APART), Edit(_SUGGEST, _REPORT + _SUGGEST)),
            "src/evaluate.py": Edit(_TABLE, _ASKED.replace("\n", "  # <- here\n")),
        }
    ),
]
GOOD = [
    Tree({"src/evaluate.py": Edit(_TABLE, _ASKED)}),
    Tree(
        {
            "src/train.py": (Edit(_ROW, _APART), Edit(_SUGGEST, _REPORT.replace("loss})", "loss}, step=epoch)") + _SUGGEST)),
            "src/evaluate.py": Edit(_TABLE, _ASKED),
        }
    ),
]
