"""The mutation benchmark itself: its golden trees, what its operators make, what it counts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.planted import bought
from benchmarks.planted.__main__ import clean_variants, planted_variants
from benchmarks.planted.others import run_others
from benchmarks.planted.report import FILE, LINE, MISSED, NO_RULE, Report, outcome_of
from benchmarks.planted.runner import Result, judge
from benchmarks.planted.trees import OPERATORS, REFACTORINGS, Variant, load_goldens
from gonogo.model.finding import Stage
from gonogo.rules.base import all_rules

GOLDENS = {golden.name: golden for golden in load_goldens()}
ROOT = Path(__file__).resolve().parents[1]


def test_there_are_eight_golden_experiments_and_the_one_of_the_tests():
    assert len(GOLDENS) >= 9
    assert "tests/golden" in GOLDENS


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDENS)
def test_nothing_is_found_in_a_golden_experiment(name, composer):
    golden = GOLDENS[name]
    result = judge(Variant(name, "golden", golden.files, golden.plan), composer)
    assert result.findings == ()
    assert result.undecided == ()


@pytest.fixture(scope="module")
def planted():
    """Every defect in every golden tree, made once."""
    return planted_variants(list(GOLDENS.values()), 0)


# Rules of any training program: `benchmarks/methods` plants what they find, in programs of other shapes than the golden experiments'.
METHOD_RULES = ("TRN", "LEK", "REP", "NUM", "NTB", "CLI")
# Rules with tables of variants of their own in the tests: what they find takes several places, which no one edit makes in every golden.
WITH_VARIANTS = {
    "ENV107", "OPT111", "OPT112", "EVA121", "EVA122", "EVA123", "MOD122", "MOD123", "OPT121", "OPT122", "OPT123", "OPT124", "SCI106", "SCI107", "WDB121", "WDB122",
    "IMP121", "IMP122", "IMP123", "IMP124", "IMP125", "OPT125", "OPT126", "OPT127", "SCI108", "SCI121", "SCI122", "SCI123", "SCI124", "SCI125", "SCI127", "SCI128", "TRI121", "TRI122", "TRI123",
    "EVA115", "HYD117", "IMP111", "RUN106", "SCI129", "TRI124", "EVA124", "MOD124", "SCI130", "SCI131", "SCI132",
    "SCI147", "SCI150", "EVA140",
    "EVA131", "EVA132", "EVA133", "EVA134", "EVA135", "EVA136", "EVA137", "EVA138", "EVA139", "SCI141", "SCI142", "SCI143",
    "SCI144", "SCI145", "SCI146", "EVA141",  # of any program: in `benchmarks/methods`
}  # fmt: skip


@pytest.mark.slow
def test_every_static_rule_has_an_operator_that_fits_somewhere(planted):
    rules = [rule for rule in all_rules().values() if not rule.id.startswith(METHOD_RULES) and not rule.preview]
    static = {rule.id for rule in rules if rule.stage in (Stage.CHECK, Stage.COMPOSE)}
    assert static - WITH_VARIANTS <= {variant.rule for variant in planted}


def test_every_operator_changes_a_tree_and_says_where(planted):
    variants = planted
    assert {variant.operator for variant in variants} == {operator.name for operator in OPERATORS}
    for variant in variants:
        assert (variant.files, variant.plan) != (GOLDENS[variant.golden].files, GOLDENS[variant.golden].plan)
        assert not any("§" in text for text in variant.files.values())
        for path, line in variant.places:
            assert line is None or 1 <= line <= len(variant.files[path].split("\n"))


@pytest.mark.slow
def test_the_same_seed_makes_the_same_trees_and_another_one_others():
    goldens = [GOLDENS["modular_digits"]]
    assert planted_variants(goldens, 1) == planted_variants(goldens, 1)
    assert planted_variants(goldens, 1) != planted_variants(goldens, 2)
    assert clean_variants(goldens, 1) == clean_variants(goldens, 1)


@pytest.mark.slow
def test_every_refactoring_fits_and_leaves_code_that_parses():
    variants = clean_variants(list(GOLDENS.values()), 0)
    assert {variant.operator for variant in variants} == {"golden", *(operator.name for operator in REFACTORINGS)}
    for variant in variants:
        for path, text in variant.files.items():
            if path.endswith(".py"):
                ast.parse(text)


@pytest.mark.parametrize(
    ("findings", "outcome"),
    [
        ([("IMP101", "error", "src/a.py", 3, "")], LINE),
        ([("IMP101", "error", "src/a.py", 4, "")], FILE),
        ([("IMP101", "error", "src/b.py", 3, "")], MISSED),
        ([("IMP102", "error", "src/a.py", 3, "")], MISSED),
        ([], MISSED),
    ],
)
def test_only_the_own_rule_at_the_right_place_counts(findings, outcome):
    variant = Variant("x", "IMP101 x", {"src/a.py": ""}, "", "IMP101", (("src/a.py", 3),))
    assert outcome_of(Result(variant, tuple(findings), ())) == outcome


def test_a_rule_that_does_not_exist_is_said_and_not_counted_as_missed():
    report = Report()
    report.add(Result(Variant("x", "XYZ999 x", {}, "", "XYZ999", (("a", 1),)), (), ()))
    assert report.planted["XYZ999"] == {NO_RULE: 1}
    assert report.rows()[1] == ["XYZ999", "1", NO_RULE, "", ""]


@pytest.mark.slow
def test_the_totals_of_a_few_operators_on_one_golden_experiment(composer):
    report = Report()
    golden = GOLDENS["tests/golden"]
    wanted = ("HYD115", "IMP103", "STR102", "WDB107")
    for variant in [*clean_variants([golden], 0)[:1], *planted_variants([golden], 0, wanted)]:
        report.add(judge(variant, composer))
    assert report.clean == {"golden": 1}
    assert report.totals() == {LINE: 9}
    assert report.share() == 1.0
    assert report.elsewhere == []
    assert "| HYD115 | 2 | 2 | 0 | 0 |" in report.as_markdown()
    assert report.as_json()["total"] == {LINE: 9}


def test_ruff_finds_an_undefined_name_and_no_missing_config_key():
    golden = GOLDENS["tests/golden"]
    planted = planted_variants([golden], 0, ("IMP104", "HYD104"))
    found = run_others(["ruff", "no-such-checker"], [Variant(golden.name, "golden", golden.files, golden.plan)], planted)
    assert found["ruff"]["IMP104"] > 0
    assert "HYD104" not in found["ruff"]
    assert "not run" in found["no-such-checker"]


@pytest.mark.slow
def test_the_command_prints_the_table_and_writes_the_report(tmp_path):
    command = [sys.executable, "-m", "benchmarks.planted", "--rules", "STR102", "--repeats", "0", "--output", str(tmp_path / "report.md")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "STR102" in done.stdout
    assert "100.0% of the planted defects" in (tmp_path / "report.md").read_text()


@pytest.mark.slow
def test_every_case_of_experiments_that_do_nothing_can_be_made() -> None:
    made = [case for golden in bought.goldens().values() for case in bought.cases(golden)]
    assert {case.golden for case in made} == {"golden", "transformers_trainer", "lightning_module", "adapted_stream"}
    assert len({(case.golden, case.name) for case in made}) == len(made)
    assert {case.goes for case in made} == {True, False}
    for case in made:
        for path, text in case.files.items():
            if path.endswith(".py"):
                ast.parse(text)
