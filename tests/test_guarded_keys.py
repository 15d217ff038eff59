"""EVA109 on keys that evaluation looks for before it uses them, in the ways that programs do that."""

from __future__ import annotations

import pytest
from rule_cases import EVALUATE, HERE, findings_of, found_and_marked

from gonogo.compose.client import Composer
from gonogo.model.finding import Severity
from gonogo.rules.base import Edit, Tree

TABLE = "    history = pd.DataFrame(list(run.scan_history()))\n"
RECORD = '    return {\n        "run_id": run_id,\n'
SAVED = '    save_figure(figure, run_dir / "confusion_matrix.pdf")\n'
LOSS = 'float(run.summary["test_loss"])'
DEFINED = "def fetch_run("


def beside_table(*lines: str) -> Tree:
    """The golden evaluation with lines behind the table of the history."""
    return Tree({EVALUATE: Edit(TABLE, TABLE + "".join(f"    {line}\n" for line in lines))})


def with_summary(*lines: str) -> Tree:
    """The golden evaluation that keeps each run's summary, with lines where a run is drawn."""
    kept = Edit(RECORD, f'{RECORD}        "summary": dict(run.summary),\n')
    return Tree({EVALUATE: (kept, Edit(SAVED, SAVED + "".join(f"    {line}\n" for line in lines)))})


NEVER = {
    "the summary itself": beside_table(f'if "top5" in run.summary:{HERE}', '    print(run.summary["top5"])'),
    "the keys of the summary": beside_table(f'if "top5" in run.summary.keys():{HERE}', '    print(run.summary["top5"])'),
    "a summary that was kept": with_summary(f'if "top5" in run["summary"]:{HERE}', '    print(run["summary"]["top5"])'),
    "a figure of the same names": with_summary(
        f'if "top5" in run["summary"]:{HERE}', "    figure, axes = plt.subplots()", '    save_figure(figure, run_dir / "top5.pdf")',
        "figure, axes = plt.subplots()", 'save_figure(figure, run_dir / "other.pdf")',
    ),
    "the columns of the history": beside_table(f'if "top5" in history.columns:{HERE}', '    print(history["top5"].max())'),
    "the history": beside_table(f'if "top5" in history:{HERE}', '    print(history["top5"].max())'),
    "and something else": beside_table(f'if len(history) and "top5" in list(history.columns):{HERE}', '    print(history["top5"].max())'),
    "a loop over keys": beside_table('for key in ["val_loss", "top5"]:', f"    if key in history.columns:{HERE}", "        print(history[key].max())"),
    "a constant": Tree(
        {EVALUATE: (Edit(TABLE, f'{TABLE}    if CALIBRATION in run.summary:{HERE}\n        print(run.summary[CALIBRATION])\n'), Edit(DEFINED, f'CALIBRATION = "calibration"\n\n\n{DEFINED}'))}
    ),
    "a helper function": Tree(
        {
            EVALUATE: (
                Edit(TABLE, f"{TABLE}    draw(run.summary)\n"),
                Edit(DEFINED, f'def draw(values):\n    if "top5" in values:{HERE}\n        print(values["top5"])\n\n\n{DEFINED}'),
            )
        }
    ),
    "a number in its place": Tree({EVALUATE: Edit(LOSS, f'run.summary["top5"] if "top5" in run.summary else 0.0{HERE}\n        ')}),
    "nothing in its place": Tree({EVALUATE: Edit(LOSS, f'run.summary["top5"] if "top5" in run.summary else None{HERE}\n        ')}),
    "kept if it is there": Tree(
        {EVALUATE: (Edit(RECORD, f'    kept = {{}}\n    if "top5" in run.summary:{HERE}\n        kept["top5"] = run.summary["top5"]\n{RECORD}        "kept": kept,\n'))}
    ),
}  # fmt: skip
FINE = {
    "a key that is logged": beside_table('if "val_loss" in history.columns:', '    print(history["val_loss"].max())'),
    "another key instead": beside_table('if "top5" in run.summary:', '    print(run.summary["top5"])', "else:", "    print(len(history))"),
    "one of several": beside_table(
        'for key in ["top1", "test_accuracy"]:', "    if key in run.summary:", "        print(run.summary[key])", "        break"
    ),
    "several ways to one value": beside_table(
        'value = run.summary["test_accuracy"]', 'if "top1" in run.summary:', '    value = run.summary["top1"]', "print(value)"
    ),
    "a choice": beside_table('print(run.summary["top1"] if "top1" in run.summary else run.summary["test_accuracy"])'),
    "refused": beside_table('if "top5" in run.summary:', '    raise RuntimeError("an old run")'),
    "its own column": beside_table('history["gap"] = history["val_loss"]', 'if "gap" in history.columns:', '    print(history["gap"])'),
    "not W&B's": beside_table("seen = {}", 'if "top5" in seen:', '    print(seen["top5"])'),
    "W&B's own": beside_table('if "_runtime" in run.summary:', '    print(run.summary["_runtime"])'),
    "the text of a message": beside_table('if "top5" in str(run.summary):', "    print(run.id)"),
}


@pytest.mark.parametrize("way", NEVER)
def test_what_is_never_logged_is_found(way: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("EVA109", way, NEVER[way]), golden, composer)
    assert found == marked


@pytest.mark.parametrize("way", FINE)
def test_what_has_another_way_is_left_alone(way: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("EVA109", way, FINE[way]), golden, composer)[0] == []


def test_it_is_a_warning(golden: dict[str, str], composer: Composer) -> None:
    files = {path: text.replace(HERE, "") for path, text in NEVER["the history"].apply(golden).items()}
    (finding,) = findings_of(files, "EVA109", composer)
    assert finding.severity is Severity.WARNING
