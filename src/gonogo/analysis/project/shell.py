"""Command lines as documents and scripts write them.

What a shell or a reader would fill in is marked as unknown.

The standard library's `shlex` does not tell `$name` from `'$name'`, nor `<name>` from a redirection, so the words are found here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gonogo.analysis.interpreter.markers import FILLER

# `$name`, `${name}`, `$@`; `<name>`; `{name}`, which is no mapping of Hydra's grammar.
_VARIABLE = re.compile(r"\$(?:\{[^}]*\}|\w+|[@*#?!-])")
_BLANK = re.compile(r"<[^<>|&;\n]*>|\{[A-Za-z_]\w*\}")
_OPERATORS = "|&;\n"


@dataclass
class _Line:
    """The words of the command that is being read, and the last word as far as it goes."""

    words: list[str] = field(default_factory=list)
    word: list[str] | None = None
    skipping: bool = False

    def add(self, text: str) -> None:
        self.word = [*(self.word or []), text]

    def end_word(self) -> None:
        if self.word is not None and not self.skipping:
            self.words.append("".join(self.word))
        if self.word is not None:
            self.skipping = False
        self.word = None

    def end(self) -> list[str]:
        self.end_word()
        words, self.words, self.skipping = self.words, [], False
        return words


def split_commands(text: str) -> Iterator[list[str]]:
    """The commands of a line of shell, each as its words; what is unknown of a word is the filler."""
    line, index = _Line(), 0
    while index < len(text):
        sign = text[index]
        found = _VARIABLE.match(text, index) or _BLANK.match(text, index)
        if found is not None:
            line.add(FILLER)
            index = found.end()
        elif text.startswith(("$(", "`"), index):
            line.add(FILLER)
            index = _end_of_substitution(text, index)
        elif sign in "'\"" and text.find(sign, index + 1) > 0:
            index = _quoted(text, index, line)
        elif sign == "\\" and index + 1 < len(text):
            line.add(text[index + 1])
            index += 2
        elif sign in _OPERATORS:
            yield line.end()
            index += 1
        elif sign in "<>":
            if line.word is not None and "".join(line.word).isdigit():
                line.word = None  # `2>`
            line.end_word()
            line.skipping = True
            index += 2 if text[index : index + 2] in (">>", ">&", "<<") else 1
        elif sign == "#" and line.word is None:
            break
        elif sign.isspace():
            line.end_word()
            index += 1
        else:
            line.add(sign)
            index += 1
    yield line.end()


def _quoted(text: str, start: int, line: _Line) -> int:
    """Read what stands between quotes; where it ends."""
    quote, index = text[start], start + 1
    line.add("")
    while index < len(text) and text[index] != quote:
        found = _VARIABLE.match(text, index) or _BLANK.match(text, index) if quote == '"' else None
        if found is not None:
            line.add(FILLER)
            index = found.end()
        elif quote == '"' and text.startswith("$(", index):
            line.add(FILLER)
            index = _end_of_substitution(text, index)
        elif quote == '"' and text[index] == "\\" and text[index + 1 : index + 2] in ('"', "\\", "$", "`"):
            line.add(text[index + 1])
            index += 2
        else:
            line.add(text[index])
            index += 1
    return index + 1


def _end_of_substitution(text: str, start: int) -> int:
    if text[start] == "`":
        end = text.find("`", start + 1)
        return end + 1 if end > 0 else len(text)
    depth, index = 0, start + 1
    while index < len(text):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        index += 1
        if depth == 0:
            break
    return index


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with those that a backslash continues them on, each with the number of its first."""
    first, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        first = first if parts else number
        stripped = line.rstrip()
        if stripped.endswith("\\") and not stripped.endswith("\\\\"):
            parts.append(stripped[:-1])
            continue
        yield first, " ".join([*parts, line])
        parts = []
    if parts:
        yield first, " ".join(parts)
