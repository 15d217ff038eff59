"""EVA107."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function, imported_modules
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

PLOTTING = frozenset({"matplotlib", "seaborn", "plotly", "bokeh", "altair", "plotnine", "pylab"})


@rule("EVA107", "figure-outside-evaluation", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def figure_outside_evaluation(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A run imports a plotting library.

    What it does:
        Looks for imports of plotting libraries in every module that the training or the documented start of a run
        imports, directly or not, except the evaluation module. Of a module that is only imported, the imports within
        functions are left alone: they may serve the evaluation.

    Why it matters:
        Figures are made by the evaluation alone, from what the tracker holds: one made during a run is on another
        machine, under a name that nobody expects, and costs time on the accelerator.

    Instead:
        Log the numbers, and draw them in the evaluation.
    """
    evaluation = contract.evaluation.module
    started = {contract.training.module, *(command.module for command in contract.commands.values())}
    for module in _modules_of_a_run(modules, contract):
        if module.name == evaluation:
            continue
        for node in module.of(ast.Import, ast.ImportFrom):
            library = next((name for name in _libraries(node) if name in PLOTTING), None)
            if library is not None and (module.name in started or enclosing_function(module, node) is None):
                yield Violation(
                    module.location(node), f"a run imports `{library}`", "log the numbers and draw the figure in the evaluation"
                )
                break


def _modules_of_a_run(modules: Mapping[str, Module], contract: Contract) -> list[Module]:
    by_name = {module.name: module for module in modules.values()}
    pending = [contract.training.module, *(command.module for command in contract.commands.values())]
    found: dict[str, Module] = {}
    while pending:
        name = pending.pop(0)
        module = by_name.get(name)
        if module is not None and name not in found and module.path != module_path(contract.evaluation.module):
            found[name] = module
            pending.extend(sorted(imported_modules(module, modules)))
    return list(found.values())


def _libraries(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [node.module.partition(".")[0]] if node.module and not node.level else []


BAD = Tree(
    {"src/train.py": Edit("import hydra\nimport optuna\n", "import hydra\nimport matplotlib.pyplot as plt  # <- here\nimport optuna\n")}
)
GOOD = Tree({"src/evaluate.py": Edit("import seaborn as sns\n", "import plotly\nimport seaborn as sns\n")})
