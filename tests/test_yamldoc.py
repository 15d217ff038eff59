"""YAML as value and as places; what would explode is an error with a line."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf._utils import get_yaml_loader

from gonogo.documents.yaml import MAX_DEPTH, Place, parse_yaml

TEXT = """\
# comment
run:
  run_id: a   # the id
  lr: 1e-4
  steps: [1, {deep: x}]
  when: 2024-01-01
empty: {}
nothing:
"""


def test_values_and_places():
    document = parse_yaml(TEXT)
    assert document.error is None
    assert document.value == {
        "run": {"run_id": "a", "lr": 1e-4, "steps": [1, {"deep": "x"}], "when": "2024-01-01"},
        "empty": {},
        "nothing": None,
    }
    assert document.places["run", "lr"] == Place(4, 3, 5)
    assert document.places["run", "steps", 1] == Place(5, 14, 23)
    assert document.places["run", "steps", 1, "deep"] == Place(5, 15, 19)
    assert document.top_level_keys() == {"run", "empty", "nothing"}
    assert document.get(("run", "steps", 1, "deep")) == "x"
    assert document.get(("run", "steps", 9)) is None
    assert document.get(("run", "lr", "x"), 5) == 5
    assert list(document.leaves) == [("run", "run_id"), ("run", "lr"), ("run", "steps"), ("run", "when"), ("empty",), ("nothing",)]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: [1", 1, "did not find"),
        ("a: 1\na: 2\n", 2, "duplicate key a"),
        ("a:\n\tb: 1\n", 2, "cannot start any token"),
        ("x: 1\nb: &a [*a]\n", 2, "contains itself"),
        ("a: &a {b: *a}\n", 1, "contains itself"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "constructor"),
        ("a: 1\n---\nb: 2\n", 2, "single document"),
        ("a: *b\n", 1, "alias"),
        ("a: \0\n", 1, "#x0000"),
        ("a: " + "9" * 5000, 1, "digits"),
        ("{a: 1}: 2\n", 1, "unhashable"),
        ("\n".join(["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]), 1, "more than 200000 nodes"),
    ],
)
def test_faults_have_a_place(text, line, words):
    error = parse_yaml(text).error
    assert error is not None
    assert words in error.message
    assert error.line >= line


@pytest.mark.parametrize(
    "text",
    [
        "[" * 30_000,
        "{a: " * 30_000,
        "- " * 30_000,
        "-  " * 30_000,
        "-\t" * 30_000,
        "? " * 30_000,
        "? - " * 30_000,
        "- ? " * 30_000,
        "\n".join(" " * n + "a:" for n in range(2000)),
        "\n".join(" " * n + "-" for n in range(2000)),
        "[ # x\n" * 30_000,
        "a: !!x [" * 30_000,
        "- &a !!seq\n" * 200 + "[" * 30_000,
    ],
)
def test_depth_is_an_error_not_a_crash(text):
    assert parse_yaml(text).error is not None


@pytest.mark.slow
def test_wide_is_fine():
    text = "".join(f"k{n}: {n}\n" for n in range(20_000)) + "list:\n" + "- x\n" * 20_000
    document = parse_yaml(text)
    assert document.error is None
    assert len(document.value) == 20_001


def test_moderate_depth_is_fine():
    assert parse_yaml("[" * (MAX_DEPTH - 10) + "]" * (MAX_DEPTH - 10)).error is None


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.text() | st.text(alphabet="ab:-?[]{}&*!|>'\"#%@` \n\t1.e~,<=", max_size=60))
def test_any_text_is_a_document_or_an_error(text):
    document = parse_yaml(text)
    list(document.leaves)
    if document.error is not None:
        assert document.value is None
        assert document.error.line >= 1
        assert document.error.message


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**12), 10**12)
        | st.floats(allow_nan=False)
        | st.text(alphabet=st.characters(codec="utf-8")),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz_", min_size=1, max_size=4), inner, max_size=3),
        max_leaves=10,
    )
)
def test_values_are_those_of_omegaconf(value):
    text = yaml.safe_dump({"top": value}, allow_unicode=True)
    assert parse_yaml(text).value == yaml.load(text, Loader=get_yaml_loader())


@pytest.mark.parametrize(
    "scalar", ["1e-4", "1e5", "1_000", "0x10", "010", "1:30", "yes", "off", "~", "2024-01-01", ".5", "-.inf", "1.", "+3", "0o7"]
)
def test_scalars_are_those_of_omegaconf(scalar):
    text = f"a: {scalar}\n"
    assert parse_yaml(text).value == OmegaConf.to_container(OmegaConf.create(text))
