"""CLI106."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Unreadable
from gonogo.analysis.project.program_starts import ProgramStart
from gonogo.model.contract import Scope
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.grouping import by_place

UNKNOWN_OPTION = "unrecognized arguments: -"
# One name: `small/large` and `{small,large}` leave the choice to the reader.
BAD_CHOICE = re.compile(r": invalid choice: '[\w.-]+'")


@rule("CLI106", "command-refused", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def command_refused(starts: list[ProgramStart]) -> Iterator[Violation]:
    """A document starts the program with options that its parser refuses.

    What it does:
        Gives the words of each command in README, docs, scripts and comments to the parser that the program makes with `argparse`: Python's
        own answer is the finding. Silent where a word is not known, and about what is not an option: in a sentence, the words behind a
        command may be no part of it.

    Why it matters:
        Who follows the document gets an error and not a run, and a batch script ends as it starts.

    Instead:
        Write the command with the options that there are, or define the one that it gives.
    """
    yield from by_place(
        Violation(
            Location(path=start.shown.path, line=start.shown.number),
            f"the program refuses this command: {event.message}",
            "write it with the options that the program defines",
            (Related(location=event.site.module.location(event.site.node), label="read here"),),
            evidence=event.text,
        )
        for start in starts
        if start.shown is not None
        for event in start.trace.of(Unreadable)
        if event.what == "command-line arguments" and (event.message.startswith(UNKNOWN_OPTION) or BAD_CHOICE.search(event.message))
    )


_PROGRAM = """import argparse
import json

parser = argparse.ArgumentParser()
parser.add_argument("--settings", default="settings.json")
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--net", choices=["small", "large"], default="small")
args = parser.parse_args()
print(json.load(open(args.settings)), args.lr)
"""


def _of(line: str) -> Tree:
    return Tree({"train.py": _PROGRAM, "settings.json": "{}", "README.md": line}, at="README.md", alone=True)


BAD = [_of("    python train.py --rate 0.2\n"), _of("    python train.py --net huge\n")]
GOOD = [
    _of("    python train.py --lr 0.2\n"),
    _of("Start `python train.py` with the rate as you like.\n"),
    _of("    python train.py --lr $RATE\n"),
]
