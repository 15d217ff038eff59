"""A TOML text as data, or why it is none."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from gonogo.documents.limits import MAX_DEPTH, MAX_SYMBOLS, LimitError, check_size

MAX_KEY_PARTS = 16  # of `a.b.c`: `tomllib` takes memory and time with their square

_PART = r"(?:[\w-]++|\"(?:[^\"\\\n]++|\\.)*+\"|'[^'\n]*+')"
# What brackets and dots are to be looked for in: everything but texts and comments. No alternative can match in two ways.
_TOKEN = re.compile(
    rf"(?P<key>{_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MAX_KEY_PARTS},}})"
    r"|(?P<open>[\[{])|(?P<close>[\]}])"
    r"|(?P<other>\"\"\"(?:[^\"\\]++|\\.|\"(?!\"\"))*+(?:\"\"\"|\Z)|'''(?:[^']++|'(?!''))*+(?:'''|\Z)"
    r"|\"(?:[^\"\\\n]++|\\.)*+\"?|'[^'\n]*+'?|#[^\n]*+|[\w-]++)",
    re.DOTALL,
)


class TomlError(NamedTuple):
    """Why a text is not usable TOML: the parser's message without the place, and the 1-based line.

    Attributes:
        is_limit: it may be TOML, but there is too much of it to look.
    """

    message: str
    line: int
    is_limit: bool = False


@dataclass
class TomlDocument:
    """The table of a text; empty where there is an error."""

    table: dict[str, Any] = field(default_factory=dict)
    error: TomlError | None = None


@lru_cache(maxsize=64)
def parse_toml(text: str, most_symbols: int = MAX_SYMBOLS) -> TomlDocument:
    """Parse a text; a fault comes back as `error`, never as an exception."""
    try:
        check_size(text, most_symbols)
        _check_shape(text)
        return TomlDocument(tomllib.loads(text))
    except LimitError as error:
        return TomlDocument(error=TomlError(error.message, error.line, is_limit=True))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else max(len(text.rstrip().split("\n")), 1)
        return TomlDocument(error=TomlError(re.sub(r" \(at [^()]*\)$", "", str(error)), line))
    except ValueError as error:  # an integer of thousands of digits
        return TomlDocument(error=TomlError(str(error), 1))


def _check_shape(text: str) -> None:
    """Refuse keys of too many parts, and what is nested too deeply.

    Raises:
        LimitError: there is such a place.
    """
    depth = 0
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(0, depth - 1)
        if kind == "key" or depth > MAX_DEPTH:
            what = f"a key of more than {MAX_KEY_PARTS} parts" if kind == "key" else f"nested more than {MAX_DEPTH} levels deep"
            raise LimitError(what, text.count("\n", 0, token.start()) + 1)
