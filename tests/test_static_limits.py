"""Texts that would take more to read than they are long: memory and processor time stay bounded, and what was not looked at is no GO."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from cli import GONOGO, answered, copy_of
from experiments_of_texts import GOLDEN, GOLDEN_PLAN, experiment_of
from hostile_texts import CASES, PROJECT, RUN, SHARED, TRAIN, Hostile

from gonogo.analysis.python import lint
from gonogo.analysis.python.modules import Module, load_modules
from gonogo.compose.client import Composer
from gonogo.documents import limits
from gonogo.documents.json import parse_json
from gonogo.documents.toml import parse_toml
from gonogo.documents.yaml import parse_yaml
from gonogo.engine import judging
from gonogo.engine.pipeline import check
from gonogo.engine.time_limit import SHORTEST, seconds_for
from gonogo.model import experiment as experiments
from gonogo.model.check_options import LONGEST, CheckOptions
from gonogo.model.errors import StageError, UsageError
from gonogo.model.finding import Severity
from gonogo.model.policy import Ignore, Policy
from gonogo.model.verdict import Outcome, Verdict

LENGTH = 1_900_000
MOST_MEGABYTES, MOST_SECONDS = 600, 60.0
EXTRA = 15  # megabytes beyond what an ordinary experiment takes, for each 100,000 characters that are looked at
# Beyond the limits, and just within them, one after the other: every second pair has every case once.
BOUNDED = [
    (name, length)
    for number, name in enumerate(name for name in CASES if not name.startswith("statements"))
    for length in ((LENGTH, 390_000) if number % 2 else (390_000, LENGTH))
]
LOOK = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime, len(done.stdout)]))
"""


def measured(tree: Path) -> tuple[int, float, float, int]:
    """Exit code, memory of the largest process in MB, processor seconds of all, bytes of the report."""
    command = [sys.executable, "-c", LOOK, *GONOGO, "check", str(tree), "--timeout", "600"]
    code, megabytes, seconds, length = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return code, megabytes, seconds, length


def written(case: Hostile, tree: Path, length: int) -> Path:
    copy_of(GOLDEN, tree, GOLDEN_PLAN)
    path = tree / case.path
    path.write_text((path.read_text() if case.appended else "") + case.text(length))
    return tree


@pytest.mark.slow
@pytest.mark.parametrize(("name", "length"), BOUNDED if os.environ.get("GONOGO_ALL_LIMITS") else BOUNDED[::2])
def test_memory_and_time_are_bounded(name: str, length: int, tmp_path: Path) -> None:
    code, megabytes, seconds, report = measured(written(CASES[name], tmp_path / "tree", length))
    assert code in (0, 1, 3)
    assert megabytes < MOST_MEGABYTES
    assert seconds < MOST_SECONDS
    assert report < 4_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("toml: dotted key", 40_000),
        ("toml: one line", LENGTH),
        ("python: one line of statements", LENGTH),
        ("python: functions", LENGTH),
        ("yaml: wide aliases", LENGTH),
    ],
)
def test_the_worst_take_hardly_more_than_an_ordinary_experiment(name: str, length: int, tmp_path: Path) -> None:
    _, usual, _, _ = measured(copy_of(GOLDEN, tmp_path / "golden", GOLDEN_PLAN))
    _, megabytes, _, report = measured(written(CASES[name], tmp_path / "tree", length))
    assert megabytes < usual + EXTRA * length / 100_000
    assert report < 100_000


def verdict_on(golden: dict[str, str], golden_plan: str, composer: Composer, changes: dict[str, str], **options: object) -> Verdict:
    return check(experiment_of({**golden, **changes}, golden_plan), CheckOptions(timeout=600, **options), composer)  # type: ignore[arg-type]


BEYOND = "# " + "x " * limits.MAX_SYMBOLS  # true of any file: it says nothing
FILES = [TRAIN, "src/main.py", "src/model.py", "src/preprocess.py", "src/evaluate.py", PROJECT, SHARED, RUN]


