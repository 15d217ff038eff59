"""Mangled trees: whatever is cut off, deleted or garbled, the gate answers; it never fails, and never hangs."""

from __future__ import annotations

import os
import re
import sys
import time
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.planted.__main__ import planted_variants
from benchmarks.planted.trees import Variant, load_goldens
from gonogo.engine.pipeline import check
from gonogo.model import plan as plans
from gonogo.model.check_options import CheckOptions
from gonogo.model.experiment import Experiment, SourceFile

GOLDENS = load_goldens()


@lru_cache
def planted() -> list[Variant]:
    """Every defect in two of the golden trees, made once."""
    return planted_variants(GOLDENS[:2], 0)


CLEAN = [Variant(golden.name, "golden", golden.files, golden.plan) for golden in GOLDENS]
TOKEN = re.compile(r"\w+|[^\w\s]|\n[ \t]*")
GARBAGE = [
    "\t",
    ": ",
    "- ",
    "{",
    "]",
    "&a ",
    "*a",
    "? ",
    "!!python/name:os.system ",
    "${",
    "'",
    '"',
    "|\n",
    "\x00",
    "\u2028",
    "é",
    "%",
    "<<: ",
]
SECONDS = 60.0  # far more than any tree needs, also on a busy machine
FAST = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
# With derandomize, the slow part tries more of the same kind, and the same each time.
SLOW = settings(FAST, max_examples=3)
EVERY = int(os.environ.get("GONOGO_EVERY_PLANTED", "3"))  # 1: all planted trees, which takes a quarter of an hour


def truncated(draw, text):
    return text[: draw(st.integers(0, len(text)))]


def without_tokens(draw, text):
    tokens = list(TOKEN.finditer(text))
    gone = draw(st.lists(st.integers(0, max(len(tokens) - 1, 0)), min_size=1, max_size=8, unique=True)) if tokens else []
    for place in sorted(gone, reverse=True):
        text = text[: tokens[place].start()] + text[tokens[place].end() :]
    return text


def garbled(draw, text):
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(GARBAGE)) + text[place:]
    return text


def with_other_indents(draw, text):
    lines = text.split("\n")
    for place in draw(st.lists(st.integers(0, len(lines) - 1), min_size=1, max_size=5)):
        lines[place] = " " * draw(st.integers(0, 6)) + lines[place].lstrip()
    return "\n".join(lines)


MANGLES = (truncated, without_tokens, garbled, with_other_indents)


def mangled(draw, variant):
    """The files of a tree with one or two of them mangled."""
    files = dict(variant.files)
    for path in draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=2, unique=True)):
        files[path] = draw(st.sampled_from(MANGLES))(draw, files[path])
    return files


def survives(files, plan, composer):
    started = time.monotonic()
    experiment = Experiment("mangled", {path: SourceFile(path, text) for path, text in files.items()}, plans.parse(plan, "plan.yaml"))
    verdict = check(experiment, CheckOptions(timeout=SECONDS), composer)
    assert time.monotonic() - started < SECONDS + 5
    assert [str(stage.name) for stage in verdict.stages] == ["read", "check", "compose"]
    # A rule that fails is reported as undecided with the exception's name; the gate's own errors have sentences.
    assert not [reason for reason in verdict.undecided if re.search(r"could not run: \w*(?:Error|Exception|Exit)\b", reason)]


@pytest.mark.slow
@FAST
@given(data=st.data())
def test_mangled_golden_trees_get_an_answer(composer, data):
    variant = data.draw(st.sampled_from(CLEAN))
    survives(mangled(data.draw, variant), variant.plan, composer)


@pytest.mark.slow
@FAST
@given(data=st.data())
def test_mangled_planted_trees_get_an_answer(composer, data):
    variant = data.draw(st.sampled_from(planted()))
    survives(mangled(data.draw, variant), variant.plan, composer)


@pytest.mark.slow
@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
@settings(FAST, max_examples=60)
@given(data=st.data())
def test_every_golden_tree_gets_an_answer(golden, composer, data):
    variant = Variant(golden.name, "golden", golden.files, golden.plan)
    survives(mangled(data.draw, variant), variant.plan, composer)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(GOLDENS)), ids=[golden.name for golden in GOLDENS])
def test_planted_trees_get_an_answer_at_length(number, composer):
    for variant in list(planted_variants([GOLDENS[number]], 0))[::EVERY]:
        survives_mangling(variant, composer)


def survives_mangling(variant, composer):
    @SLOW
    @given(data=st.data())
    def each(data):
        survives(mangled(data.draw, variant), variant.plan, composer)

    each()
