"""Calls against signatures: what Python itself says to the call, from the tree alone."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.receivers import called
from gonogo.analysis.python.signatures import from_arguments
from gonogo.analysis.python.symbols import Symbols

NAMES = ["a", "b", "c", "d"]


@st.composite
def parameters(draw):
    names = draw(st.permutations(NAMES))[: draw(st.integers(0, 4))]
    only, plain = sorted((draw(st.integers(0, len(names))), draw(st.integers(0, len(names)))))
    first_default = draw(st.integers(0, plain))
    parts = [name if number < first_default else f"{name}=0" for number, name in enumerate(names[:plain])]
    if only:
        parts.insert(only, "/")
    if draw(st.booleans()):
        parts.append("*args")
    elif names[plain:]:
        parts.append("*")
    parts += [name + draw(st.sampled_from(["", "=0"])) for name in names[plain:]]
    if draw(st.booleans()):
        parts.append("**rest")
    return ", ".join(parts)


@st.composite
def arguments(draw):
    keywords = draw(st.lists(st.sampled_from([*NAMES, "e"]), unique=True, max_size=4))
    return ", ".join(["0"] * draw(st.integers(0, 5)) + [f"{name}=0" for name in keywords])


@given(parameters(), arguments())
def test_binds_as_python_does(signature, call):
    function = eval(f"lambda {signature}: None")
    try:
        eval(f"function({call})", {"function": function})
        expected = True
    except TypeError:
        expected = False
    ours = from_arguments(ast.parse(f"def f({signature}): ...").body[0].args, bound=False)
    assert (ours.problem(ast.parse(f"f({call})", mode="eval").body) is None) is expected


def problem(text):
    """What is wrong with the last call of a module: a sentence, None for nothing, 'unknown'."""
    module = Module("m.py", text)
    call = max((node for node in module.nodes if isinstance(node, ast.Call)), key=lambda node: (node.lineno, -node.col_offset))
    found = called(Symbols({"m.py": module}, ["m.py"]), module, call)
    return found[1].problem(call) if found else "unknown"


DATACLASS = "from dataclasses import dataclass, field\nfrom typing import ClassVar\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(a): ...\nf(1, 2)", "it takes at most 1 positional argument, and 2 are given"),
        ("def f(): ...\nf(1)", "it takes no positional arguments, and 1 is given"),
        ("def f(a, /, **rest): ...\nf(a=1)", "`a` is missing"),
        ("def f(a, b, c): ...\nf(1)", "`b`, `c` are missing"),
        ("def f(a): ...\nf(b=1)", "it has no parameter `b`"),
        ("def f(a): ...\nf(1, a=2)", "`a` is given twice"),
        ("def f(a): ...\nf(*x)", None),
        ("def f(a): ...\nf(1, **x)", None),
        ("class A: ...\nA(1)", "it takes no positional arguments, and 1 is given"),
        ("class A:\n    def __init__(self, x): ...\nA()", "`x` is missing"),
        ("class A:\n    def __init__(self, x): ...\nclass B(A): ...\nB()", "`x` is missing"),
        ("class A:\n    def f(self, x): ...\n    def g(self): self.f()", "`x` is missing"),
        ("class A:\n    @staticmethod\n    def f(x): ...\n    def g(self): self.f(1)", None),
        (
            "class A:\n    @classmethod\n    def f(cls, x): ...\n    def g(self): self.f(1, 2)",
            "it takes at most 1 positional argument, and 2 are given",
        ),
        ("class A:\n    def f(self, x): ...\na = A()\na.f()", "`x` is missing"),
        ("import torch\n@torch.no_grad()\ndef f(a): ...\nf()", "`a` is missing"),
        ("from torch import nn\nclass A(nn.Module):\n    def __init__(self, x): ...\nA()", "`x` is missing"),
        (DATACLASS + "@dataclass\nclass A:\n    x: int\n    y: int = 0\nA()", "`x` is missing"),
        (DATACLASS + "@dataclass\nclass A:\n    x: ClassVar[int] = 0\n    y: list = field(default_factory=list)\nA(y=1)", None),
        (DATACLASS + "@dataclass\nclass A:\n    x: int\n@dataclass\nclass B(A):\n    y: int\nB(1)", "`y` is missing"),
        (DATACLASS + "@dataclass(kw_only=True)\nclass A:\n    x: int\nA(1)", "it takes no positional arguments, and 1 is given"),
        (DATACLASS + "@dataclass\nclass A:\n    x: int = field(init=False)\nA(x=1)", "it has no parameter `x`"),
        (DATACLASS + "@dataclass\nclass A:\n    x: int\n    def __init__(self): ...\nA()", None),
    ],
)
def test_known_calls(text, expected):
    assert problem(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "@decorate\ndef f(a): ...\nf()",
        "def f(a): ...\nf = wrap(f)\nf()",
        "if x:\n    def f(a): ...\nelse:\n    def f(): ...\nf()",
        "def f(a): ...\ndef g(f):\n    f()",
        "class A(Unknown): ...\nA(1)",
        "class A(Unknown):\n    def __init__(self): ...\nA(1)",
        "class A:\n    def __new__(cls, *args): ...\nA(1)",
        "class A(metaclass=Meta): ...\nA(1)",
        "@register\nclass A: ...\nA(1)",
        "class A(B, C): ...\nA(1)",
        "class A:\n    def f(self, x): ...\n    def g(self): self.f()\nclass B(A):\n    def f(self): ...",
        "class A:\n    def f(self, x): ...\n    def g(self):\n        self.f = 1\n        self.f()",
        "class A:\n    @property\n    def f(self): ...\n    def g(self): self.f(1)",
        "from attrs import define\n@define\nclass A:\n    x: int\nA()",
        DATACLASS + "@dataclass(init=False)\nclass A:\n    x: int\nA()",
        "from enum import Enum\nclass A(Enum):\n    def __init__(self, a, b): ...\nA(1)",
        "from pydantic import BaseModel\nclass A(BaseModel):\n    x: int\nA()",
    ],
)
def test_unknown_calls(text):
    assert problem(text) == "unknown"
