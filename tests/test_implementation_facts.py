"""Placeholders, markers, truncated files and what ruff says."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.analysis.python.lint import COMPILE_ERRORS, RUN_TIME_ERRORS, run_ruff
from gonogo.analysis.python.markers import find_marker
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.placeholders import PlaceholderFinder
from gonogo.analysis.python.remarks import data_remarks, module_remarks
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.python.truncation import is_truncated, syntax_fault


def placeholders(text):
    return [entry.node.name for entry in PlaceholderFinder(Symbols({"m.py": Module("m.py", text)}, ["m.py"])).find()]


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    pass",
        "def f(x):\n    ...",
        "def f(x):\n    'Says what it does.'\n    pass",
        "def f(x):\n    'Says what it does.'\nf(1)",
        "def f(x):\n    raise NotImplementedError",
        "def f(x):\n    raise NotImplementedError('not implemented yet')",
        "def f(x):\n    # TODO: read the data\n    return None",
        "def f(x):\n    return []  # placeholder",
        "class A(nn.Module):\n    def f(self, x):\n        raise NotImplementedError",
        "class A(Dataset):\n    def f(self):\n        pass",
        "class A:\n    async def f(self):\n        ...",
        "import torch\n@torch.no_grad()\ndef f(x):\n    pass",
    ],
)
def test_placeholders(text):
    assert placeholders(text) == ["f"]


@pytest.mark.parametrize(
    "text",
    [
        "class A(Exception):\n    pass",
        "from abc import ABC, abstractmethod\nclass A(ABC):\n    @abstractmethod\n    def f(self): ...",
        "from abc import ABCMeta\nclass A(metaclass=ABCMeta):\n    def f(self): ...",
        "from typing import Protocol\nclass A(Protocol):\n    def f(self): ...",
        "from typing import overload\n@overload\ndef f(x: int): ...\ndef f(x): return x",
        "class A:\n    def f(self):\n        raise NotImplementedError\nclass B(A):\n    def f(self):\n        return 1",
        "class BaseMethod:\n    def f(self):\n        raise NotImplementedError",
        "class A:\n    def f(self):\n        raise NotImplementedError('subclasses must implement this')",
        "class A:\n    def f(self):\n        raise NotImplementedError('use g instead')",
        "class A:\n    def close(self):\n        pass\n    def on_epoch_end(self):\n        pass\n    def __exit__(self, *_):\n        pass",
        "class NullLogger:\n    def log(self, **values):\n        pass\n    def save(self):\n        pass",
        "class Source:\n    def adapt(self, x):\n        pass\nclass Tent:\n    def adapt(self, x):\n        return x.mean()",
        "class A(Callback):\n    def f(self):\n        pass",
        "try:\n    import x\nexcept ImportError:\n    def f():\n        pass",
        "if debug:\n    def f():\n        pass\nelse:\n    def f():\n        return 1",
        "def noop(*_):\n    pass",
        "def f(*_):\n    pass\nsignal.signal(signal.SIGTERM, f)",
        "@click.group()\ndef f():\n    pass",
        "def f(x):\n    'A specification.'",
        "def f(x):\n    return None",
        "def f(x):\n    if x:\n        raise NotImplementedError\n    return 1",
    ],
)
def test_no_placeholders(text):
    assert placeholders(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "TODO: implement",
        "TODO(me): Implement the loader",
        "placeholder implementation",
        "This is just a placeholder.",
        "dummy implementation",
        "details omitted for brevity",
        "... rest of the code",
        "… (remaining functions unchanged)",
        "the rest of the file remains the same",
        "existing code here",
        "your code goes here",
        "Implement this method",
        "should be implemented later",
        "random scores, for demonstration only.",
        "In a real implementation, you would load\nthe checkpoint",
        "replace this with the actual model",
    ],
)
def test_markers_of_missing_code(text):
    assert find_marker(text)[1] is True


@pytest.mark.parametrize(
    "text",
    [
        "TODO",
        "for demonstration purposes",
        "FIXME: slow",
        "(Same as provided by the previous iteration - retained verbatim)",
        "Evaluation script (unchanged).",
        "Evaluation script (unchanged - already compliant).",
        "Unchanged but included for completeness.",
        "unchanged from the previous version",
        "a simplified version of the loss",
    ],
)
def test_markers_in_doubt(text):
    assert find_marker(text)[1] is False


@pytest.mark.parametrize(
    "text",
    [
        "replace the placeholder token",
        "{} # placeholder filled by Hydra",
        "weights stay unchanged",
        "they are safe to pass on\nunchanged.",
        "the optimiser leaves BatchNorm statistics unchanged",
        "prefix unchanged",
        "todo_list holds what is left",
        "so that the rest of the code is agnostic to it",
        "This makes the rest of the code agnostic to where these parameters were",
        "everything else is the same as in the baseline",
        "a highly abbreviated pass (1-2 batches)",
        "a minimal CLI stub parsed by Hydra",
        "arguments omitted for brevity",
        "subclasses must implement this",
        "We implement this with a hook",
        "the metrics file goes here",
        "biases are omitted here",
        "use the demonstration data",
        "in practice the loss is clipped",
        "in a real setting of 10 classes",
        "dummy input for the shape",
        "a simplified interface",
    ],
)
def test_ordinary_prose(text):
    assert find_marker(text) is None


def test_remarks_know_their_lines():
    text = '"""A docstring\nof two lines."""\nx = 1  # one\n# two\n# three\nprint("four")\nlog.info(f"five {x}")\nraise ValueError("six")\ny = "no"\n'
    remarks = {remark.text: (remark.line, remark.kind) for remark in module_remarks(Module("m.py", text), re.compile("one"))}
    assert remarks == {
        "A docstring\nof two lines.": (1, "docstring"),
        "one": (3, "comment"),
        "two\nthree": (4, "comment"),
        "four": (6, "shown"),
        "five ": (7, "shown"),
        "six": (8, "shown"),
    }


def test_comments_are_read_only_on_a_hint():
    module = Module("m.py", "x = 1  # one\n")
    assert not list(module_remarks(module, re.compile("two")))
    assert list(module_remarks(module, re.compile("one")))


def test_remarks_of_data_files():
    assert [(entry.line, entry.text) for entry in data_remarks("c.yaml", "a: 1  # one\nb: '#no'\n# two\nc: x#y\n")] == [
        (1, "one"),
        (3, "two"),
    ]


def truncated(text):
    module = Module("m.py", text)
    return module.fault is not None and is_truncated(text, module.fault)


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\ny = ",
        "def f():",
        "def f():\n",
        "if x:\n    y = f(1,",
        "x = f(1,\n    2,\n",
        "x = {'a': [1, 2",
        'def f():\n    """Says',
        "x = 'abc",
        "x = f(a=",
        "for x in",
        "class A:\n    def f(self):\n        return (\n",
        "try:\n    x = 1\n",
    ],
)
def test_truncated(text):
    assert truncated(text)


