"""The client matrix: every call that is supported, with every client version that is supported."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "clients"))

from matrix import NEEDED, VERSIONS, Outcome, check, static, table
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


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_every_call_works_with_every_version(version: str) -> None:
    outcome = check(version)
    assert not outcome.failures(), f"\n{table([outcome])}"


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


@pytest.mark.slow
def test_the_matrix_is_a_command() -> None:
    command = [sys.executable, str(Path(__file__).parent / "clients/matrix.py"), VERSIONS[0]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{VERSIONS[0]}" in done.stdout.splitlines()[0]


def test_operations_without_a_known_text_are_not_taken_for_good() -> None:
    assert faults(Operation("Runs", "apis/public/runs.py", []))
