"""EVA108."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, has_open_keywords
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Change, Fix, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

PARAMETERS = frozenset({"keys", "x_axis", "pandas", "stream"})


@rule("EVA108", "sampled-history", criterion=8, severity=Severity.WARNING, stage=Stage.CHECK, settles=("evaluation",))
def sampled_history(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The evaluation reads a sample of the history.

    What it does:
        Looks for `run.history()` without `samples=` in the evaluation module.

    Why it matters:
        W&B then returns 500 rows that it picks at random. In a longer run the last value, the best value and every mean
        are those of the sample, and change from one call to the next.

    Instead:
        `run.scan_history()`, which returns every row, or `samples=` with more rows than the run has.
    """
    module = modules.get(module_path(contract.evaluation.module))
    if module is None or "wandb" not in {name.partition(".")[0] for name in module.imports.values()}:
        return
    for call in calls(module):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "history" and _is_sampled(call):
            yield Violation(
                module.location(call),
                "`history()` returns a sample of 500 rows, not the history",
                "use `scan_history()`, which returns every row",
                fix=_fix(module, call, call.func),
            )


def _fix(module: Module, call: ast.Call, method: ast.Attribute) -> Fix | None:
    """`scan_history` gives plain rows, of which pandas makes the table that `history` gives."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    pandas = next((name for name, target in module.imports.items() if target == "pandas"), None)
    if pandas is None or set(given) - {"keys"}:
        return None
    whole, before = module.location(call), module.location(method.value)
    name = module.location(method).model_copy(update={"line": before.end_line, "column": before.end_column})
    start = whole.model_copy(update={"end_line": whole.line, "end_column": whole.column})
    end = whole.model_copy(update={"line": whole.end_line, "column": whole.end_column})
    texts = ((start, f"{pandas}.DataFrame(list("), (name, ".scan_history"), (end, "))"))
    changes = tuple(Change(location=place, text=text) for place, text in texts)
    # With keys, `history` adds the step to them, which other code may read.
    return Fix(what="read every row with `scan_history()`", changes=changes, is_safe=not given)


def _is_sampled(call: ast.Call) -> bool:
    return not call.args and not has_open_keywords(call) and {keyword.arg for keyword in call.keywords} <= PARAMETERS


BAD = Tree({"src/evaluate.py": Edit("pd.DataFrame(list(run.scan_history()))", "run.history()  # <- here")})
GOOD = Tree({"src/evaluate.py": Edit("pd.DataFrame(list(run.scan_history()))", "run.history(samples=1_000_000)")})