class TestWhatIsNotLookedAt:
    """A good file that is too long is no fault, and no GO either."""

    @pytest.mark.slow
    @pytest.mark.parametrize("path", FILES)
    @pytest.mark.parametrize("how", ["symbols", "bytes"])
    def test_is_undecided(self, golden: dict[str, str], golden_plan: str, composer: Composer, path: str, how: str) -> None:
        more = BEYOND if how == "symbols" else "# " + "x" * experiments.MAX_TEXT_BYTES
        verdict = verdict_on(golden, golden_plan, composer, {path: f"{golden[path]}\n{more}\n"})
        assert [str(finding.location) + finding.rule for finding in verdict.findings if finding.blocks] == []
        assert verdict.outcome is Outcome.UNDECIDED
        assert any(reason.startswith(f"{path} was not looked at: ") for reason in verdict.undecided)

    @pytest.mark.slow
    def test_is_a_note_where_a_finding_blocks(self, golden: dict[str, str], golden_plan: str, composer: Composer) -> None:
        changes = {
            "src/model.py": f"{golden['src/model.py']}\n{BEYOND}\n",
            SHARED: golden[SHARED].replace("- run: ???", "- run: ???\n  - nosuch: x"),
        }
        verdict = verdict_on(golden, golden_plan, composer, changes)
        assert verdict.outcome is Outcome.NO_GO
        assert any("src/model.py was not looked at" in note for note in verdict.notes)
        assert not any("was not looked at" in reason for reason in verdict.undecided)

    def test_of_modules_that_are_too_many_together(
        self, monkeypatch: pytest.MonkeyPatch, golden: dict[str, str], golden_plan: str, composer: Composer
    ) -> None:
        monkeypatch.setattr("gonogo.analysis.python.modules.MAX_ALL_SYMBOLS", 3000)
        modules = load_modules(experiment_of({f"{folder}m{number}.py": "x = 1\n" * 200 for folder in ("", "a/b/") for number in range(5)}))
        assert [path for path, module in modules.items() if module.fault is None] == ["m0.py", "m1.py", "m2.py", "m3.py", "m4.py"]
        assert all(module.fault is not None and module.fault.is_limit for path, module in modules.items() if path.startswith("a/"))
        verdict = verdict_on(golden, golden_plan, composer, {})
        assert verdict.outcome is Outcome.UNDECIDED
        assert not [finding for finding in verdict.findings if finding.blocks]

    def test_other_tools_yaml_is_not_looked_at_anyway(self, composer: Composer) -> None:
        files = {"main.py": "print(1)\n", "deploy/chart.yaml": BEYOND}
        assert check(experiment_of(files), CheckOptions(), composer).outcome is Outcome.GO

    @pytest.mark.slow
    def test_too_much_altogether_is_said_at_once(self, tmp_path: Path) -> None:
        for number in range(18):
            (tmp_path / f"m{number}.py").write_text("#" + "x" * 1_900_000)
        with pytest.raises(UsageError, match="more than 32 MB of sources"):
            experiments.load(str(tmp_path))


