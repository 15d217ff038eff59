"""EVA110."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.execution.results import BROKEN, json_problem
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.places import main_place


@rule("EVA110", "invalid-json", criterion=8, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("evaluation",))
def invalid_json(rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The evaluation writes a `.json` file that is no JSON: NaN or Infinity, or broken off.

    What it does:
        Reads every `.json` file that the rehearsal's evaluation left in the folder of results, by the letter of the standard. NaN on
        made-up data or weights is undecided, and so is what the code writes in its place: null, or no key at all.

    Why it matters:
        Python's `json` writes NaN by default, and everything but Python refuses to read it.

    Instead:
        `json.dump(…, allow_nan=False)`, and `null` for a number that does not exist.
    """
    evaluation = rehearsal.evaluation
    if evaluation is None or not evaluation.ok:
        return
    names: dict[str, list[str]] = {}
    for path, text in rehearsal.texts.items():
        problem = json_problem(text)
        if problem == BROKEN or (problem and not rehearsal.made_up):
            names.setdefault(problem, []).append(path)
    for problem, paths in names.items():
        yield Violation(
            main_place(modules, module_path(contract.evaluation.module)),
            f"the evaluation writes JSON with {problem}" if problem != BROKEN else "the evaluation writes a file that is no JSON",
            "write null instead, with `allow_nan=False` to be sure" if problem != BROKEN else "write it whole, with `json.dump`",
            evidence=", ".join(paths[:6]),
        )


BAD = Tree(
    {
        "src/evaluate.py": (
            Edit("json.dumps(content, indent=2, allow_nan=False)", "json.dumps(content, indent=2)"),
            Edit('        "mcnemar_p_value": p_value,\n', '        "mcnemar_p_value": p_value if disagreements > 1e9 else float("nan"),\n'),
            Edit("def main() -> None:\n", "def main() -> None:  # <- here\n"),
        )
    }
)

GOOD = Tree()
