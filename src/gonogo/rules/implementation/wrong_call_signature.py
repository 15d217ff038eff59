"""IMP106."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.receivers import called
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("IMP106", "wrong-call-signature", criterion=1, severity=Severity.ERROR, stage=Stage.CHECK, settles=("signature", "crash"))
def wrong_call_signature(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """A call that cannot bind to the signature of what it calls.

    What it does:
        Resolves calls of the project's own functions, classes, dataclasses and methods and binds the arguments as Python would. Calls
        with `*args` or `**kwargs`, decorated or rebound names, inherited outside constructors and overridden methods are unknown.

    Why it matters:
        The call raises `TypeError` as soon as it is reached.

    Instead:
        Make the call and the definition agree.
    """
    for path in sorted(modules):
        module = modules[path]
        for node in module.of(ast.Call):
            if not isinstance(node.func, (ast.Name, ast.Attribute)):
                continue
            found = called(symbols, module, node)
            problem = found[1].problem(node) if found else None
            if found is None or problem is None or _expects_failure(module, node):
                continue
            definition, name = found[0], qualified_name(node.func)
            place = module.location(node)
            defined = definition.module.location(definition.node)
            head = Location(path=defined.path, line=defined.line, column=defined.column, end_line=defined.line)
            yield Violation(
                Location(path=path, line=place.line, column=place.column, end_line=place.end_line, end_column=place.end_column),
                f"`{name}` can't be called like this: {problem}",
                "make the call and the definition agree",
                (Related(location=head, label="defined here"),),
            )


def _expects_failure(module: Module, node: ast.AST) -> bool:
    """Whether the code provides for a `TypeError` of this call."""
    child, parent = node, module.parents.get(node)
    while parent is not None:
        if isinstance(parent, ast.Try) and child in parent.body:
            caught = {qualified_name(entry) for handler in parent.handlers if handler.type for entry in ast.walk(handler.type)}
            if "TypeError" in caught:
                return True
        if isinstance(parent, ast.With):
            arguments = [entry for item in parent.items if isinstance(item.context_expr, ast.Call) for entry in item.context_expr.args]
            if any(qualified_name(entry) == "TypeError" for entry in arguments):
                return True  # pytest.raises(TypeError)
        child, parent = parent, module.parents.get(parent)
    return False


_CALL = "    model = build_model(cfg.run.model)\n"
BAD = [
    Tree({"src/train.py": Edit(_CALL, "    model = build_model(cfg.run.model, cfg.run.dataset)  # <- here\n")}),
    Tree({"src/train.py": Edit(_CALL, "    model = build_model()  # <- here\n")}),
    Tree(
        {
            "src/model.py": Edit(
                "    return MultiLayerPerceptron(\n        hidden_units=", "    return MultiLayerPerceptron(  # <- here\n        units="
            )
        }
    ),
]
_GUARDED = "    try:\n        model = build_model(cfg, 1)\n    except TypeError:\n        model = build_model(cfg.run.model)\n"
GOOD = [
    Tree({"src/train.py": Edit(_CALL, "    arguments = [cfg.run.model, cfg.run.dataset]\n    model = build_model(*arguments[:1])\n")}),
    Tree({"src/train.py": Edit(_CALL, _GUARDED)}),
]
