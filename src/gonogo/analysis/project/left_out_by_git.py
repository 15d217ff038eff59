"""What a project's `.gitignore` files leave out of its tree.

Whoever runs the project makes it, so it does not count as missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gonogo.model.experiment import Experiment

NAME = ".gitignore"
MOST_FOLDERS = 3  # `**/` in one pattern
_TOKEN = re.compile(
    r"(?P<folders>^\*\*/|/\*\*/)|(?P<all>/\*\*$)|(?P<some>\*+)|(?P<one>\?)|(?P<set>\[[!^]?\]?[^\]]{0,200}\])|\\?(?P<plain>.)", re.DOTALL
)


@dataclass(frozen=True)
class _Pattern:
    """A line of a file: what it matches below the file's folder, and whether it takes that back in."""

    written: str
    matches: re.Pattern[str]
    folders_only: bool
    takes_in: bool


class LeftOut:
    """What the `.gitignore` files of a project match.

    Args:
        experiment: whose files they are.
    """

    def __init__(self, experiment: Experiment) -> None:
        texts = {path: experiment.text(path) for path in experiment.files if path.rpartition("/")[2] == NAME}
        self._patterns = {path.removesuffix(NAME): _patterns(text) for path, text in texts.items() if text}

    def has(self, path: str, is_folder: bool = False) -> bool:
        """Whether git leaves a path out, itself or a folder it is in.

        Args:
            path: relative to the root.
            is_folder: it is one, not a file.
        """
        parts = path.split("/")
        return any(self._is_matched("/".join(parts[:count]), is_folder or count < len(parts)) for count in range(1, len(parts) + 1))

    def names_module(self, dotted: str) -> bool:
        """Return whether a `.gitignore` line names the very file of a module, like `launchers/config.py`.

        Such a file holds settings that are each user's own.

        A line for a whole folder, `data/`, may leave out a package by mistake.

        Args:
            dotted: the module's name.
        """
        file = f"/{dotted.replace('.', '/')}.py"
        named = (f"/{folder}{pattern.written}" for folder, listed in self._patterns.items() for pattern in listed if not pattern.takes_in)
        return any(name.endswith(".py") and (name.endswith(file) or file.endswith(name)) for name in named)

    def _is_matched(self, path: str, is_folder: bool) -> bool:
        found = False
        for folder in sorted(self._patterns, key=len):  # those of inner folders have the last word
            for pattern in self._patterns[folder] if path.startswith(folder) else ():
                if (is_folder or not pattern.folders_only) and pattern.matches.fullmatch(path.removeprefix(folder)):
                    found = not pattern.takes_in
        return found


def _patterns(text: str) -> list[_Pattern]:
    found = []
    for line in text.splitlines():
        written = line.rstrip(" ")
        written += " " if written.endswith("\\") and written != line else ""  # a space that is written out
        if not written or written.startswith("#"):
            continue
        takes_in, written = written.startswith("!"), written.removeprefix("!")
        plain = written.rstrip("/")
        if plain.count("**/") > MOST_FOLDERS:
            continue  # each of them is tried at every folder of a path
        start = "" if "/" in plain else "(?:.*/)?"
        try:
            matches = re.compile(start + _as_regular(plain.removeprefix("/")))
        except re.error:
            continue  # a set that git would not match by either
        found.append(_Pattern(plain.removeprefix("**").removeprefix("/"), matches, written.endswith("/"), takes_in))
    return found


def _as_regular(written: str) -> str:
    """A pattern of git's as a regular expression that takes no more than linear time for its stars.

    A star ends at the first place where what stands between it and the next one fits: any later place would leave less for the rest. So
    nothing is tried twice, which an atomic group says.
    """
    pieces, fixed, is_starred = [], "", False

    def close(last: bool = False) -> str:
        if not is_starred:
            return fixed
        return f"[^/]*{fixed}" if last else f"(?>[^/]*?{fixed})"

    for token in _TOKEN.finditer(written):
        if token["folders"] or token["all"]:
            fixed += "/" if token.start() else ""  # all but one at the beginning come after a slash
            pieces += [close(), ".+" if token["all"] else "(?:.*/)?"]
            fixed, is_starred = "", False
        elif token["some"]:
            pieces.append(close())
            fixed, is_starred = "", True
        else:
            fixed += _one(token)
    return "".join([*pieces, close(last=True)])


def _one(token: re.Match[str]) -> str:
    """What matches one character."""
    if token["one"]:
        return "[^/]"
    if token["set"]:
        inner = token["set"][1:-1]
        return f"[{'^' + inner[1:] if inner[:1] in '!^' else inner}]"
    return re.escape(token["plain"])
