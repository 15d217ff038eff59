"""CLI108."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.project.option_texts import BoolOption
from gonogo.model.contract import Scope
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Tree, Violation, program, rule


@rule("CLI108", "false-is-true", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def false_is_true(bools: list[BoolOption]) -> Iterator[Violation]:
    """An option has `type=bool`, to which every text is true.

    What it does:
        Looks for `add_argument(…, type=bool)` of `argparse`. An error where a document gives the option `False`, `false`, `no` or `0`.

    Why it matters:
        `--pretrained False` switches it on: `bool("False")` is true, and only an empty text is not. Nobody is told, and the run is another
        one than the command says.

    Instead:
        `action=argparse.BooleanOptionalAction` (`--pretrained`, `--no-pretrained`), or `action="store_true"`.

    References:
        https://docs.python.org/3/library/argparse.html#type
    """
    for option in bools:
        related: tuple[Related, ...] = ()
        if option.shown is not None:
            related = (Related(location=Location(path=option.shown.path, line=option.shown.number), label="given as false here"),)
        yield Violation(
            option.module.location(option.node),
            f"`{option.flag} False` is true: to `type=bool` every text is",
            "use `action=argparse.BooleanOptionalAction`, or `action='store_true'`",
            related,
            severity=Severity.ERROR if option.shown is not None else None,
        )


_PROGRAM = """import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--pretrained", {more}){here}
args = parser.parse_args()
print(args.pretrained)
"""
_HERE = "  # <- here"
BAD = [
    program(_PROGRAM.format(more="type=bool, default=False", here=_HERE)),
    Tree(
        {"train.py": _PROGRAM.format(more="type=bool, default=True", here=_HERE), "README.md": "    python train.py --pretrained False\n"},
        alone=True,
    ),
]
GOOD = [
    program(_PROGRAM.format(more="action='store_true'", here="")),
    program(_PROGRAM.format(more="type=lambda text: text == 'yes'", here="")),
    program("def bool(text):\n    return text == 'yes'\n\n\n" + _PROGRAM.format(more="type=bool", here="")),
]
