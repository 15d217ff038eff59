"""CLI110."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from gonogo.analysis.interpreter.trace import NoSuchChoice, Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, text_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Certainty, Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_message


@rule("CLI110", "no-such-choice", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def no_such_choice(scripts: list[Trace], modules: dict[str, Module]) -> Iterator[Violation]:
    """A branch waits for a value that the option's choices leave out.

    What it does:
        Follows each program to where it compares an option (`args.schedule == "cos"`) that `add_argument(choices=[…])` or `DEFINE_enum`
        restricts, and speaks where the text is none of the choices, nor the default, and one of the choices is spoken of nowhere else: no
        branch handles it. Silent where another program uses the same code, and where all choices are handled: what is left over then does
        no harm.

    Why it matters:
        The choice is accepted, and the branch that was meant for it never runs: the run goes on with whatever the last branch does.

    Instead:
        Write the same text in both places.
    """
    yield from by_message(_violations(scripts, modules))


def _violations(scripts: list[Trace], modules: Mapping[str, Module]) -> Iterator[Violation]:
    for trace in scripts:
        for event in trace.of(NoSuchChoice):
            site = event.site
            if not isinstance(site.node, ast.Compare) or not isinstance(site.node.left, ast.Attribute):
                continue
            others = [other for other in scripts if other is not trace and _loads(site.module, other)]
            if any(event.site.node not in [each.site.node for each in other.of(NoSuchChoice)] for other in others):
                continue
            unhandled = [choice for choice in event.choices if isinstance(choice, str) and not _is_spoken_of(choice, modules)]
            meant = next((choice for choice in unhandled if _are_alike(event.text, choice)), None)
            if meant is None:
                continue
            choices = ", ".join(map(repr, dict.fromkeys(event.choices)))  # the default is among them a second time
            yield Violation(
                site.module.location(site.node),
                f"`{ast.unparse(site.node.left)}` is never '{event.text}': its choices are {choices}",
                f"nothing handles the choice '{meant}': write '{meant}' here, or '{event.text}' among the choices",
                certainty=Certainty.LIKELY,
            )


def _are_alike(one: str, other: str) -> bool:
    """Whether two texts may mean the same: one is in the other, signs aside, or nearly the same."""
    plain, wanted = ("".join(filter(str.isalnum, text)).lower() for text in (one, other))
    if min(len(plain), len(wanted)) > 1 and (plain in wanted or wanted in plain):
        return True
    return bool(get_close_matches(plain, [wanted], n=1, cutoff=0.75))


def _loads(module: Module, trace: Trace) -> bool:
    return module.tree is not None and any(id(statement) in trace.executed for statement in module.tree.body)


def _is_spoken_of(choice: str, modules: Mapping[str, Module]) -> bool:
    """Whether a text stands anywhere but where an option is defined."""
    for module in modules.values():
        for node in module.of(ast.Constant):
            if text_of(node) == choice and not any(_defines(each) for each in ancestors(module, node)):
                return True
    return False


def _defines(node: ast.AST) -> bool:
    name = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
    return name == "add_argument" or name.startswith("DEFINE_")


_PROGRAM = """import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--schedule", choices=["cosine", "step"], default="step")
args = parser.parse_args()
rate = 0.1
if args.schedule == "{text}":{here}
    rate = 0.2
elif args.schedule == "step":
    rate = 0.3
print(rate)
"""
BAD = [program(_PROGRAM.format(text="cos", here="  # <- here")), program(_PROGRAM.format(text="Cosine", here="  # <- here"))]
GOOD = [
    program(_PROGRAM.format(text="cosine", here="")),
    program(_PROGRAM.format(text="cos", here="").replace('["cosine", ', '["cos", ')),
    program(_PROGRAM.format(text="cos", here="").replace("print(rate)", 'print(rate if args.schedule != "cosine" else 1)')),
]
