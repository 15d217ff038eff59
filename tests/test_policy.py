"""What a caller lets pass: policies, baselines, comments; and that nothing disappears."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli import answered, copy_of, gonogo
from experiments_of_texts import GOLDEN, GOLDEN_PLAN, experiment_of
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.analysis.python.ignores import find_ignores
from gonogo.engine.pipeline import check
from gonogo.engine.policy import load_baseline, load_policy
from gonogo.model.check_options import CheckOptions
from gonogo.model.errors import GonogoError
from gonogo.model.policy import Baseline, BaselineEntry, Policy
from gonogo.rules.base import all_rules

WRONG = '"momentum": cfg.training.momentum,'
REASON = "the launcher adds it"


@pytest.fixture
def wrong(tmp_path) -> Path:
    """The golden experiment with one unknown key and one key that nothing reads."""
    tree = copy_of(GOLDEN, tmp_path / "wrong", GOLDEN_PLAN)
    edit(tree / "src/train.py", '"momentum": cfg.run.training.momentum,', WRONG)
    return tree


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def judged(*arguments: str | Path, code: int) -> dict:
    result = answered("check", *arguments, "--format", "json")
    assert result.returncode == code, result.stderr
    return json.loads(result.stdout)


def ids(findings: list[dict]) -> list[str]:
    return [finding["rule"] for finding in findings]


# -- comments on the line -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_comment_counts_only_where_the_repository_is_trusted(wrong):
    edit(wrong / "src/train.py", WRONG, f"{WRONG}  # gonogo: ignore[HYD104] {REASON}")
    verdict = judged(wrong, code=1)
    assert (ids(verdict["findings"]), verdict["suppressed"]) == (["HYD104"], [])
    assert any("not followed: 1" in note for note in verdict["notes"])

    verdict = judged(wrong, "--trust-repo", code=0)
    assert verdict["findings"] == []
    (entry,) = verdict["suppressed"]
    assert (entry["finding"]["rule"], entry["finding"]["severity"]) == ("HYD104", "error")
    assert (entry["by"], entry["where"], entry["reason"]) == ("inline", f"src/train.py:{entry['finding']['location']['line']}", REASON)


@pytest.mark.slow
def test_what_is_suppressed_is_printed(wrong):
    edit(wrong / "src/train.py", WRONG, f"{WRONG}  # gonogo: ignore[unknown-config-key] {REASON}")
    text = answered("check", wrong, "--trust-repo").stdout
    assert "suppressed: 1 finding" in text
    assert "error HYD104 unknown-config-key" in text
    assert f"inline, src/train.py:22: {REASON}" in text
    assert "1 suppressed, in" in text


@pytest.mark.slow
@pytest.mark.parametrize("comment", ["ignore[HYD104]", "ignore[XYZ104] why", "ignore all of this", "ignore[] why"])
def test_a_comment_that_is_none_excuses_nothing_and_is_reported(wrong, comment):
    edit(wrong / "src/train.py", WRONG, f"{WRONG}  # gonogo: {comment}")
    verdict = judged(wrong, "--trust-repo", code=1)
    assert (ids(verdict["findings"]), verdict["suppressed"]) == (["HYD104", "POL101"], [])


@pytest.mark.slow
def test_a_comment_speaks_of_its_own_line_and_rule_only(wrong):
    edit(wrong / "src/train.py", WRONG, f"# gonogo: ignore[HYD104] above\n        {WRONG}  # gonogo: ignore[HYD107] another rule")
    verdict = judged(wrong, "--trust-repo", code=1)
    assert ids(verdict["findings"]) == ["HYD104"]
    assert any("excuse nothing any more: src/train.py:22, src/train.py:23" in note for note in verdict["notes"])


@pytest.mark.slow
def test_a_comment_cannot_excuse_itself(wrong):
    edit(wrong / "src/train.py", WRONG, f"{WRONG}  # gonogo: ignore[POL101,NOPE] so there")
    assert ids(judged(wrong, "--trust-repo", code=1)["findings"]) == ["HYD104", "POL101"]


@pytest.mark.slow
def test_comments_in_yaml_and_toml(tmp_path):
    tree = copy_of(GOLDEN, tmp_path / "x", GOLDEN_PLAN)
    edit(
        tree / "config/run/proposed-mlp-digits.yaml",
        "  dropout: 0.1",
        "  dropout: 0.1\n  pretrained_checkpoint: a.pt  # gonogo: ignore[HYD105] to come",
    )
    edit(tree / "pyproject.toml", '    "torch>=2.4",', '    "torch^2.4",  # gonogo: ignore[ENV101] a mirror understands it')
    verdict = judged(tree, "--trust-repo", code=0)
    assert {(entry["finding"]["rule"], entry["reason"]) for entry in verdict["suppressed"]} == {
        ("HYD105", "to come"),
        ("ENV101", "a mirror understands it"),
    }


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("a.py", 'x = "# gonogo: ignore[HYD104] why"', 0),
        ("a.py", "x = 1  #gonogo:ignore[HYD104]: why", 1),
        ("a.py", "'''\n# gonogo: ignore[HYD104] why\n'''", 0),
        ("a.yaml", "a: '# gonogo: ignore[HYD104] why'", 0),
        ("a.yaml", "a: |\n  # gonogo: ignore[HYD104] why\nb: 1", 0),
        ("a.yaml", "a: b#gonogo: ignore[HYD104] why", 0),
        ("a.yaml", "a: x  # gonogo: ignore[HYD104] why\r\nb: 1", 1),
        ("a.yaml", "# gonogo: ignore[HYD104] why", 1),
        ("a.yaml", 'a: "b\n# gonogo: ignore[HYD104] why', 0),
        ("a.toml", 'a = "# gonogo: ignore[HYD104] why"', 0),
        ("a.toml", "a = '''\n# gonogo: ignore[HYD104] why\n'''", 0),
        ("a.toml", 'a = "\\"#"  # gonogo: ignore[HYD104] why', 1),
        ("a.txt", "# gonogo: ignore[HYD104] why", 0),
    ],
)
def test_only_comments_are_comments(path, text, found):
    ignores = find_ignores(path, text)
    assert len(ignores) == found
    assert all((entry.rules, entry.reason) == (("HYD104",), "why") for entry in ignores)


PIECES = st.sampled_from(
    [
        "# gonogo: ignore",
        "[",
        "]",
        "HYD104",
        ",",
        '"',
        "'",
        '"""',
        "\n",
        "  ",
        "a: ",
        "- ",
        "|",
        "é",
        "\r",
        "#",
        "why",
        "{",
        "\\",
        "\t",
        "\0",
    ]
)


