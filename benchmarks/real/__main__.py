"""Score the gate on real experiments that somebody has labelled.

    uv run python -m benchmarks.real TREES LABELS.jsonl [--blocks trial,eval,full,contract] [--sample 60 --seed 0] [--output report.md]

TREES holds one folder for each labelled version, named by its `case_id` (slashes become underscores). README.md beside this file tells the
format of the labels. Nothing in the trees is executed. `matching.py` says when a label counts as found.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.real.matching import at_its_files, defect_of, is_about

KINDS = Path(__file__).with_name("kinds.toml")


@dataclass
class Kind:
    """How the labels of one kind fared.

    Attributes:
        found: labels at whose file a rule of the kind speaks.
        strictly: those of which it also has the place or the cause.
        missed: the cases of the labels that are not strictly found.
        defects: by defect, whether it was strictly found in each version that has it.
    """

    rules: list[str]
    static: bool
    labels: int = 0
    found: int = 0
    strictly: int = 0
    missed: list[str] = field(default_factory=list)
    defects: dict[tuple[str, ...], list[bool]] = field(default_factory=dict)

    @property
    def defects_found(self) -> int:
        """Defects that were found in every version."""
        return sum(map(all, self.defects.values()))


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


def score(cases: list[dict[str, Any]], verdicts: dict[str, dict[str, Any]], blocks: set[str], trees: Path) -> dict[str, Kind]:
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
            spoken = list(at_its_files(label, kind.rules, verdict))
            strictly = any(is_about(label, finding, trees / case["case_id"].replace("/", "_")) for finding in spoken)
            kind.labels += 1
            kind.found += bool(spoken)
            kind.strictly += strictly
            kind.defects.setdefault(defect_of(case, label), []).append(strictly)
            if not strictly:
                kind.missed.append(case["case_id"])
    return dict(sorted(kinds.items()))


def table(kinds: dict[str, Kind]) -> Iterator[str]:
    """The report as Markdown: what a static rule can see first, the rest after it."""
    for title, static in (("What a static or compose rule can see", True), ("What needs a run, or has no rule", False)):
        chosen = {name: kind for name, kind in kinds.items() if kind.static is static}
        labels, defects = sum(kind.labels for kind in chosen.values()), sum(len(kind.defects) for kind in chosen.values())
        yield f"\n{title}: of {labels} labels {_share(sum(kind.found for kind in chosen.values()), labels)} found by rule and file, "
        yield f"{_share(sum(kind.strictly for kind in chosen.values()), labels)} by rule, file, and place or cause; "
        yield f"of {defects} distinct defects {_share(sum(kind.defects_found for kind in chosen.values()), defects)} in every version"
        yield "\n| kind | labels | found | with place or cause | defects | found | missed in |\n|---|---|---|---|---|---|---|"
        for name, kind in chosen.items():
            missed = ", ".join(dict.fromkeys(kind.missed[:3])) + (" …" if len(kind.missed) > 3 else "")
            yield f"| {name} | {kind.labels} | {kind.found} | {kind.strictly} | {len(kind.defects)} | {kind.defects_found} | {missed} |"


def _share(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.1f} %)" if whole else "0"


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


def read_labels(path: Path) -> list[dict[str, Any]]:
    """The labelled cases of a file with one JSON object a line; ends the program where there are none to read."""
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        sys.exit(f"{path} can't be read as labels, one JSON object a line ({error}).")


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
    cases = read_labels(options.labels)
    verdicts = judge(options.trees, cases, options.jobs)
    blocks = {name for name in options.blocks.split(",") if name}
    lines = [f"{len(verdicts)} of {len(cases)} labelled versions judged.", *table(score(cases, verdicts, blocks, options.trees))]
    lines += ["", *sample(verdicts, options.trees, options.sample, options.seed)] if options.sample else []
    text = "\n".join(lines) + "\n"
    if options.output is None:
        print(text, end="")
    else:
        options.output.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
