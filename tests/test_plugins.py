"""A package of somebody else's adds a rule, a fact, a contract, a format and an executor, without a change to gonogo."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
MODULES = {
    "rules.py": '''
        """House rules."""

        from gonogo.model.contract import Scope
        from gonogo.model.finding import Severity, Stage
        from gonogo.rules.base import Violation, at, rule


        @rule("ZZZ101", "too-many-lines", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
        def too_many_lines(line_counts):
            """A file is long."""
            for path, count in line_counts.items():
                if path.endswith("train.py"):
                    yield Violation(at(path), f"the file has {count} lines", "split it")
    ''',
    "facts.py": '''
        """House facts."""

        from gonogo.engine.facts import fact


        @fact
        def line_counts(modules):
            """Lines by path."""
            return {path: len(module.lines) for path, module in modules.items()}
    ''',
    "count.py": '''
        """A format."""

        from gonogo.report.formats import Format


        class Writer:
            def __init__(self, target):
                self.stream, self.count = target.stream, 0

            def add(self, verdict, sources):
                self.count += len(verdict.findings)

            def finish(self, seconds):
                print(f"{self.count} findings", file=self.stream)


        FORMAT = Format("how many findings", Writer)
    ''',
    "nowhere.py": '''
        """An executor."""

        from gonogo.launch.job import Event


        class Nowhere:
            def run(self, jobs):
                for job in jobs:
                    yield Event(job.label, "failed", reason="nowhere to run")


        def make(options):
            options.refuse(address=True, parameters=True)
            return Nowhere()
    ''',
    "__init__.py": "",
    "house.toml": 'name = "house"\ntitle = "what this house wants"\nscope = "hydra"\nrules = ["ZZZ"]\n[entries]\nrun_groups = []\nmax_runs = 4\n',
}
ENTRY_POINTS = """
[gonogo.rules]
house = house_rules.rules
[gonogo.facts]
house = house_rules.facts
[gonogo.contracts]
house = house_rules
[gonogo.formats]
count = house_rules.count
[gonogo.executors]
nowhere = house_rules.nowhere
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment with gonogo and the package."""
    folder = tmp_path_factory.mktemp("house")
    venv.create(folder, with_pip=False)
    site = next((folder / "lib").glob("python*/site-packages"))
    (site / "ours.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    for name, text in MODULES.items():
        target = site / "house_rules" / name
        target.parent.mkdir(exist_ok=True)
        lines = text.split("\n")
        target.write_text("\n".join(line.removeprefix("        ") for line in lines))
    info = site / "house_rules-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: house-rules\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return str(folder / "bin" / "python")


def run(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run gonogo in that environment."""
    return subprocess.run([python, "-m", "gonogo", *arguments], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_a_rule_asks_for_a_fact_in_a_format(python: str) -> None:
    result = run(python, "check", str(GOLDEN), "--select", "ZZZ101", "--format", "count")
    assert result.stdout == "1 findings\n", result.stderr


@pytest.mark.slow
def test_a_contract(python: str) -> None:
    assert "house: what this house wants" in run(python, "contracts").stdout
    result = run(python, "check", str(GOLDEN), "--contract", "house", "--format", "json")
    assert [finding["rule"] for finding in json.loads(result.stdout)["findings"]] == ["ZZZ101"]


@pytest.mark.slow
def test_an_executor_is_known(python: str, tmp_path: Path) -> None:
    result = run(python, "launch", str(GOLDEN), "--on", "nowhere", "--address", "here")
    assert result.returncode == 2
    assert "--address is a Ray cluster's" in result.stderr
    assert "nowhere" in run(python, "launch", str(GOLDEN), "--on", "elsewhere").stderr


@pytest.mark.slow
def test_without_the_package_there_is_none_of_it() -> None:
    assert "ZZZ101" not in run(sys.executable, "rules").stdout
