"""The command `gonogo doctor`: what this machine can hold in, on one screen."""

from __future__ import annotations

import textwrap

from gonogo.execution.abilities import Abilities, examine
from gonogo.report import plain

UNDECIDED = 3
WIDTH = 100


def run(format: str) -> int:
    """Examine this machine.

    Returns exit code 0 if it can isolate untrusted code, otherwise 3, as a trial on it would.
    """
    found = examine()
    if format == "json":
        print(found.model_dump_json(indent=2))
    else:
        print("\n".join(_screen(found)))
    return 0 if found.mechanism is not None else UNDECIDED


def _screen(found: Abilities) -> list[str]:
    verdict = f"Trials run in a sandbox: {found.mechanism}." if found.mechanism else "No sandbox holds here: trials are refused."
    widest = max(len(ability.name) for ability in found.abilities)
    lines = [verdict, ""]
    for ability in found.abilities:
        lines.append(f"  {'✓' if ability.there else '✗'} {ability.name:<{widest}}  {plain.line(ability.detail)}")
    told = (("Refused, as tried just now:", found.refused), ("Allowed:", found.allowed), ("Not contained:", found.not_contained))
    for title, entries in told:
        if entries:
            lines += ["", title, *textwrap.wrap("; ".join(entries) + ".", WIDTH, initial_indent="  ", subsequent_indent="  ")]
    return lines
