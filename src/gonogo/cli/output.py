"""Where reports go: standard output, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from gonogo.model.errors import UsageError
from gonogo.model.verdict import Verdict
from gonogo.report import formats, plain
from gonogo.report.formats import Target, Writer


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
    known = formats.names()
    if usual not in known:
        formats.load(usual)
    found = []
    for output in outputs:
        name, equals, path = output.partition("=")
        found.append(Destination(name, path) if equals and name in known else Destination(usual, output))
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
        stream: of standard output, None if no report goes there.
    """

    def __init__(self, writers: Sequence[Writer]) -> None:
        self._writers = writers

    def add(self, verdict: Verdict, sources: Mapping[str, str]) -> None:
        """Hand a verdict to every writer, with every text in it printable."""
        verdict = plain.verdict(verdict)
        for writer in self._writers:
            writer.add(verdict, sources)

    def finish(self, seconds: float) -> None:
        """Let every writer write what is left."""
        for writer in self._writers:
            writer.finish(seconds)


@contextlib.contextmanager
def opened(wanted: Sequence[Destination], stdout: TextIO, experiments: int, details: bool) -> Iterator[Reports]:
    """Open every destination; a file gets its name at the end of the block, if nothing went wrong.

    Raises:
        UsageError: a file can't be written, or packages are missing for a format.
    """
    with contextlib.ExitStack() as stack:
        writers = []
        for entry in wanted:
            format = formats.load(entry.format)
            if entry.path is None:
                target = Target(stdout, None, experiments, details)
            else:
                part = stack.enter_context(_part(entry.path))
                stream = stack.enter_context(part.open("w", encoding="utf-8", errors="backslashreplace"))
                target = Target(stream, str(part), experiments, details)
            writers.append(format.open(target))
        yield Reports(writers)


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
