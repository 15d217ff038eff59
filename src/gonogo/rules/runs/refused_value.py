"""RUN105."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.code.flow.trace import Raised, Trace
from gonogo.finding import Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule
from gonogo.rules.search.space_signature_mismatch import SPACE


@rule("RUN105", "refused-value", criterion=7, severity=Severity.ERROR, stage=Stage.COMPOSE)
def refused_value(traces: list[Trace]) -> Iterator[Fault]:
    """The code refuses a value of the run config.

    What it does:
        Follows each run through the program and reports a `raise` that is reached although every condition on the way there is decided by
        the run's config alone.

    Why it matters:
        The run ends in the experiment's own error message: a name is spelled one way in the config and another way in the code.

    Instead:
        Use the spelling that the code knows, or teach the code the value.
    """
    for trace in traces:
        if any(process.failing for process in trace.processes):
            continue  # with an override refused, the values are not the run's: HYD103 and HYD106 come first
        for raised in trace.raised:
            if any(SPACE in path for path in raised.loops):
                continue  # OPT103 speaks of search spaces
            yield Fault(
                raised.site.module.location(raised.site.node),
                f"with the values of the run config, the code ends in its own `{_exception(raised)}`",
                "make the run config and the code agree on the value",
                runs=(trace.run_id,),
                evidence=" ".join(ast.unparse(raised.site.node).split())[:300],
            )


def _exception(raised: Raised) -> str:
    node = raised.site.node
    error = node.exc if isinstance(node, ast.Raise) else None
    return ast.unparse(error.func if isinstance(error, ast.Call) else error) if error is not None else "raise"


BAD = Tree(
    {
        "config/run/proposed-mlp-digits.yaml": Edit("  optimizer: sgd", "  optimizer: SGD"),
        "src/model.py": Edit("only 'sgd' is implemented\")", "only 'sgd' is implemented\")  # <- here"),
    }
)
GOOD = Tree(
    {
        "config/run/proposed-mlp-digits.yaml": Edit("  optimizer: sgd", "  optimizer: SGD"),
        "src/model.py": Edit('if name != "sgd"', 'if name.lower() != "sgd"'),
    }
)
