"""Verdicts as a Parquet file, one row each.

It is for those who judge many experiments and run queries over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gonogo.model.errors import UsageError
from gonogo.model.finding import Finding, Severity
from gonogo.model.verdict import Verdict
from gonogo.report.formats import Format, Target

GROUP = 1000  # rows that are written at a time

_TEXTS = pa.list_(pa.string())
#: A column: its type, and its value.
_Columns = dict[str, tuple[pa.DataType, Callable[[Any], Any]]]
FINDING_COLUMNS: _Columns = {
    "rule": (pa.string(), lambda finding: finding.rule),
    "severity": (pa.string(), lambda finding: finding.severity.value),
    "certainty": (pa.string(), lambda finding: finding.certainty.value),
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


class ParquetWriter:
    """Writes row by row.

    Raises:
        UsageError: the target has no path.
    """

    def __init__(self, target: Target) -> None:
        if target.path is None:
            raise UsageError("--format parquet is a file's: name it with --output.")
        self._writer = pq.ParquetWriter(target.path, SCHEMA, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def add(self, verdict: Verdict, sources: Mapping[str, str]) -> None:
        """Take a verdict."""
        self._rows.append(_row(verdict, COLUMNS))
        if len(self._rows) >= GROUP:
            self._flush()

    def finish(self, seconds: float) -> None:
        """Write the rest and close the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=SCHEMA))
        self._rows = []


def _row(thing: Verdict | Finding, columns: _Columns) -> dict[str, Any]:
    return {name: value(thing) for name, (_, value) in columns.items()}


FORMAT = Format("a table with a row for each experiment", ParquetWriter, binary=True)
