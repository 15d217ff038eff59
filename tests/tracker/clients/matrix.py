"""Which calls work with which client version: `uv run python tests/tracker/clients/matrix.py 0.32.0`, with `--markdown` as a short table.

For each version a virtual environment with the client (kept under ~/.cache/gonogo-clients, or $GONOGO_CLIENTS), in it `flow.py` against a fresh tracker,
and every GraphQL operation that the client holds against the tracker's schema.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from operations import Operation, faults, operations

# The newest clients of every minor version that the tracker is made for.
VERSIONS = (
    *("0.31.0", "0.30.0", "0.29.0", "0.28.2", "0.27.2", "0.26.1", "0.25.1", "0.24.2", "0.23.1", "0.22.3", "0.21.4", "0.20.1", "0.19.11"),
    "0.18.7",
)
# Clients from this one on have all operations below; older ones have other names, or other ways.
COMPLETE = (0, 29)
PACKAGES = ("numpy",)  # histograms and confusion matrices need it
FLOW = Path(__file__).with_name("flow.py")
SECONDS = 500

# What the supported calls send, by where the client has it. A client that lacks one has found another way, which `flow.py` tries.
NEEDED = {
    "wandb-core": [
        "ArtifactManifest",
        "ClientIDMapping",
        "CommitArtifact",
        "CreateArtifact",
        "CreateArtifactFiles",
        "CreateArtifactManifest",
        "CreateRunFiles",
        "HistoryPage",
        "MarkRunFilesUploaded",
        "NotifyScriptableRunAlert",
        "OrganizationCoreWeaveOrganizationID",
        "QueryRunInfo",
        "RunConsoleLogPage",
        "RunConsoleLogTail",
        "RunParquetHistory",
        "RunResumeStatus",
        "SampledHistoryPage",
        "ServerFeaturesQuery",
        "UpdateArtifact",
        "UpdateArtifactManifest",
        "UpsertBucket",
        "UseArtifact",
        "Viewer",
    ],
    "apis/": [
        "CreateProject",
        "DeleteRun",
        "GetDefaultEntity",
        "GetProject",
        "GetProjects",
        "GetViewer",
        "Run",
        "RunFiles",
        "RunFullHistory",
        "RunHistoryKeys",
        "RunSampledHistory",
        "RunState",
        "Runs",
        "UpsertBucket",
        "deleteFiles",
    ],
    "sdk/artifacts/": [
        "AddAliases",
        "ArtifactByID",
        "ArtifactCollectionAliases",
        "ArtifactCreatedBy",
        "ArtifactMembershipByName",
        "ArtifactMembershipFiles",
        "ArtifactType",
        "ArtifactTypeArtifactCollections",
        "ArtifactUsedBy",
        "DeleteAliases",
        "DeleteArtifact",
        "FetchArtifactManifest",
        "GetArtifactMembershipFileUrls",
        "ProjectArtifactCollection",
        "ProjectArtifactCollections",
        "ProjectArtifactType",
        "ProjectArtifactTypes",
        "ProjectArtifacts",
        "RunInputArtifacts",
        "RunOutputArtifacts",
        "UpdateArtifact",
    ],
}


@dataclass(frozen=True)
class Outcome:
    """What a client version did.

    Attributes:
        version: The version.
        calls: For each call of `flow.py` the error that it ended with, or None.
        refused: What the tracker said about operations that it does not know.
        broken: Operations that supported calls need and the schema does not fit, with what it says; also those that are gone.
        unsupported: The other operations that the schema does not fit.
        parts: The names of the calls by the part of `flow.py` that makes them.
    """

    version: str
    calls: dict[str, str | None]
    refused: list[str]
    broken: dict[str, str]
    unsupported: list[str]
    parts: dict[str, list[str]] = field(default_factory=dict)

    def failures(self) -> list[str]:
        """A line for everything that a change of the client broke."""
        calls = [f"wandb {self.version}: {name}: {error}" for name, error in self.calls.items() if error is not None]
        return calls + [f"wandb {self.version}: operation {name}: {says}" for name, says in self.broken.items()]


def client(version: str) -> Path:
    """The Python of an environment with a client version, made at the first call."""
    folder = Path(os.environ.get("GONOGO_CLIENTS", Path.home() / ".cache/gonogo-clients")) / f"wandb-{version}"
    python, ready = folder / "bin/python", folder / "ready"
    if not ready.exists():
        subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        wanted = [f"wandb=={version}", *PACKAGES]
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), *wanted], check=True)
        ready.touch()
    return python


def check(version: str) -> Outcome:
    """Try a client version."""
    python = client(version)
    parts, refused = _flow(python)
    package = next((python.parent.parent / "lib").glob("python*/site-packages/wandb"))
    broken, unsupported = static(package, tuple(map(int, version.split(".")[:2])) >= COMPLETE)
    calls = {name: error for part in parts.values() for name, error in part}
    return Outcome(version, calls, refused, broken, unsupported, {title: [name for name, _ in part] for title, part in parts.items()})


def static(package: Path, complete: bool = True) -> tuple[dict[str, str], list[str]]:
    """Hold the operations of a client against the schema: those needed that do not fit, and the names of the others that do not.

    Args:
        package: The folder `wandb` of the client.
        complete: Whether it must have all operations that are needed.
    """
    found = operations(package)
    broken: dict[str, str] = {}
    for place, names in NEEDED.items():
        for name in names:
            of = [operation for operation in found if operation.name == name and operation.place.startswith(place)]
            gone = "the client has none of this name any more" if complete else ""
            says = "; ".join(fault for operation in of if operation.texts for fault in faults(operation)) if of else gone
            if not complete and says.startswith("Unknown fragment"):
                says = ""  # it is put together while the client runs, from parts that are not followed here; `flow.py` tries it
            if says:
                broken[f"{place} {name}"] = says
    return broken, sorted({item.name for item in found if not _needed(item) and faults(item)})


def table(outcomes: Sequence[Outcome]) -> str:
    """Calls by versions, then what is wrong, in words."""
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.calls))
    width = max(map(len, names), default=0)
    lines = [" | ".join(["call".ljust(width), *(outcome.version.ljust(6) for outcome in outcomes)])]
    for name in names:
        cells = ("-" if name not in outcome.calls else "ok" if outcome.calls[name] is None else "FAILED" for outcome in outcomes)
        lines.append(" | ".join([name.ljust(width), *(cell.ljust(6) for cell in cells)]).rstrip())
    needed = sum(len(names) for names in NEEDED.values())
    lines.append(
        " | ".join(
            [
                f"operations needed ({needed})".ljust(width),
                *((f"{len(item.broken)} BAD" if item.broken else "ok").ljust(6) for item in outcomes),
            ]
        ).rstrip()
    )
    failures = [line for outcome in outcomes for line in outcome.failures()]
    failures += [
        f"wandb {outcome.version}: the tracker said: {line}" for outcome in outcomes for line in outcome.refused if outcome.failures()
    ]
    return "\n".join([*lines, "", *failures])


def short_table(outcomes: Sequence[Outcome]) -> str:
    """Versions by parts, as Markdown: how many of the calls of a part work; a version tries only the calls that it has."""
    titles = list(dict.fromkeys(title for outcome in outcomes for title in outcome.parts))
    lines = [f"| wandb | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
    for outcome in outcomes:
        cells = []
        for title in titles:
            names = outcome.parts.get(title, [])
            cells.append(f"{sum(outcome.calls[name] is None for name in names)} of {len(names)}")
        lines.append(f"| {outcome.version} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _needed(operation: Operation) -> bool:
    return any(operation.place.startswith(place) and operation.name in names for place, names in NEEDED.items())


def _flow(python: Path) -> tuple[dict[str, list[tuple[str, str | None]]], list[str]]:
    with tempfile.TemporaryDirectory() as scratch, open(Path(scratch) / "errors", "w+") as errors:
        command = [sys.executable, "-m", "gonogo.tracker", f"{scratch}/tracker", "0", "300"]
        ours = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=ours) as tracker:
            assert tracker.stdin is not None and tracker.stdout is not None
            try:
                ready = json.loads(tracker.stdout.readline())
                client = Path(scratch) / "client"
                client.mkdir()
                environment = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "PYTHON", "VIRTUAL_ENV"))}
                environment |= {"WANDB_BASE_URL": ready["url"], "WANDB_API_KEY": ready["api_key"], "WANDB_ERROR_REPORTING": "false"}
                folders = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR", "TMPDIR")
                environment |= dict.fromkeys(folders, str(client))
                command = [str(python), str(FLOW), f"{scratch}/outcome.json"]
                try:
                    done = subprocess.run(
                        command, env=environment, cwd=client, capture_output=True, text=True, timeout=SECONDS, check=False
                    )
                    ended = f"exit code {done.returncode}: {(done.stdout + done.stderr)[-1500:]}" if done.returncode else None
                except subprocess.TimeoutExpired:
                    ended = f"not done after {SECONDS} s"
            finally:
                tracker.stdin.close()  # it ends with its standard input
        errors.seek(0)
        refused = [line.strip() for line in errors if "not answered" in line]
        noted = Path(scratch, "outcome.json")
        parts = dict(json.loads(noted.read_text())) if noted.exists() else {}
        return (parts | {"flow.py itself": [("flow.py itself", ended)]} if ended else parts), refused


def main() -> None:
    """Try the versions given, or those that are supported."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("versions", nargs="*", default=VERSIONS)
    parser.add_argument("--markdown", action="store_true", help="a short table, as the documentation has it, and what failed")
    asked = parser.parse_args()
    outcomes = [check(version) for version in asked.versions]
    if asked.markdown:
        print("\n".join([short_table(outcomes), "", *(line for outcome in outcomes for line in outcome.failures())]))
    else:
        print(table(outcomes))
        for outcome in outcomes:
            print(textwrap.fill(f"wandb {outcome.version}, not supported and not needed: {', '.join(outcome.unsupported)}", 140))
    sys.exit(any(outcome.failures() for outcome in outcomes))


if __name__ == "__main__":
    main()
