"""What a project's `.gitignore` files leave out of its tree: whoever runs the project makes it, so that it is not missing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gonogo.model.experiment import Experiment

NAME = ".gitignore"
_TOKEN = re.compile(
    r"(?P<folders>^\*\*/|/\*\*/)|(?P<all>/\*\*$)|(?P<some>\*+)|(?P<one>\?)|(?P<set>\[[!^]?\]?[^\]]*\])|\\?(?P<plain>.)", re.DOTALL
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
        """Whether a line names the very file of a module, `launchers/config.py`: one with settings that are each user's own.

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
        written = re.sub(r"(?<!\\) +$", "", line)
        if not written or written.startswith("#"):
            continue
        takes_in, written = written.startswith("!"), written.removeprefix("!")
        plain = written.rstrip("/")
        start = "" if "/" in plain else "(?:.*/)?"
        try:
            matches = re.compile(start + _TOKEN.sub(_as_regular, plain.removeprefix("/")))
        except re.error:
            continue  # a set that git would not match by either
        found.append(_Pattern(plain.removeprefix("**").removeprefix("/"), matches, written.endswith("/"), takes_in))
    return found


def _as_regular(token: re.Match[str]) -> str:
    if token["folders"]:
        return "(?:.*/)?" if not token["folders"].startswith("/") else "/(?:.*/)?"
    if token["all"]:
        return "/.+"
    if token["some"]:
        return "[^/]*"
    if token["one"]:
        return "[^/]"
    if token["set"]:
        inner = token["set"][1:-1]
        return f"[{'^' + inner[1:] if inner[:1] in '!^' else inner}]"
    return re.escape(token["plain"])
