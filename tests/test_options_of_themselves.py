"""Keyword arguments kept in a dict that is made of itself, or of another one that is made of it."""

from __future__ import annotations

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls
from gonogo.analysis.python.options import keyword_arguments

MADE = [
    'options = {**options, "lr": 1}',
    'options = dict(lr=1)\n    options = {**options, **options, "momentum": 2}',
    'options = {"lr": 1}\n    options: dict = {"a": 1, **options}',
    'other = {**options, "lr": 1}\n    options = {**other}',
    'options = {"lr": 1}\n    options.update({**options})',
    'for step in range(3):\n        options = {**options, "lr": step}',
    'options, other = {**other}, {**options}\n    options["lr"] = 1',
    'options["lr"] = 1\n    options = {**{**options}}',
    'first = {**second}\n    second = {**third, "lr": 2}\n    third = {**first}\n    options = {**first}',
    'options = {"lr": 1, **{**options, "a": 2}}',
]


@pytest.mark.parametrize("made", MADE)
def test_a_dict_that_is_made_of_itself_has_its_entries(made: str) -> None:
    module = Module("train.py", f"def build(make, options, other=None):\n    {made}\n    return make(1, **options)\n")
    [call] = [call for call in calls(module) if getattr(call.func, "id", "") == "make"]
    assert "lr" in keyword_arguments(module, call)
