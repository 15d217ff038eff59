"""Verdicts as a Parquet file, a row each, for who judges many experiments and asks questions of them all."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from gonogo.finding import Finding, Severity
from gonogo.verdict import Verdict

GROUP = 1000  # rows that are written at a time

_FINDING = pa.struct(
    [
        ("rule", pa.string()),
        ("severity", pa.string()),
        ("stage", pa.string()),
        ("blocks", pa.bool_()),
        ("path", pa.string()),
        ("line", pa.int32()),
        ("message", pa.string()),
        ("action", pa.string()),
        ("runs", pa.list_(pa.string())),
    ]
)
SCHEMA = pa.schema(
    [
        ("experiment", pa.string()),
        ("outcome", pa.string()),
        ("is_code_ready", pa.bool_()),
        ("code_issue", pa.string()),
        ("contract", pa.string()),
        ("gonogo_version", pa.string()),
        ("seconds", pa.float64()),
        *((f"{severity.value}_count", pa.int32()) for severity in Severity),
        ("runs", pa.list_(pa.string())),
        ("undecided", pa.list_(pa.string())),
        ("findings", pa.list_(_FINDING)),
    ]
)


class ParquetFile:
    """Written row by row; it has its name when it is whole.

    Args:
        path: of the file.

    Raises:
        OSError: it can't be written.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._unfinished = self._path.with_name(f".{self._path.name}.part")
        self._writer = pq.ParquetWriter(self._unfinished, SCHEMA, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, verdict: Verdict) -> None:
        """Add a verdict."""
        self._rows.append(_row(verdict))
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


def _row(verdict: Verdict) -> dict[str, Any]:
    return {
        "experiment": verdict.experiment,
        "outcome": verdict.outcome.value,
        "is_code_ready": verdict.is_code_ready,
        "code_issue": verdict.code_issue,
        "contract": verdict.contract,
        "gonogo_version": verdict.gonogo_version,
        "seconds": sum(stage.seconds for stage in verdict.stages),
        **{f"{severity.value}_count": verdict.count(severity) for severity in Severity},
        "runs": verdict.runs,
        "undecided": verdict.undecided,
        "findings": [_finding(finding) for finding in verdict.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "stage": finding.stage.value,
        "blocks": finding.blocks,
        "path": finding.location.path,
        "line": finding.location.line,
        "message": finding.message,
        "action": finding.action,
        "runs": list(finding.runs),
    }
