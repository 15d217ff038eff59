"""Scopes, imports and definitions across modules; what can't be told is None."""

import ast
import symtable
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.analysis.python.imports import find_imports, third_party
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.scopes import FUNCTIONS, Scopes
from gonogo.analysis.python.symbols import Symbols

OWN_SOURCES = sorted((Path(__file__).parents[1] / "src" / "gonogo").rglob("*.py"))

IDIOMS = """
import os, sys as system
from a.b import c as d
def f(x, /, y, *args, z=1, **rest):
    global counter
    counter = y
    with open(x) as (first, second):
        pass
    for i, (j, *k) in z: pass
    try: pass
    except ValueError as error: del error
    [inner for inner in z if (walrus := inner)]
    match x:
        case {"a": captured, **others}: pass
        case [star, *stars] | Point(star=star, stars=stars): pass
    def nested():
        nonlocal i
        i = 2
    class Inner:
        attribute = 1
    lambda parameter: parameter
    x.attribute, args[0] = 1, 2
    late: int
    import email.mime
"""


def local_names(table):
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_local() and not symbol.is_global()}


COMPREHENSIONS = ("listcomp", "setcomp", "dictcomp", "genexpr")


def inlined_names(text):
    """The targets of comprehensions: since Python 3.12 (PEP 709) `symtable` counts most of them to the function around them."""
    if sys.version_info < (3, 12):
        return set()
    targets = [node.target for node in ast.walk(ast.parse(text)) if isinstance(node, ast.comprehension)]
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}


def functions_of(table):
    for child in table.get_children():
        if child.get_type() == "function" and child.get_name() not in ("lambda", *COMPREHENSIONS):
            yield child
        yield from functions_of(child)


@pytest.mark.parametrize(
    "text", [IDIOMS, *[path.read_text("utf-8") for path in OWN_SOURCES]], ids=["idioms", *[path.name for path in OWN_SOURCES]]
)
def test_functions_bind_what_python_says(text):
    module = Module("m.py", text)
    scopes = Scopes(module)
    ours = [(node.name, set(scopes.names(node).bound)) for node in module.nodes if isinstance(node, FUNCTIONS)]
    inlined = inlined_names(text)
    for table in functions_of(symtable.symtable(text, "m.py", "exec")):
        told = local_names(table) - inlined
        assert any(name == table.get_name() and told <= names for name, names in ours), (table.get_name(), told)


def test_lookup_finds_the_scope_that_python_uses():
    module = Module(
        "m.py", "x = 1\nclass C:\n    x = 2\n    def f(self):\n        return x\n    y = x\ndef g():\n    return [x for x in x]\n"
    )
    scopes = Scopes(module)
    uses = {node.lineno: node for node in module.nodes if isinstance(node, ast.Name) and node.id == "x" and isinstance(node.ctx, ast.Load)}
    assert scopes.lookup("x", uses[5])[0] is module.tree
    assert isinstance(scopes.lookup("x", uses[6])[0], ast.ClassDef)
    assert scopes.lookup("nothing", uses[5]) is None


def test_global_statements_bind_in_the_module():
    module = Module("m.py", "def f():\n    global x\n    x = 1\n")
    assert "x" in Scopes(module).names(module.tree).bound


def make(files):
    modules = {path: Module(path, text) for path, text in files.items() if path.endswith(".py")}
    return Symbols(modules, files), modules


def test_modules_present_absent_unknown():
    symbols, _ = make({"src/a.py": "", "src/b.so": "", "config/config.yaml": ""})
    assert symbols.has_module("src") is True
    assert symbols.has_module("src.a") is True
    assert symbols.has_module("src.c") is False
    assert symbols.has_module("src.b") is None
    assert symbols.has_module("torch.nn") is None
    assert symbols.has_module("config") is None


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("x = 1", "x", True),
        ("x = 1", "y", False),
        ("if a:\n    x = 1", "x", True),
        ("for x in []: pass", "x", True),
        ("match a:\n    case [x]: pass", "x", True),
        ("def f():\n    global x\n    x = 1", "x", True),
        ("from os import *", "x", None),
        ("def __getattr__(name): ...", "x", None),
        ("globals()['x'] = 1", "x", None),
        ("import sys\nsys.modules[__name__].x = 1", "x", None),
        ("x = model.modules()", "y", False),
        ("def f(:", "x", None),
    ],
)
def test_names_present_absent_unknown(text, name, expected):
    symbols, _ = make({"src/a.py": text})
    assert symbols.binds("src.a", name) is expected