@pytest.mark.parametrize(
    "text", ["x = 1", "x = = 1\ny = 1", "x = f(1, 2\ny = 3\nz = 4\n", "def f(:\n    pass\n", "```python\nx = 1\n```", "x = = 1", "print 1"]
)
def test_not_truncated(text):
    assert not truncated(text)


@given(st.text(alphabet="x=(1,)'\"\n: #[]{}", max_size=40))
def test_truncation_of_arbitrary_text(text):
    truncated(text)


def complaints(tmp_path, text, python=(3, 11)):
    (tmp_path / "m.py").write_text(text, "utf-8")
    return run_ruff(tmp_path, ["m.py"], python)


@pytest.mark.parametrize(
    "text",
    [
        "def f(:\n    pass",
        "return 1",
        "def f(a, a): pass",
        "break",
        "def f():\n    nonlocal x",
        "await x",
        "def f():\n    print(x)\n    global x\n    x = 1",
    ],
)
def test_what_every_python_refuses(tmp_path, text):
    assert syntax_fault(Module("m.py", text), complaints(tmp_path, text)) is not None


@pytest.mark.parametrize("text", ["type X = int", "def f[T](x: T): pass", 'print(f"{\'a\' + "b"}")', "match 1:\n    case 1: pass", "x = 1"])
def test_newer_syntax_is_no_fault(tmp_path, text):
    assert syntax_fault(Module("m.py", text), complaints(tmp_path, text, (3, 9))) is None


# Each code that is kept, with a text that really raises.
RAISING = {
    "F821": ("x = undefined", NameError),
    "F823": ("x = 1\ndef f():\n    y = x\n    x = y\nf()", UnboundLocalError),
    "PLE0100": ("class A:\n    def __init__(self):\n        yield 1\nA()", TypeError),
    "PLE0101": ("class A:\n    def __init__(self):\n        return 1\nA()", TypeError),
    "PLE0241": ("class A: ...\nclass B(A, A): ...", TypeError),
    "PLE0302": ("class A:\n    def __getitem__(self): ...\nA()[1]", TypeError),
    "PLE1132": ("dict(**{'a': 1}, a=2)", TypeError),
    "PLE1300": ("'%z' % 1", ValueError),
    "PLE1307": ("'%d' % 'x'", TypeError),
    "PLE1507": ("import os\nos.getenv(1)", TypeError),
}


@pytest.mark.parametrize("code", sorted(RAISING))
def test_kept_codes_mean_an_exception(tmp_path, code):
    text, error = RAISING[code]
    assert code in {complaint.code for complaint in complaints(tmp_path, text)}
    with pytest.raises(error):
        exec(compile(text, "m.py", "exec"), {})


def test_every_kept_code_is_tested():
    assert set(RAISING) == RUN_TIME_ERRORS - {"F822"}
    assert not COMPILE_ERRORS & RUN_TIME_ERRORS
