"""Experiments that do nothing and should not be GO, strange ones that work and should be: judge them, and say which are taken for the other.

    uv run --all-packages python -m benchmarks.planted.bought [--to rehearsal] [--goldens golden,lightning_module] [--only "labels"] [--output report.md]

Each case is a change to a golden experiment (`bought/<golden>.toml`; `strange/<golden>.toml` has strange ones alone, for `--to compose`).
Two of these are the golden experiment of the tests in the shape of another library (`frameworks/`), whose packages are installed for the
sandbox at the first run. Cases are judged one after the other, up to the stage that is named: `check` and `compose` take seconds for all, `rehearsal` half a minute each, `challenge` two minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.planted.trees import ROOT, Golden, load, load_goldens
from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model import plan as plans
from gonogo.model.check_options import CheckOptions
from gonogo.model.experiment import Experiment, SourceFile
from gonogo.model.finding import Stage
from gonogo.model.options import ExecutionOptions
from gonogo.model.verdict import Outcome, Verdict

HERE = Path(__file__).parent
TABLES = ("bought", "strange")  # in the second, all are to be GO
PLAN = "plan.yaml"  # what an edit calls the plan


@dataclass(frozen=True)
class Case:
    """A changed golden experiment, and whether it is to be GO."""

    name: str
    golden: str
    goes: bool
    files: dict[str, str]
    plan: str


def goldens() -> dict[str, Golden]:
    """The golden experiments by the name of their folder; those of another library lie over the one of the tests."""
    found = {golden.name.removeprefix("tests/"): golden for golden in load_goldens()}
    for plan in sorted((HERE / "frameworks").glob("*.plan.yaml")):
        golden = load(plan)
        found[golden.name] = Golden(golden.name, {**found["golden"].files, **golden.files}, golden.plan)
    return found


def cases(golden: Golden) -> Iterator[Case]:
    """The cases of a golden experiment.

    Raises:
        ValueError: a text that a case replaces is not in its file.
    """
    name = golden.name.removeprefix("tests/")
    for path in (HERE / table / f"{name}.toml" for table in TABLES):
        for case in tomllib.loads(path.read_text("utf-8"))["case"] if path.exists() else ():
            files = {**golden.files, PLAN: golden.plan}
            for edit in case["edit"]:
                if edit["old"] not in files[edit["file"]]:
                    raise ValueError(f"{path.relative_to(ROOT)}: {case['name']}: {edit['file']} has no {edit['old']!r}")
                files[edit["file"]] = files[edit["file"]].replace(edit["old"], edit["new"], 1)
            yield Case(case["name"], name, case["goes"], files, files.pop(PLAN))


def judge(case: Case, to: Stage) -> Verdict:
    """The verdict on a case, from all rules."""
    files = {path: SourceFile(path, text) for path, text in case.files.items()}
    experiment = Experiment(case.golden, files, plans.parse(case.plan, PLAN))
    with Composer() as composer:
        return check(experiment, CheckOptions(to=to, execution=ExecutionOptions(run_timeout=300)), composer)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Stage, default=Stage.CHALLENGE)
    parser.add_argument("--goldens", default="", help="names with commas between them; all without it")
    parser.add_argument("--only", default="", help="cases with this in their names")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    chosen = {name: golden for name, golden in goldens().items() if not given.goldens or name in given.goldens.split(",")}
    lines = ["| case | golden | should be | outcome | why | seconds |", "|---|---|---|---|---|---|"]
    right = {True: [0, 0], False: [0, 0]}
    for case in (case for golden in chosen.values() for case in cases(golden) if given.only in case.name):
        started = time.perf_counter()
        verdict = judge(case, given.to)
        went = verdict.outcome is Outcome.GO
        right[case.goes][0] += went is case.goes
        right[case.goes][1] += 1
        loud = [
            f"{each.rule} {each.location}{'' if each.blocks else ' (warning)'}"
            for each in verdict.findings
            if each.severity.value != "info"
        ]
        why = "; ".join([*loud[:3], *verdict.undecided[:1]]).replace("|", "/")[:200]
        wanted = "GO" if case.goes else "not GO"
        wrong = "" if went is case.goes else " **wrong**"
        lines.append(
            f"| {case.name} | {case.golden} | {wanted} | {verdict.outcome.name}{wrong} | {why} | {time.perf_counter() - started:.0f} |"
        )
        print(lines[-1], flush=True)
    lines += ["", f"Stopped: {right[False][0]} of {right[False][1]} that do nothing. GO: {right[True][0]} of {right[True][1]} that work."]
    print(lines[-1])
    if given.output is not None:
        given.output.write_text("\n".join(lines) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