def resolved(files, path, expression):
    symbols, modules = make(files)
    node = next(node for node in modules[path].nodes if isinstance(node, ast.expr) and ast.unparse(node) == expression)
    found = symbols.resolve(modules[path], node)
    return found and (found.module.path, found.node.name)


MODEL = {"src/model.py": "def build(cfg): ...\nclass Net: ...\n"}


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("from src.model import build\nbuild(1)", "build"),
        ("from .model import build as make\nmake(1)", "make"),
        ("import src.model as m\nm.build(1)", "m.build"),
        ("import src.model\nsrc.model.build(1)", "src.model.build"),
        ("from . import model\nmodel.build(1)", "model.build"),
        ("def f():\n    from src.model import build\n    build(1)", "build"),
    ],
)
def test_resolves_across_modules(text, expression):
    assert resolved(MODEL | {"src/main.py": text}, "src/main.py", expression) == ("src/model.py", "build")


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("from src.model import build\nbuild = wrap(build)\nbuild(1)", "build"),
        ("from src.model import build\ndef f(build):\n    build(1)", "build"),
        ("from src.model import *\nbuild(1)", "build"),
        ("import src.model as m\nm.build = other\nm.build(1)", "m.build"),
        ("if x:\n    from src.model import build\nelse:\n    build = None\nbuild(1)", "build"),
        ("m.build(1)", "m.build"),
    ],
)
def test_does_not_resolve_what_may_be_something_else(text, expression):
    assert resolved(MODEL | {"src/main.py": text}, "src/main.py", expression) is None


def found_imports(text, path="src/main.py"):
    return find_imports({path: Module(path, text)})


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import timm\nexcept ImportError:\n    timm = None",
        "try:\n    import timm\nexcept (OSError, ModuleNotFoundError):\n    pass",
        "try:\n    import tomllib\nexcept ImportError:\n    import tomli",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import timm",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import timm",
        "import sys\nif sys.platform == 'win32':\n    import timm",
        "def f():\n    if HAS_TIMM:\n        import timm",
    ],
)
def test_guarded_imports(text):
    assert found_imports(text)[-1].guarded


@pytest.mark.parametrize(
    "text", ["import timm", "def f():\n    if cfg.pretrained:\n        import timm", "try:\n    import timm\nfinally:\n    pass"]
)
def test_unguarded_imports(text):
    assert not found_imports(text)[-1].guarded


def test_relative_imports_have_absolute_targets():
    imports = found_imports("from .model import a\nfrom . import model\nfrom ..x import b\nimport src.model as m")
    assert [entry.target for entry in imports] == ["src.model", "src", "", "src.model"]


def test_third_party_leaves_out_the_standard_library_and_the_tree():
    imports = found_imports("import os, torch.nn, model\nfrom src.model import a\nfrom .x import b\n")
    assert [entry.top for entry in third_party(imports, ["src/main.py", "src/model.py"])] == ["torch"]


@pytest.mark.slow
@given(st.text())
def test_arbitrary_text_raises_nothing(text):
    symbols, modules = make({"src/main.py": text})
    find_imports(modules)
    symbols.binds("src.main", "x")


@given(st.lists(st.sampled_from(IDIOMS.strip().split("\n")), max_size=12).map("\n".join))
def test_lines_in_any_order_raise_nothing(text):
    symbols, modules = make({"src/main.py": text})
    module = modules["src/main.py"]
    for node in module.nodes:
        if isinstance(node, ast.Name):
            symbols.resolve(module, node)
