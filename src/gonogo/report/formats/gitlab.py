"""A Code Quality report of GitLab: a JSON list that it shows in merge requests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from gonogo.model.finding import Finding, Severity
from gonogo.model.verdict import Verdict
from gonogo.report import plain
from gonogo.report.formats import Format, Target
from gonogo.report.places import of_file, path_from_here, rule_url, unique_fingerprints, with_cell

# GitLab's own words; what blocks a run is its highest but one, as `blocker` is for what must stop a merge whatever the policy.
_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.INFO: "info"}


class GitlabWriter:
    """Writes when all verdicts are there."""

    def __init__(self, target: Target) -> None:
        self._stream = target.stream
        self._entries: list[dict[str, Any]] = []

    def add(self, verdict: Verdict, sources: Mapping[str, str]) -> None:
        """Take a verdict."""
        self._entries += [_entry(verdict, finding, fingerprint) for finding, fingerprint in unique_fingerprints(verdict)]
        for reason in verdict.undecided:
            self._entries.append(_raw(verdict, f"could not decide: {reason}", "undecided", "blocker", reason, "", None))

    def finish(self, seconds: float) -> None:
        """Write the list."""
        print(plain.to_json(self._entries, indent=2), file=self._stream)


def _entry(verdict: Verdict, finding: Finding, fingerprint: str) -> dict[str, Any]:
    place = of_file(finding.location)
    told = with_cell(finding.location, f"{finding.message}; {finding.action}")
    url = rule_url(verdict, finding.rule)
    told = f"{told} ({url})" if url else told
    return _raw(verdict, told, f"{finding.rule} {finding.slug}", _SEVERITIES[finding.severity], fingerprint, place.path, place.line)


def _raw(verdict: Verdict, told: str, check: str, severity: str, own: str, path: str, line: int | None) -> dict[str, Any]:
    where = path_from_here(verdict, path) if path else verdict.experiment
    return {
        "description": told,
        "check_name": check,
        # Findings of other experiments in the same report may be the same but for where they are.
        "fingerprint": hashlib.sha256(f"{verdict.experiment}\0{own}".encode("utf-8", "surrogatepass")).hexdigest()[:32],
        "severity": severity,
        "location": {"path": where, "lines": {"begin": line or 1}},
    }


FORMAT = Format("a Code Quality report of GitLab", GitlabWriter)
