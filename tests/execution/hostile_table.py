"""Runs every hostile program under every mechanism and prints what came of it: `uv run python tests/execution/hostile_table.py`."""

from __future__ import annotations

import sys
import time

from hostile_cases import CASES, MECHANISMS, applies, carry_out
from rich.console import Console
from rich.table import Table

from gonogo.execution.sandbox import Containment, Mechanism
from gonogo.execution.sandbox.choice import try_out


def main() -> int:
    """Print the table; 1 if something was not contained."""
    console, failures = Console(), 0
    table = Table("hostile program", *map(str, MECHANISMS), title="ended by / seconds / peak memory", title_justify="left")
    contained = {mechanism: try_out(mechanism) for mechanism in MECHANISMS if mechanism is not Mechanism.NONE}
    for mechanism, (containment, reason) in contained.items():
        console.print(f"{mechanism}: {containment or 'not here'} {reason}")
    for case in CASES:
        cells = []
        for mechanism in MECHANISMS:
            containment = contained.get(mechanism, (Containment(mechanism=Mechanism.NONE), ""))[0]
            if not applies(case, mechanism) or containment is None:
                cells.append("-")
                continue
            started = time.monotonic()
            wrong, result = carry_out(case, containment)
            failures += bool(wrong)
            ended = f"limit: {result.limit}" if result.limit else "its end"
            figures = f"{ended} / {time.monotonic() - started:.1f} s / {result.peak_memory >> 20} MiB"
            cells.append(f"[red]{'; '.join(wrong)}[/red]" if wrong else figures)
        table.add_row(case.name, *cells)
    console.print(table)
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
