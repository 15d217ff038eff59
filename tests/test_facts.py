"""Facts: each computed once, also where it fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gonogo.engine import facts as registry
from gonogo.engine.facts import Facts


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """How often facts of our own were computed: one that can't be, one, and one made of it."""
    counts = {"broken": 0, "base": 0}
    registry.names()

    def broken() -> None:
        counts["broken"] += 1
        raise ValueError("it can't be known")

    def base() -> int:
        counts["base"] += 1
        return 20

    def above(base: int, experiment: int) -> int:
        return base + experiment

    for function in (broken, base, above):
        monkeypatch.setitem(registry._PROVIDERS, function.__name__, function)
    yield counts


def test_a_fact_is_computed_once(counted: dict[str, int]) -> None:
    facts = Facts(experiment=1)
    assert [facts.get("above"), facts.get("base"), facts.get("above")] == [21, 20, 21]
    assert counted["base"] == 1


def test_a_fact_that_fails_fails_the_same_way_and_is_not_tried_again(counted: dict[str, int]) -> None:
    facts = Facts()
    errors = []
    for _ in range(3):
        with pytest.raises(ValueError, match="it can't be known") as caught:
            facts.get("broken")
        errors.append(caught.value)
    assert counted["broken"] == 1
    assert errors[0] is errors[1] is errors[2]


def test_a_fact_is_nobody_s_but_this_experiment_s(counted: dict[str, int]) -> None:
    assert Facts(experiment=1).get("above") != Facts(experiment=2).get("above")


def test_there_is_no_such_fact() -> None:
    with pytest.raises(LookupError, match="no fact 'never_heard_of'"):
        Facts().get("never_heard_of")


def test_what_a_stage_found_out_is_a_fact() -> None:
    facts = Facts()
    facts.give("trial", "seen")
    assert facts.get("trial") == "seen"
