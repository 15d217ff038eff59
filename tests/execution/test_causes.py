"""Failures that may not be the experiment's: told apart by what was raised, where, and what the code says there."""

from __future__ import annotations

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.execution.causes import excuse, refuses
from gonogo.execution.observations import Happened, Process, Raised, RunSeen

CODE = """\
def check(accuracy, name, known):
    if accuracy < 0.8:
        raise RuntimeError("the source model is too weak")
    if name not in known:
        raise ValueError(f"unknown method {name}")
    assert accuracy <= 1
    return open("labels.json")
"""
MODULES = {"src/train.py": Module("src/train.py", CODE)}


def run(*, hosts: list[str] | None = None, unreachable: list[str] | None = None, late: bool = False) -> RunSeen:
    process = Process(1, 0, [], hosts=hosts or [], unreachable=[Happened(name, None) for name in unreachable or []])
    return RunSeen("a", argv=["results_dir=/box/tree/results"], late=late, ended=True, code=1, processes={1: process})


def raised(kind: str, message: str, line: int = 3, own: bool = True) -> list[Raised]:
    return [Raised(kind, "builtins", message, [("src/train.py", line, "check")], own)]


def test_own_check_of_a_number_may_fail_on_two_batches() -> None:
    assert "accuracy < 0.8" in excuse(raised("RuntimeError", "too weak"), run(), MODULES)
    assert "accuracy <= 1" in excuse(raised("AssertionError", "", line=6), run(), MODULES)


def test_division_by_a_number_of_two_batches_is_no_fault() -> None:
    assert "ZeroDivisionError at src/train.py:7" in excuse(raised("ZeroDivisionError", "float division by zero", line=7), run(), MODULES)


def test_refusal_is_told_from_a_crash() -> None:
    assert refuses(raised("RuntimeError", "too weak"), MODULES)
    assert not refuses(raised("KeyError", "accuracy", line=7), MODULES)
    assert not refuses(raised("KeyError", "accuracy", line=3, own=False), MODULES)
    assert not refuses(raised("KeyError", "accuracy", line=99), MODULES)
    assert not refuses(None, MODULES)


def test_own_check_of_a_name_does_not_depend_on_how_much_was_run() -> None:
    assert excuse(raised("ValueError", "unknown method x", line=5), run(), MODULES) == ""


def test_connection_that_fails_is_no_fault_where_the_network_was_wanted() -> None:
    chain = raised("ConnectionError", "Max retries exceeded", own=False)
    assert "huggingface.co" in excuse(chain, run(hosts=["huggingface.co"]), MODULES)
    assert excuse(chain, run(), MODULES) == ""


def test_other_failure_is_a_fault_although_the_network_was_wanted_before() -> None:
    assert excuse(raised("TypeError", "bad operand", own=False), run(hosts=["huggingface.co"]), MODULES) == ""


@pytest.mark.parametrize(
    "message",
    [
        "cannot import name 'x' from 'hydra.utils' (/home/me/.cache/env/lib/python3.11/site-packages/hydra/utils.py)",
        'Caught KeyError in DataLoader worker process 0.\n  File "/home/me/env/lib/python3.11/site-packages/torch/worker.py", line 3',
        'Caught KeyError in DataLoader worker process 0.\n  File "/home/me/.cache/en',
        "Command '['/home/me/env/bin/python', '-m', 'src.train']' returned non-zero exit status 1.",
    ],
)
def test_path_of_the_environment_is_no_excuse(message: str) -> None:
    assert excuse(raised("RuntimeError", message, line=7, own=False), run(), MODULES) == ""


@pytest.mark.parametrize(
    "message",
    ["[Errno 2] No such file or directory: '/datasets/CIFAR-10-C/fog.npy'", ".cache/waves/train.npy is missing", "No file data/train.csv"],
)
def test_data_that_are_elsewhere_are_no_fault(message: str) -> None:
    assert "it needs" in excuse(raised("FileNotFoundError", message, line=7, own=False), run(), MODULES)


@pytest.mark.parametrize("message", ["[Errno 2] No such file or directory: 'labels.json'", "No such file: '/box/tree/labels.json'"])
def test_file_that_nobody_ships_is_a_fault(message: str) -> None:
    assert excuse(raised("FileNotFoundError", message, line=7, own=False), run(), MODULES) == ""


def test_time_that_was_up_is_no_fault() -> None:
    assert excuse(None, run(late=True), MODULES) == "its time was up"


def test_failure_that_no_probe_saw_has_no_excuse() -> None:
    assert excuse(None, run(hosts=["x"]), MODULES) == ""


@pytest.mark.parametrize(
    "message",
    [
        "[Errno 30] Read-only file system: '/box/tree/src/train.py'",
        "[Errno 30] Read-only file system: 'src/train.py'",
        "[Errno 16] Device or resource busy: 'src/train.py' -> 'src/old.py'",
    ],
)
def test_write_to_its_own_code_is_no_fault(message: str) -> None:
    assert "it writes src/train.py, which is part of the code under review" in excuse(raised("OSError", message, own=False), run(), MODULES)


def test_write_elsewhere_that_is_refused_is_not_that() -> None:
    assert "code under review" not in excuse(raised("OSError", "[Errno 30] Read-only file system: '/data/x'", own=False), run(), MODULES)


def test_system_call_that_the_sandbox_refuses_is_no_fault() -> None:
    assert "may refuse" in excuse(raised("OSError", "[Errno 97] Address family not supported by protocol", own=False), run(), MODULES)
    assert excuse(raised("PermissionError", "[Errno 1] Operation not permitted: 'x'", own=False), run(), MODULES) == ""
