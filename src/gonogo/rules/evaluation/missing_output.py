"""EVA104."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import all_parsed, text_of
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.places import main_place


@rule("EVA104", "missing-output", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def missing_output(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The evaluation writes no file of a name that the contract asks for.

    What it does:
        Looks through the evaluation and everything it imports for the name of each file that the contract lists. Speaks
        only where the name stands nowhere, and no name is put together that could be it.

    Why it matters:
        What reads the results next, a comparison or a paper, looks for these names.

    Instead:
        Write `<results_dir>/<run_id>/metrics.json` for each run, and `<results_dir>/comparison/aggregated_metrics.json`.
    """
    module = modules.get(module_path(contract.evaluation.module))
    if module is None or not module.definitions or not all_parsed(modules):
        return
    texts = [text for other in modules.values() for node in other.of(ast.Constant) if (text := text_of(node))]
    for output in contract.evaluation.outputs:
        name = output.rpartition("/")[2]
        stem, _, suffix = name.rpartition(".")
        whole = re.compile(rf"(?:^|[/}}{{]){re.escape(name)}$")
        if any(whole.search(text) for text in texts) or any(
            text == stem or text.startswith((f".{suffix}", f"_metrics.{suffix}")) for text in texts
        ):
            continue
        yield Violation(
            main_place(modules, module.path),
            f"evaluation writes no `{output}`",
            f"write it: the contract asks for `{output}` in the folder of results",
        )


BAD = [
    Tree(
        {
            "src/evaluate.py": (
                Edit('comparison_dir / "aggregated_metrics.json"', 'comparison_dir / "all.json"'),
                Edit("def main() -> None:", "def main() -> None:  # <- here"),
            )
        }
    ),
    Tree(
        {
            "src/evaluate.py": (
                Edit('run_dir / "metrics.json"', 'run_dir / "numbers.json"'),
                Edit("def main() -> None:", "def main() -> None:  # <- here"),
            )
        }
    ),
]
GOOD = Tree(
    {
        "src/evaluate.py": Edit(
            'write_json(run_dir / "metrics.json", run)', 'name = "metrics"\n    write_json(run_dir / f"{name}.json", run)'
        )
    }
)
