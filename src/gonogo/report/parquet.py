"""Verdicts as a Parquet file, a row each, for who judges many experiments and asks questions of them all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from gonogo.model.finding import Finding, Severity
from gonogo.model.verdict import Verdict

GROUP = 1000  # rows that are written at a time

_TEXTS = pa.list_(pa.string())
#: A column: its type, and its value.
_Columns = dict[str, tuple[pa.DataType, Callable[[Any], Any]]]
FINDING_COLUMNS: _Columns = {
    "rule": (pa.string(), lambda finding: finding.rule),
    "severity": (pa.string(), lambda finding: finding.severity.value),
    "stage": (pa.string(), lambda finding: finding.stage.value),
    "blocks": (pa.bool_(), lambda finding: finding.blocks),
    "path": (pa.string(), lambda finding: finding.location.path),
    "line": (pa.int32(), lambda finding: finding.location.line),
    "message": (pa.string(), lambda finding: finding.message),
    "action": (pa.string(), lambda finding: finding.action),
    "runs": (_TEXTS, lambda finding: finding.runs),
}
COLUMNS: _Columns = {
    "experiment": (pa.string(), lambda verdict: verdict.experiment),
    "outcome": (pa.string(), lambda verdict: verdict.outcome.value),
    "is_code_ready": (pa.bool_(), lambda verdict: verdict.is_code_ready),
    "code_issue": (pa.string(), lambda verdict: verdict.code_issue),
    "contract": (pa.string(), lambda verdict: verdict.contract),
    "gonogo_version": (pa.string(), lambda verdict: verdict.gonogo_version),
    "seconds": (pa.float64(), lambda verdict: sum(stage.seconds for stage in verdict.stages)),
    **{f"{severity.value}_count": (pa.int32(), partial(Verdict.count, severity=severity)) for severity in Severity},
    "runs": (_TEXTS, lambda verdict: verdict.runs),
    "undecided": (_TEXTS, lambda verdict: verdict.undecided),
    "findings": (
        pa.list_(pa.struct([(name, kind) for name, (kind, _) in FINDING_COLUMNS.items()])),
        lambda verdict: [_row(finding, FINDING_COLUMNS) for finding in verdict.findings],
    ),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in COLUMNS.items()])


class ParquetFile:
    """Written row by row; it has its name when it is whole.

    Args:
        path: of the file.

    Raises:
        OSError: it can't be written.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._path.unlink(missing_ok=True)  # an old file must not be taken for the new one if that is never whole
        self._unfinished = self._path.with_name(f".{self._path.name}.part")
        self._writer = pq.ParquetWriter(self._unfinished, SCHEMA, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, verdict: Verdict) -> None:
        """Add a verdict."""
        self._rows.append(_row(verdict, COLUMNS))
        if len(self._rows) >= GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=SCHEMA))
        self._rows = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        if kind is None:
            self._unfinished.replace(self._path)
        else:
            self._unfinished.unlink()


def _row(thing: Verdict | Finding, columns: _Columns) -> dict[str, Any]:
    return {name: value(thing) for name, (_, value) in columns.items()}
