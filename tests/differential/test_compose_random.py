"""Random config trees: gonogo's composition answers what Hydra alone answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gonogo.compose.client import Composer
from gonogo.model.errors import StageError

PLAIN = Path(__file__).parents[1] / "plain_hydra.py"
GROUPS = ("model", "data", "size", "data/kind")
OPTIONS = ("small", "big", "odd")
KEYS = ("a", "b", "lr", "name")
COUNT = int(os.environ.get("GONOGO_TREES", "500"))
RELAXED = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck), "phases": [Phase.explicit, Phase.generate]}


@st.composite
def values(draw: st.DrawFn, depth: int = 0) -> Any:
    """A value of a config."""
    kind = draw(st.integers(0, 9))
    if kind < 4:
        return draw(st.integers(0, 99))
    if kind == 4:
        return draw(st.sampled_from([None, True, "???", "text", 1.5, "1e-3"]))
    if kind == 5:
        return draw(
            st.sampled_from(["${a}", "${.b}", "${..lr}", "${model.a}", "${data.name}-x", "${nope}", "${hydra:job.name}", "${oc.env:X}"])
        )
    if kind == 6:
        return draw(st.lists(st.integers(0, 9), max_size=2))
    if depth > 1:
        return draw(st.integers(100, 199))
    return draw(mappings(depth + 1))


@st.composite
def mappings(draw: st.DrawFn, depth: int = 0) -> dict[str, Any]:
    """A mapping of a config."""
    return {key: draw(values(depth)) for key in draw(st.lists(st.sampled_from(KEYS), max_size=3, unique=True))}


@st.composite
def defaults(draw: st.DrawFn, groups: tuple[str, ...], inner: bool) -> list[Any]:
    """A defaults list."""
    found: list[Any] = []
    for group in draw(st.lists(st.sampled_from(groups), max_size=3, unique=True)):
        option = draw(st.sampled_from([*OPTIONS, *OPTIONS, "none_such", None, "???", ["small", "big"]]))
        package = draw(st.sampled_from(["", "", "", "@x", "@_global_", "@x.y", "@_here_"]))
        prefix = draw(st.sampled_from(["", "", "", "optional ", "override "]))
        slash = "/" if inner or draw(st.integers(0, 4)) == 0 else ""
        found.append({f"{prefix}{slash}{group}{package}": option})
    if draw(st.integers(0, 3)) == 0:
        found.append(draw(st.sampled_from(["base", "/base", "base@z"])))
    place = draw(st.integers(0, 3))
    if place:
        found.insert(0 if place == 1 else len(found), "_self_")
    return found


@st.composite
def trees(draw: st.DrawFn) -> dict[str, str]:
    """Files of a config folder, by path."""
    files = {}
    for group in draw(st.lists(st.sampled_from(GROUPS), min_size=1, max_size=4, unique=True)):
        for option in draw(st.lists(st.sampled_from(OPTIONS), min_size=1, max_size=3, unique=True)):
            content = draw(mappings())
            if draw(st.integers(0, 3)) == 0:
                content = {"defaults": draw(defaults(GROUPS, inner=True)), **content}
            header = draw(
                st.sampled_from(
                    ["", "", "", "# @package _global_\n", "# @package other\n", "# @package _group_\n", "# @package model.deep\n"]
                )
            )
            files[f"{group}/{option}.yaml"] = header + yaml.safe_dump(content, sort_keys=False)
    files["base.yaml"] = yaml.safe_dump(draw(mappings()), sort_keys=False)
    primary = draw(mappings())
    if draw(st.integers(0, 9)) == 0:
        primary["hydra"] = draw(
            st.sampled_from(
                [{"job": {"chdir": True}}, {"run": {"dir": "${a}"}}, {"sweep": {"dir": "x"}}, {"job": {"name": "n"}}, {"mode": "MULTIRUN"}]
            )
        )
    files["config.yaml"] = yaml.safe_dump({"defaults": draw(defaults(GROUPS, inner=False)), **primary}, sort_keys=False)
    return files


@st.composite
def overrides(draw: st.DrawFn) -> list[str]:
    """Overrides of a command line."""
    found = []
    for _ in range(draw(st.integers(0, 3))):
        group, option, key = draw(st.sampled_from(GROUPS)), draw(st.sampled_from([*OPTIONS, "none_such"])), draw(st.sampled_from(KEYS))
        forms = [
            f"{group}={option}",
            f"+{group}={option}",
            f"~{group}",
            f"{group}@x={option}",
            f"+{group}@x={option}",
            f"{key}=7",
            f"+{key}=8",
            f"++{key}.deep=9",
            f"~{key}",
            f"model.{key}=[1,2]",
            f"++data.{key}={{a: 1}}",
            f"{key}=a b",
            f"{key}='a b'",
            f"{key}=${{a}}",
            "hydra.job.chdir=true",
        ]
        found.append(draw(st.sampled_from(forms)))
    return found


@pytest.fixture(scope="module")
def plain() -> Any:
    """Hydra alone, in a process that answers one list of requests after the other."""
    loop = f"import sys, json; sys.path.insert(0, {str(PLAIN.parent)!r}); import plain_hydra as plain; plain.serve()"
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", loop], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(requests) + "\n")
        process.stdin.flush()
        answer: list[dict[str, Any]] = json.loads(process.stdout.readline())
        return answer

    yield ask
    process.communicate()


def compare(folder: Path, composer: Composer, plain: Any, files: dict[str, str], asked: list[list[str]]) -> None:
    """Compose with both, in both orders: a memory must not show."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    expected = plain([{"folder": str(folder), "config_name": "config", "overrides": each, "version_base": "1.3"} for each in asked])
    for index in [*range(len(asked)), *reversed(range(len(asked)))]:
        want = expected[index]
        try:
            got = composer.compose(folder, "config", tuple(asked[index]), "1.3", "config")
        except StageError as error:
            assert "says nothing about the config" in str(error) or "searchpath" in str(error), (files, asked[index], str(error))
            continue
        shown = (files, asked[index], want, got.message)
        if "config" in want:
            assert got.ok, shown
            assert json.loads(json.dumps(got.config)) == want["config"], shown
            assert (got.choices, got.chdir) == (want["choices"], want["chdir"]), shown
        else:
            assert not got.ok, shown
            assert got.error == want["error"], shown


@pytest.mark.slow
@given(files=trees(), asked=st.lists(overrides(), min_size=1, max_size=3))
@settings(max_examples=40, **RELAXED)
def test_same_as_hydra(tmp_path_factory, composer, plain, files, asked):
    compare(tmp_path_factory.mktemp("tree"), composer, plain, files, asked)


@pytest.mark.slow
@given(files=trees(), asked=st.lists(overrides(), min_size=1, max_size=3))
@settings(max_examples=COUNT, **RELAXED)
def test_same_as_hydra_at_length(tmp_path_factory, composer, plain, files, asked):
    compare(tmp_path_factory.mktemp("tree"), composer, plain, files, asked)
