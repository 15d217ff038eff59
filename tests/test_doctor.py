"""`gonogo doctor`: what this machine can hold in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli import gonogo

from gonogo.execution.sandbox import establish
from gonogo.model.errors import StageError


@pytest.mark.slow
def test_it_says_on_one_screen_what_holds_here() -> None:
    try:
        holds = str(establish().mechanism)
    except StageError:
        holds = ""
    done = gonogo("doctor")
    lines = done.stdout.splitlines()
    assert done.returncode == (0 if holds else 3)
    assert (f"in a sandbox: {holds}." if holds else "No sandbox holds here") in lines[0]
    assert len(lines) <= 30 and max(map(len, lines)) <= 120
    for name in ("kernel", "bubblewrap", "landlock", "user namespaces", "system call filter", "uv"):
        assert sum(name in line for line in lines) >= 1
    assert "Not contained:" in lines


@pytest.mark.slow
def test_it_says_the_same_as_json() -> None:
    said = json.loads(gonogo("doctor", "--format", "json").stdout)
    assert {"mechanism", "abilities", "refused", "allowed", "not_contained"} == set(said)
    assert {ability["name"]: ability["there"] for ability in said["abilities"]}["kernel"] is True


def test_where_nothing_holds_it_says_so_and_ends_with_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from gonogo.cli import doctor
    from gonogo.execution import abilities

    monkeypatch.setattr(abilities, "try_out", lambda mechanism: (None, "it is not here"))
    assert doctor.run("text") == 3
    said = capsys.readouterr().out
    assert said.startswith("No sandbox holds here: trials are refused.")
    assert "it is not here" in said and "anything: no mechanism holds" in said
