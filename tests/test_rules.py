"""Every rule against its own examples: the mini-trees beside a rule are its test."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer
from gonogo.model.finding import Finding, Severity, Stage
from gonogo.rules.base import HEADINGS, MARKER, Rule, all_rules

FAMILIES = {
    "IMP",
    "ENV",
    "HYD",
    "DAT",
    "MOD",
    "STR",
    "WDB",
    "RUN",
    "OPT",
    "EVA",
    "TRI",
    "SCI",
    "AIR",
    "POL",
    "TRN",
    "LEK",
    "REP",
    "NUM",
    "NTB",
    "CLI",
}
RULES = list(all_rules().values())
# The others' examples are run in tests/execution/test_run_rules.py and tests/reviewer.
STATIC = [rule for rule in RULES if rule.stage in (Stage.CHECK, Stage.COMPOSE)]

Judge = Callable[..., list[Finding]]


def _cases(kind: int) -> list[object]:
    return [pytest.param(rule, number, id=f"{rule.id}-{number}") for rule in STATIC for number in range(len(rule.examples()[kind]))]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
class TestDeclaration:
    def test_id_is_a_known_family_and_a_number(self, rule: Rule) -> None:
        assert re.fullmatch(r"[A-Z]{3}[1-9]\d\d", rule.id)
        assert rule.id[:3] in FAMILIES

    def test_slug_is_words_with_dashes(self, rule: Rule) -> None:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.slug)

    def test_file_is_named_after_the_slug(self, rule: Rule) -> None:
        assert rule.module.rpartition(".")[2] == rule.slug.replace("-", "_")

    def test_criterion_is_one_of_nine(self, rule: Rule) -> None:
        assert rule.criterion is None or rule.criterion in range(1, 10)

    def test_documentation_has_all_headings(self, rule: Rule) -> None:
        sections = rule.sections()
        assert list(sections) == list(HEADINGS)
        assert all(len(text) > 20 for text in sections.values())
        assert rule.title.endswith(".")

    def test_has_examples(self, rule: Rule) -> None:
        bad, good = rule.examples()
        assert bad
        assert good


def test_ids_and_slugs_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert len({rule.slug for rule in RULES}) == len(RULES)


@pytest.fixture(scope="session")
def find_bad(golden: dict[str, str], golden_plan: str, composer: Composer) -> Callable[[Rule, int], list[Finding]]:
    """What a rule finds in one of its bad examples, run once."""
    found: dict[tuple[str, int], list[Finding]] = {}

    def find(rule: Rule, number: int) -> list[Finding]:
        if (rule.id, number) not in found:
            tree = rule.examples()[0][number]
            files = {path: text.replace(MARKER, "") for path, text in tree.apply(golden).items()}
            found[rule.id, number] = run_rules(composer, files, rule.id, plan=tree.plan or (None if tree.alone else golden_plan))
        return found[rule.id, number]

    return find


@pytest.mark.parametrize(("rule", "number"), _cases(0))
def test_bad_example_is_found_once_where_it_says(
    rule: Rule, number: int, golden: dict[str, str], find_bad: Callable[[Rule, int], list[Finding]]
) -> None:
    tree = rule.examples()[0][number]
    texts = sorted(tree.apply(golden).items())
    marked = [(path, place) for path, text in texts for place, line in enumerate(text.split("\n"), 1) if line.endswith(MARKER)]
    assert len(marked) == (0 if tree.at else 1), "mark one line with the marker, or name the file with `at`"
    findings = find_bad(rule, number)
    assert len(findings) == 1, findings
    (finding,) = findings
    assert (finding.location.path, finding.location.line) == (marked[0] if marked else (tree.at, finding.location.line))
    assert finding.message
    assert finding.action
    assert not finding.action.endswith(".")


@pytest.mark.parametrize("rule", STATIC, ids=lambda rule: rule.id)
def test_some_bad_example_has_the_severity_of_its_rule(rule: Rule, find_bad: Callable[[Rule, int], list[Finding]]) -> None:
    severities = {finding.severity for number in range(len(rule.examples()[0])) for finding in find_bad(rule, number)}
    assert rule.severity in severities


@pytest.mark.parametrize(("rule", "number"), _cases(1))
def test_good_example_is_left_alone(rule: Rule, number: int, golden: dict[str, str], golden_plan: str, judge: Judge) -> None:
    tree = rule.examples()[1][number]
    files = {path: text.replace(MARKER, "") for path, text in tree.apply(golden).items()}
    assert judge(files, rule.id, plan=tree.plan or (None if tree.alone else golden_plan)) == []


@pytest.mark.slow
def test_golden_experiment_has_nothing_to_complain_about(golden: dict[str, str], golden_plan: str, judge: Judge) -> None:
    assert [finding for finding in judge(golden, plan=golden_plan) if finding.severity is not Severity.INFO] == []
