"""What the trial finds on real experiments that somebody has labelled, and how long it takes.

    uv run python -m benchmarks.dynamic TREES LABELS.jsonl [--python ENV] [--only PART …] [--seconds 600] [--readings readings.toml]

TREES and LABELS are those of `benchmarks.real`. Each experiment runs in the sandbox, whatever the static stages found (`--keep-going`): the
first of its runs, in one environment for all. A finding of the trial that is near a label counts as found; any other has to be read, and
one that is near may still be wrong: READINGS is a TOML table of `case_id = "true"` or `"false"`, which goes before. A case without a
decided finding is undecided, or missed where a label says that its trial fails of what a trial can see. `--keep` keeps the verdicts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.real.__main__ import read_labels
from benchmarks.real.matching import is_about

STAGES = ("trial", "rehearsal")
FOUND, TRUE, FALSE, UNREAD = "found", "other, true", "false", "unread"
UNDECIDED, MISSED, CLEAN, NO_RUN = "undecided", "missed", "clean", "no run"
# Failures of the network, of an account or of making the environment, on the machine where it ran: a trial in one that is given has none.
ELSEWHERE = ("dataset_download_failed", "hf_resource_gated", "invalid_pyproject")


@dataclass(frozen=True)
class Row:
    """One case: what came of it, in seconds, and what was said."""

    case: str
    result: str
    seconds: float
    said: str


def check(tree: Path, options: argparse.Namespace) -> tuple[dict[str, Any] | None, float]:
    """The verdict of the real command on the first run of an experiment, None where there is none, and its seconds.

    Args:
        tree: the experiment.
        options: the environment, the limit of a run, and the folder that keeps what the command said.
    """
    runs = sorted(path.stem for folder in ("run", "runs") for path in (tree / "config" / folder).glob("*.yaml"))
    command = [sys.executable, "-m", "gonogo", "check", str(tree), "--to", "trial", "--keep-going", "--format", "json"]
    command += ["--python", str(options.python), "--run-timeout", str(options.run_timeout), *(["--runs", runs[0]] if runs else [])]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        (options.keep / f"{tree.name}.json").write_text(done.stdout, "utf-8")
        (options.keep / f"{tree.name}.txt").write_text(done.stderr, "utf-8")
    try:
        return json.loads(done.stdout), seconds
    except ValueError:
        return None, seconds


def weigh(case: dict[str, Any], verdict: dict[str, Any] | None, tree: Path, reading: str | None) -> tuple[str, str]:
    """What came of a case, and what was said.

    Args:
        case: the labelled case.
        verdict: the gate's, None where it gave none.
        tree: the experiment.
        reading: what somebody who read the finding says of it.
    """
    if verdict is None:
        return UNDECIDED, "no verdict"
    findings = [each for each in verdict["findings"] if each["stage"] in STAGES and each["severity"] == "error"]
    told = "; ".join(f"{each['rule']} {each['location']['path']}:{each['location']['line']} {each['message'][:120]}" for each in findings)
    if findings:
        labels = [label for label in case["real_defects"] if label["blocks"] in ("trial", "eval", "full")]
        near = any(is_about(label, finding, tree) for label in labels for finding in findings)
        return (FALSE if reading == "false" else FOUND if near else TRUE if reading == "true" else UNREAD), told
    trial = next((stage for stage in verdict["stages"] if stage["name"] == "trial"), None)
    if verdict["undecided"]:
        return UNDECIDED, verdict["undecided"][0][:200]
    if trial is None or trial["status"] != "ran":
        return (NO_RUN if not verdict["runs"] else UNDECIDED), trial["reason"] if trial else "there was no trial"
    fails = any(label["blocks"] == "trial" and label["kind"] not in ELSEWHERE for label in case["real_defects"])
    return (MISSED if fails else CLEAN), ""


def table(rows: Iterable[Row]) -> Iterator[str]:
    """The report as Markdown."""
    yield "| case | result | seconds | said |\n|---|---|---|---|"
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row.result] += 1
        said = " ".join(row.said.replace("|", "/").split())
        yield f"| {row.case} | {row.result} | {row.seconds:.0f} | {said} |"
    yield f"\n{', '.join(f'{name}: {count}' for name, count in counts.most_common())}"


def measure(cases: list[dict[str, Any]], options: argparse.Namespace) -> Iterator[Row]:
    """A row for each case whose tree is there, until the time is up."""
    readings = tomllib.loads(options.readings.read_text("utf-8")) if options.readings else {}
    until = time.monotonic() + options.seconds
    for case in cases[:: options.every]:
        name, tree = case["case_id"], options.trees / case["case_id"].replace("/", "_")
        if not tree.is_dir() or (options.only and not any(part in name for part in options.only)):
            continue
        if time.monotonic() > until:
            return
        verdict, seconds = check(tree, options)
        result, said = weigh(case, verdict, tree, readings.get(name))
        yield Row(name, result, seconds, said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("trees", type=Path, help="a folder with one folder for each labelled version")
    parser.add_argument("labels", type=Path, help="the labels, one JSON object a line")
    parser.add_argument("--only", nargs="*", default=[], help="cases with one of these in their id")
    parser.add_argument("--every", type=int, default=1, help="one of so many cases")
    parser.add_argument("--seconds", type=float, default=600, help="begin no further case after so many")
    parser.add_argument("--run-timeout", type=int, default=90)
    parser.add_argument("--python", type=Path, default=Path(sys.prefix), help="one environment for all")
    parser.add_argument("--readings", type=Path, help="what somebody who read the findings says of them")
    parser.add_argument("--keep", type=Path, help="a folder for the verdicts, to be read")
    options = parser.parse_args()
    for line in table(measure(read_labels(options.labels), options)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
