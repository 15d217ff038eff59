"""OPT103."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Call, Trace
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

SPACE = "search_space"
# Parameters of optuna.Trial.suggest_* (Optuna 3 and 4), after `self`.
SIGNATURES = {
    "suggest_float": ("name", "low", "high", "step", "log"),
    "suggest_int": ("name", "low", "high", "step", "log"),
    "suggest_uniform": ("name", "low", "high"),
    "suggest_loguniform": ("name", "low", "high"),
    "suggest_discrete_uniform": ("name", "low", "high", "q"),
    "suggest_categorical": ("name", "choices"),
}


@rule("OPT103", "space-signature-mismatch", criterion=7, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("search",))
def space_signature_mismatch(traces: list[Trace]) -> Iterator[Violation]:
    """The search space does not fit the suggest calls that the code makes of it.

    What it does:
        Follows every entry of a run's search space into the code that turns it into `trial.suggest_*`, and holds the arguments against
        Optuna's signatures. An entry whose type ends in the code's own `raise` is reported as well.

    Why it matters:
        Trial mode switches the search off, so this fails for the first time in the full run.

    Instead:
        Pick `low`, `high`, `choices` out of the entry by name, and handle every type the run configs use.
    """
    for trace in traces:
        for call in trace.calls:
            problem = _problem(call)
            if problem:
                location = call.site.module.location(call.site.node)
                yield Violation(location, problem, "pass the parameters by name, and only those that Optuna takes", runs=(trace.run_id,))
        for raised in trace.raised:
            if any(SPACE in path for path in raised.loops):
                location = raised.site.module.location(raised.site.node)
                end = f"`{raised.key}` is no key here" if raised.key is not None else "it ends in this `raise`"
                message = f"an entry of the search space is of a type that the code handles nowhere: {end}"
                yield Violation(location, message, "handle the type, or write the entry with one that is handled", runs=(trace.run_id,))


def _problem(call: Call) -> str | None:
    method = call.name.rpartition(".")[2]
    names = SIGNATURES.get(method)
    if names is None or not call.name.startswith("optuna."):
        return None
    extra = [name for name in call.keywords if name not in names]
    if extra:
        return f"`{method}` takes no `{extra[0]}`, which the search space brings"
    if len(call.arguments) > len(names):
        return f"`{method}` takes at most {len(names)} arguments"
    required = names[:2] if method == "suggest_categorical" else names[:3]
    missing = [name for name in required[len(call.arguments) :] if name not in call.keywords]
    return f"`{method}` is called without `{missing[0]}`" if missing and not call.open_keywords else None


BAD = [
    Tree(
        {
            "src/train.py": Edit(
                "        return trial.suggest_float(name, space.low, space.high)",
                "        return trial.suggest_float(name, **space)  # <- here",
            )
        }
    ),
    Tree(
        {
            "src/train.py": (
                Edit('    if space.type == "uniform":', '    if space.type == "flat":'),
                Edit('unknown type {space.type!r}")', 'unknown type {space.type!r}")  # <- here'),
            )
        }
    ),
    Tree(
        {
            "src/train.py": Edit(
                '    if space.type == "loguniform":\n',
                '    kind = {"loguniform": float, "int": int}[space.type]  # <- here\n    if space.type == "loguniform":\n',
            )
        }
    ),
]
GOOD = Tree(
    {
        "src/train.py": Edit(
            "trial.suggest_float(name, space.low, space.high)\n", "trial.suggest_float(name, low=space.low, high=space.high)\n"
        )
    }
)
