"""IMP110."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.documents.lines import split_lines
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Certainty, Location, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

# Each begins a stretch that is shown in another direction; the value ends it. Unicode Standard Annex 9, table 4.
OPENING = dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c") | dict.fromkeys("\u2066\u2067\u2068", "\u2069")
# Python 3.12 has kinds of their own for the texts in f-strings.
TEXTS = {
    tokenize.COMMENT,
    tokenize.STRING,
    *(getattr(tokenize, name) for name in ("FSTRING_MIDDLE", "TSTRING_MIDDLE") if hasattr(tokenize, name)),
}
SUFFIXES = (".py", ".pyi", ".yaml", ".yml", ".toml", ".sh")


@rule(
    "IMP110",
    "bidirectional-character",
    criterion=1,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    certainty=Certainty.PROVEN,
)
def bidirectional_character(experiment: Experiment, modules: dict[str, Module]) -> Iterator[Violation]:
    """A character that makes the rest of its line show in another order than it is read.

    What it does:
        Looks for Unicode's embeddings, overrides and isolates (U+202A to U+202E, U+2066 to U+2069) in sources and configs. A stretch that
        is not ended within its comment, its text or its line is an error; one that is ended there is a warning.

    Why it matters:
        A person sees other code than Python runs: what looks like a comment can be a statement, and the other way round ("Trojan Source",
        Boucher and Anderson 2021, CVE-2021-42574).

    Instead:
        Delete the character; where a text really needs it, write its escape (`"\\u2067"`), which changes nothing else on the line.
    """
    for path in sorted(experiment.files):
        text = experiment.files[path].text
        if text is None or not path.endswith(SUFFIXES) or text.isascii() or not any(character in text for character in OPENING):
            continue
        pieces = _pieces(text) if path in modules and modules[path].fault is None else {}
        for number, line in enumerate(split_lines(text), 1):
            column = next((column for column, character in enumerate(line) if character in OPENING), None)
            if column is not None:
                yield _violation(path, number, column, line, pieces.get(number, [(0, len(line))]))


def _violation(path: str, number: int, column: int, line: str, pieces: list[tuple[int, int]]) -> Violation:
    """The fault of a line.

    Args:
        path: of the file.
        number: of the line.
        column: of the first such character, from 0.
        line: its text.
        pieces: where its comments and texts begin and end.
    """
    columns = [place for place, character in enumerate(line) if character in OPENING]
    inside = sum(character in OPENING for start, end in pieces for character in line[start:end]) == len(columns)
    is_ended = inside and all(_is_balanced(line[start:end]) for start, end in pieces)
    name = f"U+{ord(line[column]):04X}"
    place = Location(path=path, line=number, column=column + 1, end_line=number, end_column=column + 2)
    what = "a part" if is_ended else "the rest"
    message = f"the character {name} makes {what} of the line show in another order than it is read"
    return Violation(place, message, "write its escape, or delete it", severity=Severity.WARNING if is_ended else None)


def _is_balanced(text: str) -> bool:
    opened: list[str] = []
    for character in text:
        if character in OPENING:
            opened.append(OPENING[character])
        elif opened and character == opened[-1]:
            opened.pop()
    return not opened


def _pieces(text: str) -> dict[int, list[tuple[int, int]]]:
    """Where the comments and texts of a Python file begin and end, by line."""
    found: dict[int, list[tuple[int, int]]] = {}
    lines = split_lines(text)
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in TEXTS:
                (first, start), (last, end) = token.start, token.end
                for number in range(first, last + 1):
                    piece = (start if number == first else 0, end if number == last else len(lines[number - 1]))
                    found.setdefault(number, []).append(piece)
    except (tokenize.TokenError, SyntaxError):
        return {}
    return found


_LINE = "IMAGE_PIXELS = 8 * 8  # scikit-learn's digits have this one size\n"
BAD = [
    Tree({"src/model.py": Edit(_LINE, f'{_LINE}ROLE = "user\u202e \u2066# only for admins\u2069 \u2066"  # <- here\n')}),
    Tree({"src/model.py": Edit(_LINE, f"{_LINE}# end of the check \u202e }}  # <- here\n")}),
    Tree({"config/config.yaml": Edit("trial_mode: false", "trial_mode: false  # \u202ea note  # <- here")}),
    Tree({"src/model.py": Edit(_LINE, f'{_LINE}GREETING = "\u2067\u0634\u0644\u0648\u0645\u2069"  # <- here\n')}),
]
GOOD = [
    Tree({"src/model.py": Edit(_LINE, f'{_LINE}GREETING = "\\u2067hello\\u2069"\n')}),
    Tree({"src/model.py": Edit(_LINE, f'{_LINE}GREETING = "\u0633\u0644\u0627\u0645"  # plain letters, right to left by themselves\n')}),
]
