"""Where reports go: standard output, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from gonogo.model.errors import UsageError
from gonogo.model.finding import Certainty, Severity
from gonogo.model.verdict import Verdict
from gonogo.report import formats, plain
from gonogo.report.formats import RuleHelp, Target, Writer


@dataclass(frozen=True)
class Destination:
    """One report: its format, and its file (None: standard output)."""

    format: str
    path: str | None


def destinations(format: str | None, outputs: Sequence[str], default: str) -> list[Destination]:
    """What `--format` and `--output` ask for.

    Args:
        format: of what has no format of its own; None for the default.
        outputs: `FILE`, or `FORMAT=FILE`.
        default: the format where nothing is said.

    Raises:
        UsageError: there is no such format, or one file is named twice.
    """
    usual = format or default
    if not formats.is_known(usual):
        formats.load(usual)
    found = []
    for output in outputs:
        name, equals, path = output.partition("=")
        found.append(Destination(name, path) if equals and formats.is_known(name) else Destination(usual, output))
    paths = [os.path.abspath(entry.path) for entry in found if entry.path]  # noqa: PTH100
    if len(set(paths)) < len(paths):
        raise UsageError("--output names one file twice.")
    if not found or (format is not None and not any(entry.format == format for entry in found)):
        found.insert(0, Destination(usual, None))
    return found


class Reports:
    """The writers of one call.

    Args:
        writers: by destination.
        least: findings of less weight are not shown; the verdict stays.
        surest: nor are findings that are less certain than this.
    """

    def __init__(self, writers: Sequence[Writer], least: Severity = Severity.INFO, surest: Certainty = Certainty.LIKELY) -> None:
        self._writers = writers
        self._least = least
        self._surest = surest

    def add(self, verdict: Verdict, sources: Mapping[str, str]) -> None:
        """Hand a verdict to every writer, with every text in it printable."""
        verdict = plain.verdict(_sure(_shown(verdict, self._least), self._surest))
        for writer in self._writers:
            writer.add(verdict, sources)

    def finish(self, seconds: float) -> None:
        """Let every writer write what is left."""
        for writer in self._writers:
            writer.finish(seconds)


def _shown(verdict: Verdict, least: Severity) -> Verdict:
    """Return a verdict without its less severe findings.

    Findings that block are never left out, so the outcome is the same.
    """
    kept = [finding for finding in verdict.findings if finding.severity.rank <= least.rank]
    hidden = len(verdict.findings) - len(kept)
    if not hidden:
        return verdict
    note = f"{hidden} finding{'' if hidden == 1 else 's'} of less weight than {least} {'is' if hidden == 1 else 'are'} not shown."
    return verdict.model_copy(update={"findings": kept, "notes": [*verdict.notes, note]})


def _sure(verdict: Verdict, surest: Certainty) -> Verdict:
    """Return a verdict without findings that are less certain; none of those that block is left out."""
    order = list(Certainty)
    kept = [finding for finding in verdict.findings if finding.blocks or order.index(finding.certainty) <= order.index(surest)]
    hidden = len(verdict.findings) - len(kept)
    if not hidden:
        return verdict
    note = f"{hidden} finding{'' if hidden == 1 else 's'} less certain than {surest} {'is' if hidden == 1 else 'are'} not shown."
    return verdict.model_copy(update={"findings": kept, "notes": [*verdict.notes, note]})


@dataclass(frozen=True)
class Amount:
    """How much is shown.

    Attributes:
        details: also what is of use to few.
        quiet: the verdicts alone, in formats for people.
        least: findings of less weight are left out; `surest`: those that are less certain.
    """

    details: bool = False
    quiet: bool = False
    least: Severity = Severity.INFO
    surest: Certainty = Certainty.LIKELY


def _rules() -> Mapping[str, RuleHelp]:
    from gonogo.cli.catalogue import rule_helps

    return rule_helps()


@contextlib.contextmanager
def opened(wanted: Sequence[Destination], stdout: TextIO, experiments: int, amount: Amount) -> Iterator[Reports]:
    """Open every destination; a file gets its name at the end of the block, if nothing went wrong.

    Raises:
        UsageError: a file can't be written, or packages are missing for a format.
    """
    with contextlib.ExitStack() as stack:
        writers = []
        for entry in wanted:
            format = formats.load(entry.format)
            if entry.path is None:
                stream, path = stdout, None
            else:
                part = stack.enter_context(_part(entry.path))
                stream, path = stack.enter_context(part.open("w", encoding="utf-8", errors="backslashreplace")), str(part)
            writers.append(format.open(Target(stream, path, experiments, amount.details, amount.quiet, _rules)))
        yield Reports(writers, amount.least, amount.surest)


@contextlib.contextmanager
def _part(path: str) -> Iterator[Path]:
    """A file beside the one that is wanted, which it replaces at the end of the block."""
    final = Path(path)
    part = final.with_name(f".{final.name}.part")
    try:
        # Removed before the work: an old report must not be taken for the new one if that is never written.
        final.unlink(missing_ok=True)
        part.touch()
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror or error}.") from error
    try:
        yield part
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)