KNOWN = {rule.id for rule in all_rules().values()}


@settings(deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join), st.sampled_from(["a.py", "a.yaml", "a.toml"]))
def test_any_text_can_be_searched_for_comments(text, path):
    for entry in find_ignores(path, text):
        assert entry.location.line is not None
        line = text.split("\n")[entry.location.line - 1]
        assert "gonogo: ignore" in line
        assert entry.problem(KNOWN) is None or not entry.reason or set(entry.rules) != {"HYD104"}


# -- policies -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_policy_ignores_with_a_reason(wrong, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[[ignore]]\nrules = ["HYD"]\npath = "src/*.py"\nreason = "{REASON}"\n')
    verdict = judged(wrong, "--config", policy, code=0)
    (entry,) = verdict["suppressed"]
    assert (entry["by"], entry["where"], entry["reason"]) == ("config", str(policy), REASON)
    policy.write_text(policy.read_text().replace("src/*.py", "config/*"))
    assert judged(wrong, "--config", policy, code=1)["suppressed"] == []


@pytest.mark.slow
def test_a_policy_changes_severities_and_says_so(wrong, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text('[severity]\nHYD104 = "warning"\n')
    verdict = judged(wrong, "--config", policy, code=0)
    (finding,) = verdict["findings"]
    assert (finding["severity"], finding["severity_by_rule"]) == ("warning", "error")
    assert any("changes severities: HYD104 = warning" in note for note in verdict["notes"])
    assert "(error by its rule)" in answered("check", wrong, "--config", policy).stdout


@pytest.mark.slow
def test_a_policy_selects_and_chooses_the_contract(wrong, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text('contract = "generic"\nselect = ["IMP"]\n')
    verdict = judged(wrong, "--config", policy, code=0)
    assert (verdict["contract"], verdict["findings"]) == ("generic", [])
    assert "Only these rules ran: IMP." in verdict["notes"]
    verdict = judged(wrong, "--config", policy, "--contract", "trial-mode", "--select", "HYD104", code=1)
    assert (verdict["contract"], ids(verdict["findings"])) == ("trial-mode", ["HYD104"])


@pytest.mark.slow
def test_the_users_own_policy_is_used_and_named(wrong, tmp_path):
    home = tmp_path / "settings"
    (home / "gonogo").mkdir(parents=True)
    (home / "gonogo/config.toml").write_text('[severity]\nHYD104 = "info"\n')
    result = gonogo("check", wrong, "--format", "json", XDG_CONFIG_HOME=str(home))
    assert result.returncode == 0
    assert any(str(home) in note for note in json.loads(result.stdout)["notes"])


@pytest.mark.slow
def test_the_repositorys_policy_counts_only_where_it_is_trusted(wrong):
    pyproject = wrong / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + f'\n[[tool.gonogo.ignore]]\nrules = ["HYD104"]\nreason = "{REASON}"\n')
    verdict = judged(wrong, code=1)
    assert any("[tool.gonogo] was not followed" in note for note in verdict["notes"])
    (entry,) = judged(wrong, "--trust-repo", code=0)["suppressed"]
    assert (entry["by"], entry["where"], entry["reason"]) == ("repository", "pyproject.toml", REASON)


def test_the_callers_word_comes_before_the_repositorys(wrong, tmp_path):
    pyproject = wrong / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + '\n[tool.gonogo]\nselect = ["STR"]\nseverity = {HYD104 = "info"}\n')
    policy = tmp_path / "policy.toml"
    policy.write_text('select = ["HYD104"]\n[severity]\nHYD104 = "error"\n')
    assert ids(judged(wrong, "--trust-repo", "--config", policy, code=1)["findings"]) == ["HYD104"]
    assert judged(wrong, "--trust-repo", code=0)["findings"] == []


