"""NTB102."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.scopes import Scopes
from gonogo.analysis.python.unbound import read_before
from gonogo.documents.notebook import Notebook
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, notebook, rule


@rule("NTB102", "defined-below", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def defined_below(experiment: Experiment, modules: dict[str, Module]) -> Iterator[Violation]:
    """A cell of a notebook uses a name that only a cell below it defines.

    What it does:
        Goes through the cells from the top, as *Run all* does. Speaks where a cell reads a name that no cell above it, nor itself,
        can have bound, and that a cell below binds. Bodies of functions, which run when they are called, are left alone.

    Why it matters:
        Run from the top, the notebook stops with a `NameError`; run in the order of its author, it goes by what an older version of
        the cell below left in the kernel (Pimentel et al., A large-scale study about quality and reproducibility of Jupyter
        notebooks, 2019: hidden states).

    Instead:
        Move the definition above its first use.
    """
    for path, module in modules.items():
        cells = experiment.files[path].notebook if path in experiment.files else None
        if cells is None or module.tree is None or module.has_star_import:
            continue
        for name in read_before(module, Scopes(module)):
            bound = _bound_below(module, cells, name)
            if bound is not None:
                yield Violation(
                    module.location(name),
                    f"`{name.id}` is read here, and only cell {bound[0]}, which stands below, defines it",
                    "move the definition above this cell",
                    related=(Related(location=module.location(bound[1]), label="it is defined here"),),
                )


def _bound_below(module: Module, cells: Notebook, name: ast.Name) -> tuple[int, ast.AST] | None:
    """The cell below a name's own that binds it first, with what binds it."""
    own = cells.cell_at(name.lineno)
    bound = module.definitions.get(name.id)
    first = min(
        (node for node in module.named.get(name.id, ()) if isinstance(node.ctx, ast.Store)), key=lambda node: node.lineno, default=bound
    )
    cell = cells.cell_at(getattr(first, "lineno", 0)) if first is not None else None
    return (cell.number, first) if first is not None and cell is not None and own is not None and cell.first > own.first else None


BAD = notebook("print(rate)", "rate = 0.1")
GOOD = [
    notebook("rate = 0.1", "print(rate)"),
    notebook("def show():\n    print(rate)", "rate = 0.1\nshow()"),
    notebook("if len([1]) > 1:\n    rate = 0.2", "print(rate)", "rate = 0.1"),
]