class TestParsers:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (".".join("a" * 17) + " = 1", "key of more than 16 parts"),
            ("[" + " . ".join("a" * 17) + "]", "key of more than 16 parts"),
            (".".join(['"a b"', "'c'"] * 9) + " = 1", "key of more than 16 parts"),
            ("a = " + "[" * 101 + "]" * 101, "nested more than 100"),
            ("a = " + "{b=[" * 51 + "]}" * 51, "nested more than 100"),
            ("a = [" + "1," * limits.MAX_SYMBOLS + "]", "200,000 words and signs"),
            ("a = '" + "a" * limits.MAX_CHARACTERS + "'", "2,000,000 characters"),
        ],
    )
    def test_toml_beyond_the_limits(self, text: str, said: str) -> None:
        error = parse_toml(text).error
        assert error is not None
        assert error.is_limit
        assert said in error.message

    @pytest.mark.parametrize(
        "text",
        [
            ".".join("a" * 15) + " = 1",
            'a = "' + ".".join("a" * 50) + '"',
            "a = '''\n" + ".".join("a" * 50) + "\n" + "[" * 200 + "'''",
            'a = """\\"' + "[" * 200 + '"""',
            "# " + ".".join("a" * 50) + "[" * 200,
            "a = [" + "[1.5, 2.5, 3.5]," * 300 + "]",
            "a = " + "[" * 99 + "]" * 99,
            'a = "' + "[" * 200 + '\\"' + '"',
        ],
    )
    def test_toml_within_them(self, text: str) -> None:
        assert parse_toml(text).error is None

    def test_yaml_beyond_them(self) -> None:
        for text in ("x: " + "[" * 101 + "]" * 101, "- a\n" * limits.MAX_SYMBOLS, "a: &a [x, x]\n" + "b: '" + "${a}" * 300 + "'", BEYOND):
            error = parse_yaml(text).error
            assert error is not None
            assert error.is_limit
        recursive = parse_yaml("a: &a [*a]").error
        assert recursive is not None
        assert not recursive.is_limit

    @pytest.mark.parametrize(
        "text",
        [
            "[" + "1," * limits.MAX_SYMBOLS + "1]",
            "{" + ",".join(f'"{n}":{{}}' for n in range(120_000)) + "}",
            '["' + "\\" * 100 + '",' + "[]," * 200_001 + "1]",
        ],
    )
    def test_json_of_too_many_values(self, text: str) -> None:
        with pytest.raises(ValueError, match="more than 200,000 values"):
            parse_json(text)

    def test_json_with_long_texts(self) -> None:
        data = {"main_py": 'x = [1, 2, {3: 4}]  # "quoted" \\\n' * 50_000}
        assert parse_json(json.dumps(data)) == data

    def test_columns_of_long_lines_are_counted_right(self) -> None:
        line = "é = 'ä'; " * 50 + "name = missing"
        module = Module("a.py", line + "\n")
        node = next(node for node in module.named["missing"])
        assert module.location(node).column == line.index("missing") + 1
        assert module.bytes_before(1, line.index("missing")) == node.col_offset

    @pytest.mark.parametrize("text", ["x = 1\f\ny = 2\n", "x = '\u2028'\ny = 2\n", "x = '\x1c'\r\ny = 2\r\n", "x = 1\ry = 2\r"])
    def test_lines_are_those_of_python(self, text: str) -> None:
        module = Module("a.py", text)
        (node,) = module.named["y"]
        assert module.lines[node.lineno - 1] == "y = 2"


