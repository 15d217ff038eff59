"""`gonogo diff`: what became of the findings of an earlier verdict."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from gonogo.cli.options import ListAs, ListFormat
from gonogo.model.errors import UsageError
from gonogo.model.finding import Finding
from gonogo.model.verdict import Verdict
from gonogo.report import plain

MOST_BYTES = 100_000_000


def command(
    context: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="An earlier verdict, as JSON.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="A later verdict, as JSON.")],
    format: ListAs = ListFormat.TEXT,
) -> None:
    """Compare two verdicts: what was fixed, what is new, what is still there."""
    context.obj.action = lambda: run(old, new, format.value)


def run(old: str, new: str, format: str) -> int:
    """Compare two verdicts and print it; 0 where nothing that blocks is new or left, else 1.

    Raises:
        UsageError: a file is no verdict.
    """
    before, after = _load(old), _load(new)
    fixed, still = _compare(before.findings, after.findings)
    _, known = _compare(after.findings, before.findings)
    fresh = [finding for finding in after.findings if finding not in known]
    if format == "json":
        shown = {"fixed": fixed, "new": fresh, "still": still}
        print(plain.to_json({name: [each.model_dump(mode="json") for each in findings] for name, findings in shown.items()}, indent=2))
    else:
        print(f"{before.outcome} -> {after.outcome}: {len(fixed)} fixed, {len(fresh)} new, {len(still)} still there")
        for name, findings in (("fixed", fixed), ("new", fresh), ("still there", still)):
            for finding in findings:
                print(plain.line(f"{name}: {finding.location}: {finding.severity} {finding.rule} {finding.slug}: {finding.message}"))
    return 1 if any(finding.blocks for finding in after.findings) or after.undecided else 0


def _compare(some: list[Finding], others: list[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Those of `some` that `others` lack, and those that it has: one entry stands for one."""
    left = Counter(finding.fingerprint for finding in others)
    missing, there = [], []
    for finding in some:
        if left[finding.fingerprint] > 0:
            left[finding.fingerprint] -= 1
            there.append(finding)
        else:
            missing.append(finding)
    return missing, there


def _load(path: str) -> Verdict:
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is too large to be a verdict.")
        data = json.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: give the output of `gonogo check PATH --format json`.") from error
    if not isinstance(data, dict) or "findings" not in data:
        raise UsageError(f"{path} is not the verdict of one experiment: give the output of `gonogo check PATH --format json`.")
    try:
        return plain.verdict(Verdict.model_validate(data))
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{path} is not a verdict: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
