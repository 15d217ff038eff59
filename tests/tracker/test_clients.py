"""The client matrix: every call that is supported, with every client version that is supported."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "clients"))

from matrix import NEEDED, Outcome, short_table, static, table
from operations import Operation, faults, operations

SOURCE = '''
FRAGMENT = """fragment Part on Run {
    id
}"""
NAME = "Part"

def one(lazy):
    name = NAME if lazy else "Part"
    return f"""#graphql
        query Formatted($name: String!) {{
            project(name: $name) {{ run(name: $name) {{ ...{name} }} }}
        }}
        {FRAGMENT}
    """

def two():
    return """
        mutation Inserted($input: DeleteRunInput!) {{ deleteRun(input: $input) {{ {} }} }}
    """.format("clientMutationId")

def three(fields):
    return gql(f"query Unknown {{ viewer {{ {fields} }} }}")

PLAIN = "query Plain { viewer { id } }"
BROKEN = "query Broken { viewer { shoeSize } }"
PROSE = "query the server { for it }, or mutation of it"
'''


# The newest client and the oldest that has all operations; `python tests/tracker/clients/matrix.py` asks one of each minor version.
TESTED = ("0.31.0", "0.29.0")


@pytest.mark.slow
def test_every_call_works_with_the_versions() -> None:
    command = [sys.executable, str(Path(__file__).parent / "clients/matrix.py"), "--markdown", *TESTED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("| 0.")] == [*TESTED]


@pytest.mark.slow
def test_operations_of_the_installed_client_fit_the_schema() -> None:
    spec = find_spec("wandb")
    assert spec and spec.origin
    broken, unsupported = static(Path(spec.origin).parent)
    assert not broken
    assert {"CreateAutomation", "CreateRunQueue", "CreateTeam"} <= {*unsupported}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A client with known operations."""
    (tmp_path / "bin").mkdir()
    go = b'\nquery InGo ($id: ID!) {\n\tartifact(id: $id) {\n\t\t... Found\n\t}\n}\nfragment Found on Artifact {\n\tid\n}\nquery NextInGo {viewer{id}}panic: "{"'
    (tmp_path / "bin/wandb-core").write_bytes(b"\x7fELF\xff\xfe" * 100 + go + b"\x00\xf0" * 100)
    (tmp_path / "api.py").write_text(SOURCE)
    return tmp_path


def test_operations_are_found_in_sources_and_in_the_binary(package: Path) -> None:
    found = {operation.name: operation for operation in operations(package)}
    assert {*found} == {"Formatted", "Inserted", "Unknown", "Plain", "Broken", "InGo", "NextInGo"}
    assert {name for name, operation in found.items() if not faults(operation)} == {"Formatted", "Inserted", "Plain", "InGo", "NextInGo"}
    assert found["InGo"].texts[0].endswith("fragment Found on Artifact {\n\tid\n}")


def test_what_is_wrong_with_an_operation_is_said_in_words(package: Path) -> None:
    found = {operation.name: operation for operation in operations(package)}
    assert faults(found["Broken"]) == ["Cannot query field 'shoeSize' on type 'User'."]
    assert "not followed here" in faults(found["Unknown"])[0]


def test_a_needed_operation_that_changed_or_went_is_named(package: Path) -> None:
    (package / "apis").mkdir()
    (package / "apis/public.py").write_text('QUERY = "query Runs { project { shoeSize } }"\n')
    broken, _ = static(package)
    assert broken["apis/ Runs"] == "Cannot query field 'shoeSize' on type 'Project'."
    assert broken["wandb-core Viewer"] == "the client has none of this name any more"
    assert len(broken) == sum(len(names) for names in NEEDED.values())


def test_the_table_says_which_call_which_version_broke() -> None:
    good = Outcome("0.1.0", {"run.log": None, "old": None}, ["the tracker said so"], {}, [])
    bad = Outcome("0.2.0", {"run.log": "ValueError: no"}, ["not answered: X"], {"wandb-core X": "Unknown field"}, ["Sweep"])
    text = table([good, bad])
    assert not good.failures()
    assert [line.split() for line in text.splitlines()[:4]] == [
        ["call", "|", "0.1.0", "|", "0.2.0"],
        ["run.log", "|", "ok", "|", "FAILED"],
        ["old", "|", "ok", "|", "-"],
        ["operations", "needed", f"({sum(map(len, NEEDED.values()))})", "|", "ok", "|", "1", "BAD"],
    ]
    assert text.splitlines()[5:] == [
        "wandb 0.2.0: run.log: ValueError: no",
        "wandb 0.2.0: operation wandb-core X: Unknown field",
        "wandb 0.2.0: the tracker said: not answered: X",
    ]


def test_the_short_table_counts_the_calls_of_a_part() -> None:
    good = Outcome("0.2.0", {"run.log": None, "new": None, "sync": None}, [], {}, [], {"log": ["run.log", "new"], "offline": ["sync"]})
    bad = Outcome("0.1.0", {"run.log": None, "sync": "no"}, [], {}, [], {"log": ["run.log"], "offline": ["sync"]})
    assert short_table([good, bad]).splitlines()[2:] == ["| 0.2.0 | 2 of 2 | 1 of 1 |", "| 0.1.0 | 1 of 1 | 0 of 1 |"]


def test_operations_without_a_known_text_are_not_taken_for_good() -> None:
    assert faults(Operation("Runs", "apis/public/runs.py", []))