@pytest.mark.slow
def test_what_hides_that_nothing_was_looked_at_is_not_go(tmp_path):
    """An excuse for the missing program is none for never having composed a run."""
    tree = copy_of(GOLDEN, tmp_path / "x")
    for path in (tree / "config/run").glob("*.yaml"):
        path.unlink()
    policy = tmp_path / "policy.toml"
    policy.write_text('[[ignore]]\nrules = ["RUN", "STR", "HYD", "IMP", "DAT", "OPT", "EVA", "ENV", "TRI"]\nreason = "all is well"\n')
    verdict = judged(tree, "--config", policy, code=3)
    assert "there is no run to compose" in verdict["code_issue"]


BAD_POLICIES = {
    "no TOML": "a = [",
    "an ignore without a reason": '[[ignore]]\nrules = ["HYD104"]\n',
    "an ignore with an empty reason": '[[ignore]]\nrules = ["HYD104"]\nreason = "  "\n',
    "an ignore of nothing": '[[ignore]]\nrules = []\nreason = "x"\n',
    "an unknown rule": '[[ignore]]\nrules = ["XYZ1"]\nreason = "x"\n',
    "an unknown severity": '[severity]\nHYD104 = "fatal"\n',
    "an unknown rule's severity": '[severity]\nNOPE = "info"\n',
    "an unknown key": "surprise = 1\n",
    "a place of its own": 'where = "elsewhere"\n',
    "an unknown contract": 'contract = "nope"\n',
}


@pytest.mark.parametrize("text", BAD_POLICIES.values(), ids=BAD_POLICIES.keys())
def test_policies_that_are_none(tmp_path, text):
    policy = tmp_path / "policy.toml"
    policy.write_text(text)
    result = answered("check", GOLDEN, "--config", policy)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("gonogo: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_repositorys_policy_that_is_none(wrong):
    pyproject = wrong / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + "\n[tool.gonogo]\nsurprise = 1\n")
    assert answered("check", wrong).returncode == 1
    result = answered("check", wrong, "--trust-repo")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "[tool.gonogo] in the experiment's pyproject.toml is not valid at surprise" in result.stderr


# -- baselines ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_baseline_excuses_what_was_there_and_nothing_else(wrong, tmp_path):
    baseline = tmp_path / "baseline.json"
    result = answered("check", wrong, "--write-baseline", baseline)
    assert result.returncode == 1
    assert f"1 finding written to {baseline}" in result.stderr
    verdict = judged(wrong, "--baseline", baseline, code=0)
    (entry,) = verdict["suppressed"]
    assert (entry["by"], entry["where"], entry["finding"]["rule"]) == ("baseline", str(baseline), "HYD104")

    train = wrong / "src/train.py"
    train.write_text("# one more line above\n" + train.read_text())
    assert len(judged(wrong, "--baseline", baseline, code=0)["suppressed"]) == 1
    edit(train, '"learning_rate": cfg.run.training.learning_rate,', '"learning_rate": cfg.run.training.rate,')
    verdict = judged(wrong, "--baseline", baseline, code=1)
    assert [finding["rule"] for finding in verdict["findings"] if finding["severity"] == "error"] == ["HYD104"]
    assert "`cfg.run.training.rate`" in verdict["code_issue"]
    assert len(verdict["suppressed"]) == 1


