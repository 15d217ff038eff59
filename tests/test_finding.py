"""Findings: merging, fingerprints, and what blocks."""

from __future__ import annotations

from itertools import permutations

import pytest

from gonogo.model.finding import Certainty, Finding, Location, Related, Severity, Stage, fingerprint, merge_findings
from gonogo.model.verdict import Outcome, Verdict
from gonogo.rules.base import Violation, all_rules


def finding(**changed: object) -> Finding:
    """A finding of one run."""
    fields = {
        "rule": "HYD104",
        "slug": "unknown-config-key",
        "severity": Severity.ERROR,
        "criterion": 2,
        "stage": Stage.COMPOSE,
        "message": "it is not there",
        "action": "add it",
        "location": Location(path="src/train.py", line=3),
        "runs": ["a"],
    }
    return Finding.model_validate({**fields, **changed})


@pytest.mark.parametrize("order", list(permutations(Severity)))
def test_merged_findings_keep_the_worst_severity(order: tuple[Severity, ...]) -> None:
    (merged,) = merge_findings(finding(severity=severity) for severity in order)
    assert merged.severity is Severity.ERROR


def test_merged_findings_have_the_runs_and_places_of_all() -> None:
    places = [Related(location=Location(path=name), label="here") for name in "xy"]
    (merged,) = merge_findings([finding(runs=["a"], related=places[:1]), finding(runs=["b", "a"], related=places)])
    assert (merged.runs, merged.related) == (["a", "b"], places)


def test_a_finding_about_all_runs_stays_one() -> None:
    (merged,) = merge_findings([finding(runs=["a"]), finding(runs=[])])
    assert merged.runs == []


@pytest.mark.parametrize("changed", [{"message": "another"}, {"rule": "HYD105"}, {"location": Location(path="src/train.py", line=4)}])
def test_what_differs_in_more_than_the_run_is_not_merged(changed: dict[str, object]) -> None:
    assert len(merge_findings([finding(), finding(**changed)])) == 2


def test_worst_first() -> None:
    given = [finding(severity=severity, message=severity.value) for severity in (Severity.INFO, Severity.WARNING, Severity.ERROR)]
    assert [entry.severity for entry in merge_findings(given)] == [Severity.ERROR, Severity.WARNING, Severity.INFO]


def test_fingerprints_don_t_move_with_lines() -> None:
    assert fingerprint("A", "p", "  x =  1", "m") == fingerprint("A", "p", "x = 1", "m")
    assert (
        len(
            {
                fingerprint(*each)
                for each in [("A", "p", "x", "m"), ("B", "p", "x", "m"), ("A", "q", "x", "m"), ("A", "p", "y", "m"), ("A", "p", "x", "n")]
            }
        )
        == 5
    )


def violation(**changed: object) -> Violation:
    return Violation(Location(path="a.py", line=1), "m", "a", **changed)  # type: ignore[arg-type]


def test_what_is_only_likely_never_blocks() -> None:
    rule = next(
        rule for rule in all_rules().values() if rule.severity is Severity.ERROR and not rule.stage.runs_code and rule.certainty is None
    )
    assert rule.finding(violation(), "").certainty is Certainty.DERIVED
    likely = rule.finding(violation(certainty=Certainty.LIKELY), "")
    assert (likely.severity, likely.blocks) == (Severity.WARNING, False)


def test_what_a_run_showed_is_proven() -> None:
    rule = next(rule for rule in all_rules().values() if rule.stage is Stage.TRIAL)
    assert rule.finding(violation(), "").certainty is Certainty.PROVEN


@pytest.mark.parametrize(
    ("findings", "undecided", "outcome"),
    [
        ([], [], Outcome.GO),
        ([Severity.WARNING, Severity.INFO], [], Outcome.GO),
        ([Severity.ERROR], [], Outcome.NO_GO),
        ([], ["a stage failed"], Outcome.UNDECIDED),
        ([Severity.ERROR], ["a stage failed"], Outcome.NO_GO),
    ],
)
def test_outcomes(findings: list[Severity], undecided: list[str], outcome: Outcome) -> None:
    verdict = Verdict(
        experiment="x", contract="c", gonogo_version="0", findings=[finding(severity=each) for each in findings], undecided=undecided
    )
    assert verdict.outcome is outcome
    assert verdict.is_code_ready is (outcome is Outcome.GO)
