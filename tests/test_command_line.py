"""Words of a command line, held against Hydra's own parser."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from hydra._internal.utils import get_args_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.compose.command_line import CommandLine, CommandLineError, parse_command_line, takes_next_word

OPTIONS = [action.option_strings for action in get_args_parser()._actions]
NAMES = [name for names in OPTIONS for name in names]
VALUES = ["small", "conf/x", "../conf", "job", "all", "plugins", "", "a=1", "gonogo-unknown", "-1", "a b"]
OVERRIDES = ["lr=0.1", "+a.b=c", "~db", "++x={a:1}", "lr=1,2", "hydra/launcher=joblib", "'a b=1'", "model", "x=-1"]
UNKNOWN = ["--epochs", "--epochs=3", "-x", "-1", "--", "--config", "--config-", "--co=1", "--multirun=1", "-mr", "-m1", "-cnsmall"]

words = st.one_of(
    st.sampled_from(OVERRIDES),
    st.sampled_from(VALUES),
    st.sampled_from(NAMES),
    st.sampled_from(UNKNOWN),
    st.builds(lambda name, value: f"{name}={value}", st.sampled_from(NAMES), st.sampled_from(VALUES)),
    st.builds(lambda name, length: name[:length], st.sampled_from(NAMES), st.integers(2, 12)),
)


def of_hydra(line: list[str]) -> dict[str, Any] | None:
    """What Hydra's own parser makes of it, None where it refuses, an empty dictionary where it only shows its version."""
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            return vars(get_args_parser().parse_args(line))
    except SystemExit as end:
        return {} if end.code == 0 else None


@settings(max_examples=600, deadline=None)
@given(st.lists(words, max_size=7))
def test_random_lines_are_read_as_hydra_reads_them(line: list[str]) -> None:
    expected = of_hydra(line)
    try:
        found = parse_command_line(line)
    except CommandLineError as error:
        modes = {name: expected[name] for name in ("run", "multirun", "shell_completion", "cfg", "info")} if expected else {}
        several = sum(value not in (False, None) for value in modes.values()) > 1
        assert expected is None or several, (error, expected)  # several modes are refused a little later, by `_run_hydra`
        return
    assert expected is not None
    if not expected:
        assert not found.runs
        return
    assert list(found.overrides) == expected["overrides"]
    assert [line[place] for place in found.places] == expected["overrides"]
    for name in ("config_path", "config_name", "config_dir", "multirun"):
        assert getattr(found, name) == expected[name]
    shows = ("help", "hydra_help", "shell_completion", "cfg", "info")
    assert found.runs == all(expected[name] in (False, None) for name in shows)
    if "--" not in line:
        assert parse_command_line(found.words()).words() == found.words()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--config-path ../config --config-name config run=a", (("run=a",), "../config", "config", None)),
        ("-cp ../config -cn=config run=a", (("run=a",), "../config", "config", None)),
        ("run=a x=1 --config-dir conf", (("run=a", "x=1"), None, None, "conf")),
        ("--config-n small", ((), None, "small", None)),
    ],
)
def test_options_are_no_overrides(line: str, expected: tuple[Any, ...]) -> None:
    found = parse_command_line(line.split())
    assert (found.overrides, found.config_path, found.config_name, found.config_dir) == expected


@pytest.mark.parametrize("line", ["--epochs 3", "a=1 --config-name x b=2 c=3", "--config-name", "--cfg nothing", "-m --cfg job"])
def test_what_hydra_refuses_is_refused(line: str) -> None:
    with pytest.raises(CommandLineError):
        parse_command_line(line.split())


def test_an_option_is_known_to_want_a_value() -> None:
    assert [
        word for word in ("--config-name", "-cn", "-cp", "--multirun", "-m", "a=1", "--config-name=x", "--info") if takes_next_word(word)
    ] == [
        "--config-name",
        "-cn",
        "-cp",
    ]
    assert parse_command_line([]) == CommandLine()
