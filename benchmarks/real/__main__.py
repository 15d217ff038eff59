"""Score the gate on real experiments that somebody has labelled.

    uv run python -m benchmarks.real TREES LABELS.jsonl [--blocks trial,eval,full,contract] [--sample 60 --seed 0] [--output report.md]

TREES holds one folder for each labelled version, named by its `case_id` (slashes become underscores). README.md beside this file tells the
format of the labels. Nothing in the trees is executed. A label counts as found where one of its kind's rules (kinds.toml) has a finding of
severity error or warning at one of the label's files.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import random
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KINDS = Path(__file__).with_name("kinds.toml")


@dataclass
class Kind:
    """How the labels of one kind fared: found, and the cases in which they were missed."""

    rules: list[str]
    static: bool
    found: int = 0
    missed: list[str] = field(default_factory=list)

    @property
    def labels(self) -> int:
        return self.found + len(self.missed)


def judge(trees: Path, cases: list[dict[str, Any]], jobs: int) -> dict[str, dict[str, Any]]:
    """The verdict of each case whose tree is there, by case id, from the real command."""
    folders = {str(trees / case["case_id"].replace("/", "_")): case["case_id"] for case in cases}
    present = [folder for folder in folders if Path(folder).is_dir()]
    if not present:
        sys.exit(f"{trees} holds none of the {len(cases)} labelled cases as a folder named by its case_id.")
    command = [sys.executable, "-m", "gonogo", "check", *present, "--jobs", str(jobs), "--format", "jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2:
        sys.exit(done.stderr)
    verdicts = (json.loads(line) for line in done.stdout.splitlines())
    return {folders[verdict["experiment"]]: verdict for verdict in verdicts}


def files_of(label: dict[str, Any]) -> list[str]:
    """The files a label names: patterns are allowed, several are parted by commas."""
    return [part.strip() for part in re.split(r"[,;]| and ", label["file"]) if part.strip()]


def is_found(label: dict[str, Any], rules: list[str], verdict: dict[str, Any]) -> bool:
    """Whether one of the rules speaks at one of the label's files, or relates to it."""
    wanted = files_of(label)
    for finding in verdict["findings"]:
        if finding["rule"] not in rules or finding["severity"] == "info":
            continue
        places = [finding["location"]["path"], *(related["location"]["path"] for related in finding["related"])]
        if any(fnmatch.fnmatch(place, pattern) or place.endswith("/" + pattern) for place in places for pattern in wanted):
            return True
    return False


def score(cases: list[dict[str, Any]], verdicts: dict[str, dict[str, Any]], blocks: set[str]) -> dict[str, Kind]:
    """Every kind with its labels, found and missed; a kind that kinds.toml does not have has no rules."""
    known = tomllib.loads(KINDS.read_text("utf-8"))
    kinds: dict[str, Kind] = {}
    for case in cases:
        verdict = verdicts.get(case["case_id"])
        for label in case["real_defects"] if verdict else ():
            if blocks and label["blocks"] not in blocks:
                continue
            entry = known.get(label["kind"], {})
            kind = kinds.setdefault(label["kind"], Kind(entry.get("rules", []), bool(entry) and entry.get("seen_by") != "run"))
            assert verdict is not None
            if is_found(label, kind.rules, verdict):
                kind.found += 1
            else:
                kind.missed.append(case["case_id"])
    return dict(sorted(kinds.items()))


def table(kinds: dict[str, Kind]) -> Iterator[str]:
    """The report as Markdown: what a static rule can see first, the rest after it."""
    for title, static in (("What a static or compose rule can see", True), ("What needs a run, or has no rule", False)):
        chosen = {name: kind for name, kind in kinds.items() if kind.static is static}
        found, labels = sum(kind.found for kind in chosen.values()), sum(kind.labels for kind in chosen.values())
        yield f"\n{title}: {found} of {labels} labels found" + (f" ({100 * found / labels:.1f} %)" if labels else "")
        yield "\n| kind | labels | found | missed in |\n|---|---|---|---|"
        for name, kind in chosen.items():
            missed = ", ".join(dict.fromkeys(kind.missed[:3])) + (" …" if len(kind.missed) > 3 else "")
            yield f"| {name} | {kind.labels} | {kind.found} | {missed} |"


def sample(verdicts: dict[str, dict[str, Any]], trees: Path, count: int, seed: int) -> Iterator[str]:
    """Findings of severity error drawn at random, with their line, to be read against the code by hand."""
    every = [
        (case, finding) for case, verdict in sorted(verdicts.items()) for finding in verdict["findings"] if finding["severity"] == "error"
    ]
    for number, (case, finding) in enumerate(random.Random(seed).sample(every, min(count, len(every))), 1):
        place = finding["location"]
        yield f"{number}. {case} {place['path']}:{place['line']} {finding['rule']}: {finding['message']}"
        path = trees / case.replace("/", "_") / place["path"]
        if place["line"] and path.is_file():
            yield f"      {path.read_text('utf-8', 'replace').splitlines()[place['line'] - 1].strip()[:160]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("trees", type=Path, help="a folder with one folder for each labelled version")
    parser.add_argument("labels", type=Path, help="the labels, one JSON object a line")
    parser.add_argument("--blocks", default="trial,eval,full,contract", help="count labels that block these alone; empty for all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sample", type=int, default=0, help="draw so many findings of severity error to be read by hand")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="write the report there instead of printing it")
    options = parser.parse_args()
    try:
        cases = [json.loads(line) for line in options.labels.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        sys.exit(f"{options.labels} can't be read as labels, one JSON object a line ({error}).")
    verdicts = judge(options.trees, cases, options.jobs)
    blocks = {name for name in options.blocks.split(",") if name}
    lines = [f"{len(verdicts)} of {len(cases)} labelled versions judged.", *table(score(cases, verdicts, blocks))]
    lines += ["", *sample(verdicts, options.trees, options.sample, options.seed)] if options.sample else []
    text = "\n".join(lines) + "\n"
    if options.output is None:
        print(text, end="")
    else:
        options.output.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