def test_one_entry_excuses_one_finding(composer, golden):
    text = golden["src/train.py"].replace("    run.finish()", "    undefined_one\n    undefined_one\n    run.finish()")
    experiment = experiment_of({**golden, "src/train.py": text})
    found = check(experiment, CheckOptions(select=("IMP104",)), composer).findings
    assert len(found) == 2
    assert len({finding.fingerprint for finding in found}) == 1
    entry = BaselineEntry(fingerprint=found[0].fingerprint, rule="IMP104", path="src/train.py")
    verdict = check(experiment, CheckOptions(select=("IMP104",), baseline=Baseline(findings=[entry])), composer)
    assert (len(verdict.findings), len(verdict.suppressed)) == (1, 1)


@pytest.mark.slow
def test_an_entry_that_matches_nothing_is_said(wrong, tmp_path):
    baseline = tmp_path / "baseline.json"
    answered("check", wrong, "--write-baseline", baseline)
    edit(wrong / "src/train.py", WRONG, '"momentum": cfg.run.training.momentum,')
    verdict = judged(wrong, "--baseline", baseline, code=0)
    assert any("match nothing any more: src/train.py [HYD104]" in note for note in verdict["notes"])
    verdict = judged(wrong, "--baseline", baseline, "--select", "IMP", code=0)
    assert not any("match nothing" in note for note in verdict["notes"])


@pytest.mark.slow
def test_a_baseline_is_renewed(wrong, tmp_path):
    baseline = tmp_path / "baseline.json"
    answered("check", wrong, "--write-baseline", baseline)
    first = baseline.read_text()
    answered("check", wrong, "--baseline", baseline, "--write-baseline", baseline)
    assert baseline.read_text() == first


def test_no_baseline_of_what_was_not_checked(tmp_path):
    tree = copy_of(GOLDEN, tmp_path / "far", GOLDEN_PLAN)
    (tree / "config/config.yaml").write_text((tree / "config/config.yaml").read_text() + "\nhydra:\n  searchpath: [file:///etc]\n")
    result = answered("check", tree, "--write-baseline", tmp_path / "b.json")
    assert "No baseline was written" in result.stderr
    assert not (tmp_path / "b.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--baseline", "nope.json"], "can't be read"),
        (["--config", "nope.toml"], "can't be read"),
        (["--baseline", GOLDEN], "is no file"),
        (["--config", "/dev/null/x"], "can't be read"),
        (["--write-baseline", "/no/such/folder/b.json"], "can't be written"),
        ([GOLDEN, "--write-baseline", "b.json"], "belongs to one experiment"),
    ],
)
def test_wrong_use(tmp_path, arguments, sentence):
    result = gonogo("check", GOLDEN, *arguments, cwd=tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert sentence in result.stderr


BAD_BASELINES = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "no findings": b"{}",
    "another version": b'{"schema_version": 2, "findings": []}',
    "an entry without fingerprint": b'{"findings": [{"rule": "HYD104", "path": "x"}]}',
    "more than a baseline": b'{"findings": [], "verdict": "GO"}',
    "no text": b"\xff\xfe",
    "deep": b'{"findings": ' + b"[" * 50_000,
}


@pytest.mark.parametrize("data", BAD_BASELINES.values(), ids=BAD_BASELINES.keys())
def test_baselines_that_are_none(tmp_path, data):
    (tmp_path / "b.json").write_bytes(data)
    result = answered("check", GOLDEN, "--baseline", tmp_path / "b.json")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert f"The baseline {tmp_path / 'b.json'} is not valid at" in result.stderr


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["findings", "fingerprint", "rule", "path", "ignore", "reason", "rules", "severity"]), inner, max_size=4), max_leaves=12)  # fmt: skip


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("scratch") / "file"


@settings(deadline=None)
@given(JSON)
def test_a_baseline_is_read_or_refused_in_a_sentence(scratch, data):
    scratch.write_text(json.dumps(data))
    try:
        assert isinstance(load_baseline(str(scratch)), Baseline)
    except GonogoError as error:
        assert str(error).startswith("The baseline ")


@settings(deadline=None)
@given(st.binary(max_size=80) | st.text(alphabet='[]={}"\nignoreseverity.HYD104reason', max_size=60).map(str.encode))
def test_a_policy_is_read_or_refused_in_a_sentence(scratch, data):
    scratch.write_bytes(data)
    try:
        assert isinstance(load_policy(str(scratch)), Policy)
    except GonogoError as error:
        assert str(error).startswith("The policy ")
