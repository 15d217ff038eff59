"""A JUnit report with a test suite per experiment and a test case per finding.

Findings that block are failed test cases.

The element names are those of the schema that Jenkins publishes for its xUnit plugin, which CI systems agree on.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from gonogo.model.finding import Finding
from gonogo.model.verdict import Verdict
from gonogo.report import plain
from gonogo.report.formats import Collector, Format
from gonogo.report.formats.full import place, summary


class JunitWriter(Collector):
    """Writes when all verdicts are there."""

    def finish(self, seconds: float) -> None:
        """Write the document."""
        suites = list(map(_suite, self._verdicts))
        totals = {name: str(sum(int(suite.attrib[name]) for suite in suites)) for name in ("tests", "failures", "errors")}
        root = ET.Element("testsuites", {"name": "gonogo", **totals, "time": f"{seconds:.3f}"})
        root.extend(suites)
        ET.indent(root)
        print('<?xml version="1.0" encoding="UTF-8"?>', ET.tostring(root, encoding="unicode"), sep="\n", file=self._stream)


def _suite(verdict: Verdict) -> ET.Element:
    cases = [*(_finding_case(finding) for finding in verdict.findings), *map(_undecided_case, verdict.undecided)]
    if not cases:
        cases = [ET.Element("testcase", {"classname": "gonogo", "name": str(verdict.outcome)})]
    counts = {
        "tests": len(cases),
        "failures": sum(finding.blocks for finding in verdict.findings),
        "errors": len(verdict.undecided),
    }
    seconds = sum(stage.seconds for stage in verdict.stages)
    attributes = {"name": _text(verdict.experiment), **{name: str(count) for name, count in counts.items()}, "time": f"{seconds:.3f}"}
    suite = ET.Element("testsuite", attributes)
    suite.extend(cases)
    ET.SubElement(suite, "system-out").text = _text(summary(verdict))
    return suite


def _finding_case(finding: Finding) -> ET.Element:
    where = place(finding.location)
    attributes = {"classname": _text(finding.location.path), "name": _text(f"{finding.rule} {finding.slug} {where}")}
    if finding.location.line is not None:
        attributes["line"] = str(finding.location.line)
    case = ET.Element("testcase", attributes)
    told = _text(f"{where}: {finding.message}\n{finding.action}" + (f"\nseen: {finding.evidence}" if finding.evidence else ""))
    if finding.blocks:
        ET.SubElement(case, "failure", {"message": _text(finding.message), "type": str(finding.severity)}).text = told
    else:
        ET.SubElement(case, "system-out").text = told
    return case


def _undecided_case(reason: str) -> ET.Element:
    case = ET.Element("testcase", {"classname": "gonogo", "name": "could not decide"})
    ET.SubElement(case, "error", {"message": _text(reason), "type": "undecided"})
    return case


def _text(value: str) -> str:
    return plain.block(value)  # XML has no way to write most control characters


FORMAT = Format("a JUnit report", JunitWriter)