class TestFindings:
    def test_of_one_rule_are_kept_up_to_a_number(
        self, monkeypatch: pytest.MonkeyPatch, golden: dict[str, str], golden_plan: str, composer: Composer
    ) -> None:
        monkeypatch.setattr(judging, "MOST_FINDINGS", 20)
        monkeypatch.setattr("gonogo.engine.silence.MOST_FINDINGS", 20)
        changes = {"src/model.py": golden["src/model.py"] + "".join(f"\n\ndef f{number}():\n    return 1\n" for number in range(50))}
        verdict = verdict_on(golden, golden_plan, composer, changes)
        assert sum(finding.rule == "IMP107" for finding in verdict.findings) == 20
        assert "IMP107: 30 findings beyond the first 20 are not listed" in verdict.notes
        assert verdict.outcome is Outcome.GO

    @pytest.mark.slow
    def test_beyond_it_are_not_forgotten(
        self, monkeypatch: pytest.MonkeyPatch, golden: dict[str, str], golden_plan: str, composer: Composer
    ) -> None:
        """The policy excuses those that are listed, one by one; of the others it was not asked."""
        monkeypatch.setattr(judging, "MOST_FINDINGS", 20)
        monkeypatch.setattr("gonogo.engine.silence.MOST_FINDINGS", 20)
        body = "".join(f"    missing_{number}()\n" for number in range(50))
        changes = {"src/model.py": f"{golden['src/model.py']}\n\ndef f():\n{body}"}

        def judged(*ignored: Ignore, **severity: Severity) -> Outcome:
            policy = Policy(ignore=list(ignored), severity=severity)
            return verdict_on(golden, golden_plan, composer, changes, policy=policy, ignore=("IMP107",)).outcome

        assert judged() is Outcome.NO_GO
        assert judged(Ignore(rules=["IMP104"], reason="x", path="src/model.py")) is Outcome.UNDECIDED
        assert judged(Ignore(rules=["IMP104"], reason="x")) is Outcome.GO
        assert judged(IMP104=Severity.WARNING) is Outcome.GO

    def test_with_long_names_are_cut(self, golden: dict[str, str], golden_plan: str, composer: Composer) -> None:
        verdict = verdict_on(golden, golden_plan, composer, {"src/model.py": golden["src/model.py"] + f"\n\nx = {'n' * 100_000}\n"})
        assert len(verdict.model_dump_json()) < 100_000
        assert verdict.outcome is Outcome.NO_GO

    def test_of_ruff_beyond_a_number_leave_it_undecided(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "a.py").write_text("".join(f"n{number}\n" for number in range(30)))
        assert len(lint.run_ruff(tmp_path, ["a.py"], None)) == 30
        monkeypatch.setattr(lint, "MOST_COMPLAINTS", 10)
        with pytest.raises(StageError, match="ruff has more than 10 complaints"):
            lint.run_ruff(tmp_path, ["a.py"], None)

    def test_ruff_that_comes_to_no_end(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        sleeper = tmp_path / "ruff"
        sleeper.write_text("#!/bin/sh\nexec sleep 600\n")
        sleeper.chmod(0o755)
        (tmp_path / "a.py").write_text("x = 1\n")
        monkeypatch.setattr(lint, "_binary", lambda: str(sleeper))
        monkeypatch.setattr(lint, "TIMEOUT", 0.2)
        with pytest.raises(StageError, match=r"ruff took more than 0\.2 s"):
            lint.run_ruff(tmp_path, ["a.py"], None)


@pytest.mark.slow
def test_a_process_that_needs_too_much_memory_is_undecided(tmp_path: Path) -> None:
    """The limit of the process itself, beneath all others."""
    tree = copy_of(GOLDEN, tmp_path / "tree", GOLDEN_PLAN)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (600 << 20, hard))

    (tree / "src/model.py").write_text((tree / "src/model.py").read_text() + "\nx = [" + "1," * 90_000 + "1]\n")
    done = subprocess.run([*GONOGO, "check", tree, "--format", "json"], capture_output=True, preexec_fn=little, check=False)
    assert done.returncode in (0, 3)
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
def test_no_report_is_longer_than_it_can_be_read(tmp_path: Path) -> None:
    tree = written(CASES["python: functions"], tmp_path / "tree", 100_000)
    formats = ("full", "json", "agent")
    answered("check", tree, *(part for name in formats for part in ("--output", f"{name}={tmp_path / name}")))
    for name in formats:
        assert 0 < (tmp_path / name).stat().st_size < 2_500_000
    assert (tree / TRAIN).stat().st_size > 90_000


def test_a_big_tree_has_more_time(golden: dict[str, str]) -> None:
    assert seconds_for(experiment_of(golden)) == SHORTEST
    many = {f"configs/{number}.yaml": "a: 1\n" for number in range(2_000)}
    assert (
        SHORTEST
        < seconds_for(experiment_of(golden | many))
        < seconds_for(experiment_of(golden | many | {f"x/{n}.py": "" for n in range(900)}))
    )
    assert seconds_for(experiment_of({f"{number}.yaml": "" for number in range(9_000)})) == LONGEST
    long = {f"{number}.py": "x = 1\n" * 10_000 for number in range(30)}  # few files, much in them
    assert SHORTEST < seconds_for(experiment_of(long)) < seconds_for(experiment_of(long | {"more.py": "x = 1\n" * 10_000})) < LONGEST


@pytest.mark.slow
def test_what_is_left_is_not_read_when_the_time_is_up(golden: dict[str, str], golden_plan: str, composer: Composer) -> None:
    many = {f"config/more/{number}.yaml": "\n".join(f"key{line}: {line}" for line in range(400)) for number in range(1_500)}
    deep = {"config/deep.yaml": "[" * 500 + "]" * 500}
    verdict = check(experiment_of(golden | many | deep, golden_plan), CheckOptions(timeout=0.5), composer)
    assert [reason for reason in verdict.undecided if "--timeout" in reason]
    assert not [reason for reason in (*verdict.undecided, *verdict.notes) if "deep.yaml" in reason]
    assert verdict.outcome is not Outcome.GO
