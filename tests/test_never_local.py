"""Names asked for among the local ones: every answer of ours is held against Python, which runs the function."""

from __future__ import annotations

import ast

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer

SETS_ELSEWHERE = "def other():\n    best = 1\n    return best\n\n\n"
IN_VAIN = {
    "locals": 'def f():\n    if "best" in locals():\n        return 1\n    return 0\n',
    "dir": 'def f():\n    return 1 if "best" in dir() else 0\n',
    "vars": 'def f():\n    found = "best" in vars()\n    return int(found)\n',
    "keys": 'def f():\n    while "best" in locals().keys():\n        return 1\n    return 0\n',
    "with arguments": 'def f(model=1, *rest, **more):\n    state = model\n    if "best" in locals() and state:\n        return 1\n    return 0\n',
    "a method": 'class A:\n    best = 3\n\n    def g(self):\n        return 1 if "best" in locals() else 0\n\n\ndef f():\n    return A().g()\n',
    "a name of the module": 'best = 2\n\n\ndef f():\n    return 1 if "best" in locals() else 0\n',
    "a global name": 'def f():\n    global best\n    best = 2\n    return 1 if "best" in locals() else 0\n',
    "an inner function": 'def f():\n    def inner():\n        best = 1\n        return best\n    inner()\n    return 1 if "best" in locals() else 0\n',
    "within with and try": 'def f():\n    try:\n        if "best" in locals():\n            return 1\n    finally:\n        pass\n    return 0\n',
}  # fmt: skip
BOUND = {
    "bound before": 'def f():\n    best = 1\n    return 1 if "best" in locals() else 0\n',
    "bound under a condition": 'def f():\n    for best in []:\n        pass\n    return 1 if "best" in locals() else 0\n',
    "an argument": 'def f(best=1):\n    return 1 if "best" in locals() else 0\n',
    "any arguments": 'def f(**best):\n    return 1 if "best" in locals() else 0\n',
    "an import": 'def f():\n    import os as best\n    return 1 if "best" in locals() else 0\n',
    "of the function around": 'def f():\n    best = 1\n    def inner():\n        return best and (1 if "best" in locals() else 0)\n    return inner()\n',
    "executed text": 'def f():\n    names = {}\n    exec("best = 1", names)\n    return 1 if "best" in locals() else 0\n',
    "written into locals": 'def f():\n    locals()["best"] = 1\n    return 1 if "best" in locals() else 0\n',
    "updated": 'def f():\n    locals().update(best=1)\n    return 1 if "best" in locals() else 0\n',
    "of an object": 'def f():\n    return 1 if "best" in vars(f) else 0\n',
    "another locals": 'def locals():\n    return ["best"]\n\n\ndef f():\n    return 1 if "best" in locals() else 0\n',
    "the module": 'best = 1\nFOUND = "best" in locals()\n\n\ndef f():\n    return int(FOUND)\n',
    "not among them": 'def f():\n    if "best" not in locals():\n        best = 1\n    return best\n',
    "a comprehension": 'def f():\n    return [1 for best in [1] if "best" in locals()][0]\n',
    "a class body": 'def f():\n    class A:\n        best = 1\n        found = "best" in locals()\n    return int(A.found)\n',
}  # fmt: skip


def answer(text: str) -> int:
    names: dict[str, object] = {}
    exec(compile(ast.parse(text), "f.py", "exec"), names)
    return names["f"]()  # type: ignore[operator, no-any-return]


@pytest.mark.parametrize("name", IN_VAIN)
def test_a_name_that_is_never_bound_is_told(name: str, composer: Composer) -> None:
    text = SETS_ELSEWHERE + IN_VAIN[name]
    assert answer(text) == 0
    found = run_rules(composer, {"train.py": text + "\n\nprint(f(), other())\n"}, "IMP104")
    assert [(each.severity, each.location.line) for each in found] == [
        ("warning", next(number for number, line in enumerate(text.splitlines(), 1) if '"best" in' in line))
    ]


@pytest.mark.parametrize("name", BOUND)
def test_a_name_that_may_be_bound_is_not(name: str, composer: Composer) -> None:
    answer(BOUND[name])
    assert run_rules(composer, {"train.py": BOUND[name] + "\n\nprint(f())\n"}, "IMP104") == []
