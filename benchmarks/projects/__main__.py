"""What the gate says of public projects that are known to work, kept as digests, so that a change shows as a diff to be judged.

    uv run python -m benchmarks.projects FOLDER                 # compare with the digests; exit code 1 where something changed
    uv run python -m benchmarks.projects FOLDER --update        # write the digests anew
    uv run python -m benchmarks.projects FOLDER --errors        # print every error with its line, to be read against the code

FOLDER holds one folder for each project of projects.toml, named `owner+name`, at the commit given there (`git clone`, `git checkout`).
Nothing of the projects is executed, and nothing of their code is kept: a digest has places and messages. `judged.toml` says of errors
that somebody has read whether they are true, and why.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DIGESTS = HERE / "digests"


def projects() -> dict[str, dict[str, str]]:
    """The projects of the list, by folder name."""
    listed = tomllib.loads((HERE / "projects.toml").read_text("utf-8"))["project"]
    return {entry["repository"].replace("/", "+"): entry for entry in listed}


def verdict_of(folder: Path, timeout: float) -> dict[str, Any]:
    """The verdict on a project, from the real command."""
    command = [sys.executable, "-m", "gonogo", "check", str(folder), "--format", "json", "--timeout", str(timeout)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2 or not done.stdout:
        sys.exit(f"{folder}: {done.stderr}")
    verdict: dict[str, Any] = json.loads(done.stdout)
    return verdict


def digest_of(verdict: dict[str, Any]) -> list[str]:
    """What a verdict says, a line each: contract and outcome, findings, what was left undecided."""
    lines = [f"contract {verdict['contract']}", f"outcome {verdict['outcome']}", f"runs {len(verdict['runs'])}"]
    for finding in verdict["findings"]:
        place = finding["location"]
        where = f"{place['path']}:{place['line'] or ''}"
        lines.append(f"{finding['severity']} {finding['certainty']} {finding['rule']} {where} {' '.join(finding['message'].split())}")
    return lines + [f"undecided {' '.join(reason.split())}" for reason in verdict["undecided"]]


def changes(old: list[str], new: list[str]) -> Iterator[str]:
    """Lines that went and came."""
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    yield from (f"- {line}" for line in gone.elements())
    yield from (f"+ {line}" for line in come.elements())


def judgements() -> dict[str, dict[str, str]]:
    """What somebody who read them said of errors: by project, `rule path:line` to `true`, `false: why`."""
    path = HERE / "judged.toml"
    return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="a folder with one folder for each project, owner+name")
    parser.add_argument("--update", action="store_true", help="write the digests anew")
    parser.add_argument("--errors", action="store_true", help="print every error, with its line")
    parser.add_argument("--only", default="", help="only projects whose name contains this")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for each project")
    options = parser.parse_args()
    changed, missing, counts = 0, [], Counter[str]()
    known = judgements()
    for name in projects():
        if options.only not in name:
            continue
        folder = options.folder / name
        if not folder.is_dir():
            missing.append(name)
            continue
        verdict = verdict_of(folder, options.timeout)
        digest = digest_of(verdict)
        path = DIGESTS / f"{name}.txt"
        old = path.read_text("utf-8").splitlines() if path.is_file() else []
        found = list(changes(old, digest))
        changed += bool(found)
        print(
            f"{name}: {verdict['outcome']}, {sum(line.startswith('error') for line in digest)} errors{', changed' if found else ''}",
            flush=True,
        )
        for line in found:
            print(f"    {line}")
        for finding in verdict["findings"]:
            if finding["severity"] == "error":
                place = f"{finding['rule']} {finding['location']['path']}:{finding['location']['line'] or ''}"
                said = known.get(name, {}).get(place, "not read")
                counts[said.partition(":")[0]] += 1
                if options.errors:
                    print(f"    {place} [{said}] {finding['message']}")
        if options.update:
            DIGESTS.mkdir(exist_ok=True)
            path.write_text("\n".join(digest) + "\n", "utf-8")
    print(f"errors: {dict(counts)}; {changed} projects changed" + (f"; not there: {', '.join(missing)}" if missing else ""))
    sys.exit(1 if changed and not options.update else 0)


if __name__ == "__main__":
    main()
