"""SARIF 2.1.0 (OASIS standard), with a run for each experiment.

GitHub's code scanning and many editors read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gonogo.model.finding import Certainty, Finding, Location, Severity
from gonogo.model.verdict import Outcome, Verdict
from gonogo.report import plain
from gonogo.report.formats import Collector, Format, RuleHelp
from gonogo.report.places import rule_url, unique_fingerprints, uri_from_here

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_RANKS = {Certainty.PROVEN: 100.0, Certainty.DERIVED: 90.0, Certainty.LIKELY: 50.0}
_Json = dict[str, Any]


class SarifWriter(Collector):
    """Writes when all verdicts are there."""

    def finish(self, seconds: float) -> None:
        """Write the document."""
        helps = self._target.rules()
        runs = [_run(verdict, helps) for verdict in self._verdicts]
        print(plain.to_json({"$schema": SCHEMA, "version": "2.1.0", "runs": runs}, indent=2), file=self._stream)


def _run(verdict: Verdict, helps: Mapping[str, RuleHelp]) -> _Json:
    rules: dict[str, _Json] = {}
    for finding in [*verdict.findings, *(entry.finding for entry in verdict.suppressed)]:
        rules.setdefault(finding.rule, _rule(finding, helps.get(finding.rule), rule_url(verdict, finding.rule)))
    places = list(rules)
    results = [_result(verdict, finding, own, places) for finding, own in unique_fingerprints(verdict)]
    for entry in verdict.suppressed:
        suppressed = _result(verdict, entry.finding, entry.finding.fingerprint, places)
        kind = "inSource" if entry.by == "inline" else "external"
        suppressed["suppressions"] = [{"kind": kind, "justification": f"{entry.by}, {entry.where}: {entry.reason}"}]
        results.append(suppressed)
    unsure = [{"level": "error", "message": {"text": f"could not decide: {reason}"}} for reason in verdict.undecided]
    return {
        "tool": {"driver": {"name": "gonogo", "version": verdict.gonogo_version, "rules": list(rules.values())}},
        "automationDetails": {"id": f"gonogo/{plain.line(verdict.experiment)}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": verdict.outcome is not Outcome.UNDECIDED,
                **({"toolExecutionNotifications": unsure} if unsure else {}),
            }
        ],
        "results": results,
        "properties": {"outcome": str(verdict.outcome), "contract": verdict.contract},
    }


def _rule(finding: Finding, help: RuleHelp | None, url: str) -> _Json:
    entry: _Json = {"id": finding.rule, "name": finding.slug, **({"helpUri": url} if url else {})}
    if help is not None:
        entry |= {
            "shortDescription": {"text": help.title},
            "fullDescription": {"text": help.why or help.title},
            "help": {"text": help.text, "markdown": help.markdown},
            "defaultConfiguration": {"level": _LEVELS[help.severity]},
        }
    return entry


def _result(verdict: Verdict, finding: Finding, own: str, rules: list[str]) -> _Json:
    result: _Json = {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.message}; {finding.action}"},
        "locations": [_location(verdict, finding.location)],
        "partialFingerprints": {"gonogo/v1": own},
        "rank": _RANKS[finding.certainty],
        "properties": {"certainty": str(finding.certainty), "stage": str(finding.stage), "runs": finding.runs},
    }
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, **_location(verdict, other.location), "message": {"text": other.label}}
            for number, other in enumerate(finding.related, 1)
        ]
    return result


def _location(verdict: Verdict, location: Location) -> _Json:
    physical: _Json = {"artifactLocation": {"uri": uri_from_here(verdict, location.path), "uriBaseId": "%SRCROOT%"}}
    if location.cell is not None:
        return {"physicalLocation": physical, "logicalLocations": [{"fullyQualifiedName": f"cell {location.cell}, line {location.line}"}]}
    if location.line is not None:
        region = {
            "startLine": location.line,
            "startColumn": location.column,
            "endLine": location.end_line,
            "endColumn": location.end_column,
        }
        physical["region"] = {name: value for name, value in region.items() if value is not None}
    return {"physicalLocation": physical}


FORMAT = Format("SARIF 2.1.0, for code scanning and editors", SarifWriter)
