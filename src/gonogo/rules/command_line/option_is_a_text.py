"""CLI109."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.project.option_texts import TextUse
from gonogo.model.contract import Scope
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Tree, Violation, program, rule
from gonogo.rules.grouping import by_message


@rule("CLI109", "option-is-a-text", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def option_is_a_text(texts: list[TextUse]) -> Iterator[Violation]:
    """An option is a number by its default, and a text or a list as soon as somebody gives it.

    What it does:
        Looks for options of `argparse` whose default is a number and that have no `type`, `type=str`, or `nargs='+'`, and follows the
        program as if each were given a number. Speaks where Python's own operators, or `range`, then refuse what comes of it. An error
        where a document starts the program so. Silent where the program converts it (`int(args.epochs)`).

    Why it matters:
        The program works without the option, and ends in a `TypeError` with it: the setting cannot be changed.

    Instead:
        Say what it is: `type=int`, `type=float`; without `nargs` where one number is meant.
    """
    yield from by_message(map(_violation, texts))


def _violation(use: TextUse) -> Violation:
    event = use.event
    related = [Related(location=event.site.module.location(event.site.node), label="used as a number here")]
    if use.shown is not None:
        related.append(Related(location=Location(path=use.shown.path, line=use.shown.number), label="given here"))
    what = "a text" if event.kind == "str" else f"a {event.kind}"
    return Violation(
        use.module.location(use.node),
        f"`{use.flag}` is a number by its default, and {what} where it is given: the program ends in a TypeError",
        "give it `type=int` or `type=float`" if event.kind == "str" else "leave `nargs` out, or take the numbers out of the list",
        tuple(related),
        severity=Severity.ERROR if use.shown is not None else None,
    )


_PROGRAM = """import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", {more}default=10){here}
args = parser.parse_args()
for epoch in range({epochs}):
    print(epoch)
"""
_HERE = "  # <- here"
BAD = [
    program(_PROGRAM.format(more="", here=_HERE, epochs="args.epochs")),
    program(_PROGRAM.format(more="nargs='+', type=int, ", here=_HERE, epochs="args.epochs")),
    Tree(
        {"train.py": _PROGRAM.format(more="type=str, ", here=_HERE, epochs="args.epochs"), "README.md": "    python train.py --epochs 3\n"},
        alone=True,
    ),
]
GOOD = [
    program(_PROGRAM.format(more="type=int, ", here="", epochs="args.epochs")),
    program(_PROGRAM.format(more="", here="", epochs="int(args.epochs)")),
]
