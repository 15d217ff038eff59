"""`uv.lock`: which versions an experiment was locked to.

Also whether a lock that uv has made uses only package indexes.

An experiment's own lock is never given to uv: it holds addresses that uv would fetch from without asking. What is taken from it are
versions, as constraints on the resolution; files then come from the caller's index, and must be those that the lock has the hashes of.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

from packaging.utils import canonicalize_name

from gonogo.model.errors import StageError

LONGEST_LINE = 4096
MOST_BYTES = 8 << 20
# uv writes one line for one thing; anything else was not written by it. Deep keys would make a parser slow.
_LINE = re.compile(r"\[\[?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,3}\]\]?|[A-Za-z0-9_-]+ = .+|    .+|[\]}]|#.*|\s*")
_DEEP = re.compile(r"(?<![\w-])(?:[\w-]++\s*+\.\s*+){4}[\w-]++\s*+=[^=]")
_OWN = frozenset({"virtual", "editable"})


@dataclass
class Pins:
    """The versions that a lock chose.

    Attributes:
        constraints: one for each package and version, with the environments that it is for.
        hashes: of files by name.
    """

    constraints: list[str] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)


def pins(text: str, own: str) -> Pins:
    """What an experiment's lock says.

    Args:
        text: the lock.
        own: the experiment's own name.

    Raises:
        StageError: it is no lock of uv's, or takes packages from somewhere else than package indexes.
    """
    found = Pins()
    for package in _packages(text):
        name, version, source = package.get("name"), package.get("version"), package.get("source")
        if canonicalize_name(str(name)) == canonicalize_name(own) and isinstance(source, dict) and _OWN & set(source):
            continue
        if not isinstance(source, dict) or set(source) != {"registry"}:
            kind = next(iter(source), "nowhere") if isinstance(source, dict) else "nowhere"
            raise StageError(f"uv.lock takes {name} from no package index ({kind}): give an environment that has it with --python")
        if not re.fullmatch(r"[A-Za-z0-9._-]+", str(name)) or not re.fullmatch(r"[A-Za-z0-9.!+_-]+", str(version or 0)):
            raise StageError(f"uv.lock names a package {str(name)[:100]!r} of version {str(version)[:100]!r}: that is no lock of uv's")
        if version is None:
            continue
        markers = [marker for marker in package.get("resolution-markers", []) if isinstance(marker, str)]
        if any("extra" in marker for marker in markers):
            continue  # for one side of a conflict: uv's own notation
        condition = f" ; {' or '.join(f'({marker})' for marker in markers)}" if markers else ""
        found.constraints.append(f"{name}=={str(version).partition('+')[0]}{condition}")
        found.hashes |= _hashes(package)
    return found


def check(text: str, taken: Pins | None) -> None:
    """Check that a lock made by uv uses only package indexes.

    Where it has the same files as the experiment's own lock, their hashes must be the same.

    Raises:
        StageError: it does not.
    """
    for package in _packages(text, made_by_us=True):
        source = package.get("source")
        if not isinstance(source, dict) or not ({"registry", "virtual"} & set(source)):
            raise StageError(f"{package.get('name')} would come from {source}, which is no package index")
        for file, digest in _hashes(package).items() if taken else ():
            assert taken is not None
            if taken.hashes.get(file, digest) != digest:
                raise StageError(f"uv.lock has another hash for {file} than the package index: one of the two is not what it seems")


def _packages(text: str, *, made_by_us: bool = False) -> list[dict[str, Any]]:
    lines = text.split("\n")
    if not made_by_us:
        odd = next((number for number, line in enumerate(lines, 1) if _is_odd(line)), None)
        if odd is not None or len(text) > MOST_BYTES:
            raise StageError(f"uv.lock{f':{odd}' if odd else ''} was not written by uv: remove it, or lock anew")
    try:
        packages = tomllib.loads(text).get("package", [])
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StageError(f"uv.lock is no TOML ({error}): remove it, or lock anew") from error
    return [package for package in packages if isinstance(package, dict)] if isinstance(packages, list) else []


def _is_odd(line: str) -> bool:
    return len(line) > LONGEST_LINE or not _LINE.fullmatch(line) or _DEEP.search(line) is not None


def _hashes(package: dict[str, Any]) -> dict[str, str]:
    files = [package.get("sdist"), *(package.get("wheels") or [])]
    named = [(str(file.get("url") or file.get("path") or ""), file.get("hash")) for file in files if isinstance(file, dict)]
    return {place.rpartition("/")[2].partition("#")[0]: digest for place, digest in named if place and isinstance(digest, str)}
