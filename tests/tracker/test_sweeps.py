"""Sweeps: search spaces, what is tried next, what is stopped early, and what agents are told."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.tracker.settings import Settings
from gonogo.tracker.store import Store
from gonogo.tracker.store.history import Chunk
from gonogo.tracker.store.runs import RefusedError
from gonogo.tracker.sweeps import controller, search, space, stopping
from gonogo.tracker.sweeps.controller import Controller
from gonogo.tracker.sweeps.search import Tried

# Search spaces


def parameter(**said: Any) -> space.Parameter:
    return space.read({"method": "random", "parameters": {"x": said}}).parameters[0]


def draws(count: int = 4000, **said: Any) -> list[Any]:
    source = random.Random(0)
    return [parameter(**said).sample(source) for _ in range(count)]


def test_values_that_can_be_counted() -> None:
    assert {*draws(value=3)} == {3}
    assert {*draws(values=["a", None, 2])} == {"a", None, 2}
    assert {*draws(min=2, max=5)} == {2, 3, 4, 5}
    assert {*draws(distribution="q_uniform", min=0, max=1, q=0.25)} == {0, 0.25, 0.5, 0.75, 1}
    weighted = Counter(draws(values=["a", "b"], probabilities=[0.9, 0.1]))
    assert 3400 < weighted["a"] < 3800


@pytest.mark.parametrize(
    ("said", "low", "high", "middle"),
    [
        ({"min": 1.0, "max": 3.0}, 1, 3, 2),
        ({"distribution": "uniform", "min": 0, "max": 4}, 0, 4, 2),
        ({"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2}, 1e-4, 1e-2, 1e-3),
        ({"distribution": "log_uniform", "min": 0, "max": 2}, 1, math.exp(2), math.e),
        ({"distribution": "inv_log_uniform_values", "min": 1e-4, "max": 1e-2}, 1e-4, 1e-2, 1e-3),
        ({"distribution": "inv_log_uniform", "min": 0, "max": 2}, math.exp(-2), 1, 1 / math.e),
        ({"distribution": "beta", "a": 2, "b": 2}, 0, 1, 0.5),
        ({"distribution": "normal", "mu": 5, "sigma": 1}, -5, 15, 5),
        ({"distribution": "log_normal", "mu": 0, "sigma": 1}, 0, math.inf, 1),
        ({"distribution": "q_normal", "mu": 5, "sigma": 2, "q": 5}, -10, 20, 5),
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 100, "q": 10}, 0, 100, 10),
        ({"distribution": "q_log_normal", "mu": 3, "sigma": 1, "q": 2}, 0, math.inf, 20),
        ({"distribution": "q_beta", "a": 2, "b": 2, "q": 0.5}, 0, 1, 0.5),
    ],
)
def test_distributions_have_their_bounds_and_their_middle(said: dict[str, Any], low: float, high: float, middle: float) -> None:
    found = sorted(draws(**said))
    assert low - 1e-9 <= found[0] and found[-1] <= high + 1e-9
    assert found[len(found) // 2] == pytest.approx(middle, rel=0.15)


@given(
    st.sampled_from(["uniform", "log_uniform", "log_uniform_values", "inv_log_uniform", "inv_log_uniform_values", "normal", "log_normal"]),
    st.floats(0.001, 0.999),
)
def test_the_share_of_a_value_is_found_again(kind: str, share: float) -> None:
    said = {"mu": 0.5, "sigma": 2.0} if "normal" in kind else {"min": 0.5, "max": 2.5}
    one = parameter(distribution=kind, **said)
    assert one.quantile is not None and one.position is not None
    assert one.position(one.quantile(share)) == pytest.approx(share, abs=1e-6)


def test_parameters_may_stand_in_others() -> None:
    config = {
        "method": "grid",
        "parameters": {"optimizer": {"parameters": {"lr": {"values": [1, 2]}, "name": {"value": "sgd"}}}, "seed": {"min": 0, "max": 1}},
    }
    found = space.read(config)
    assert found.size() == 4
    assert [found.point(number) for number in range(4)] == [
        {"optimizer": {"lr": lr, "name": "sgd"}, "seed": seed} for lr in (1, 2) for seed in (0, 1)
    ]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("method: shake\nparameters: {a: {value: 1}}", "method must be one of grid, random, bayes"),
        ("method: grid", "needs parameters"),
        ("method: random\nparameters: {a: 3}", "parameter a must say its value, values, or min and max, not 3"),
        ("method: random\nparameters: {a: {min: 1}}", "parameter a can't be read"),
        ("method: random\nparameters: {a: {min: 3, max: 1}}", "min 3 is more than max 1"),
        ("method: random\nparameters: {a: {distribution: log_uniform_values, min: 0, max: 1}}", "min must be more than 0"),
        ("method: random\nparameters: {a: {distribution: cauchy, min: 0, max: 1}}", "no distribution 'cauchy'"),
        ("method: random\nparameters: {a: {distribution: uniform, min: 0}}", "max is missing"),
        ("method: random\nparameters: {a: {values: []}}", "a list with something in it"),
        ("method: random\nparameters: {a: {values: [1, 2], probabilities: [1]}}", "as many as values"),
        ("method: random\nparameters: {a: {parameters: {b: {x: 1}}}}", "parameter a.b can't be read"),
        ("method: grid\nparameters: {a: {min: 0.0, max: 1.0}}", "a list of values for a, not a range of real numbers"),
        ("method: grid\nparameters: {a: {min: 0, max: 9999999}, b: {min: 0, max: 9999999}}", "which nobody can wait for"),
        ("method: bayes\nparameters: {a: {value: 1}}", "needs a metric with a name"),
        ("method: bayes\nparameters: {a: {value: 1}}\nmetric: {name: x, goal: enlarge}", "minimize or maximize, not 'enlarge'"),
        ("method: random\nparameters: {a: {value: 1}}\nearly_terminate: {type: envelope}", "knows the type hyperband"),
        ("method: random\nparameters: {a: {value: 1}}\nearly_terminate: {type: hyperband}", "needs min_iter, or max_iter and s"),
        ("[1]", "must be an object"),
        ("{", "is not YAML"),
    ],
)
def test_configurations_that_are_refused(config: str, says: str) -> None:
    with pytest.raises(RefusedError, match="sweep: ") as caught:
        controller.check(config)
    assert says in str(caught.value)


def test_configurations_that_are_odd() -> None:
    assert controller.check("method: random\nparameters: {a: {value: 1}}\nearly_terminate: {type: hyperband, min_iter: 3}") != []
    assert controller.check(json.dumps({"method": "grid", "parameters": {"a": {"values": [1]}}})) == []


# What is tried next

GRID = {"method": "grid", "parameters": {"a": {"values": [1, 2, 3]}, "b": {"values": ["x", "y"]}}}


def test_a_grid_is_gone_through_once() -> None:
    tried: list[Tried] = []
    while (values := search.following("grid", space.read(GRID), tried, random.Random(0))) is not None:
        tried.append(Tried(values, None, False))
    assert [(run.values["a"], run.values["b"]) for run in tried] == [(a, b) for a in (1, 2, 3) for b in "xy"]


def test_a_grid_leaves_out_what_earlier_runs_did() -> None:
    before = [Tried({"a": 1, "b": "y", "seed": 0}, 0.5, True, chosen=False)]
    tried = [*before]
    while (values := search.following("grid", space.read(GRID), tried, random.Random(0))) is not None:
        tried.append(Tried(values, None, False))
    assert len(tried) - 1 >= 5
    assert {(run.values["a"], run.values["b"]) for run in tried} == {(a, b) for a in (1, 2, 3) for b in "xy"}


BOWL = {
    "method": "bayes",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {
        "x": {"min": -10.0, "max": 10.0},
        "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0},
        "n": {"min": 1, "max": 16},
        "kind": {"values": ["good", "bad"]},
        "fixed": {"value": 7},
    },
}


def bowl(values: Any) -> float:
    lr, n = math.log10(values["lr"]) + 3, values["n"] - 4
    return float((values["x"] - 3) ** 2 + 5 * lr**2 + n**2 / 4 + (0 if values["kind"] == "good" else 20))


def best_of(method: str, runs: int, seed: int) -> float:
    found = space.read(BOWL)
    source, tried = random.Random(seed), [Tried({"x": 99}, 1.0, True, chosen=False)]
    for _ in range(runs):
        values = search.following(method, found, tried, source)
        assert values is not None and {*values} == {*BOWL["parameters"]} and 1 <= values["n"] <= 16  # type: ignore[dict-item]
        tried.append(Tried(values, bowl(values), True))
    return min(run.score for run in tried[1:] if run.score is not None)


@pytest.mark.slow
def test_bayes_finds_better_values_than_chance() -> None:
    model, chance = (sorted(best_of(method, 60, seed) for seed in range(5)) for method in ("bayes", "random"))
    assert model[2] < chance[2]


def test_bayes_takes_runs_that_failed_or_go_on() -> None:
    found = space.read(BOWL)
    tried = [Tried(found.sample(random.Random(number)), None, number % 2 == 0) for number in range(9)]
    tried.append(Tried(found.sample(random.Random(9)), math.inf, True))
    assert search.following("bayes", found, tried, random.Random(0)) is not None


# What is stopped early


def test_bands() -> None:
    assert stopping.bands({"type": "hyperband", "min_iter": 3})[:4] == [3, 9, 27, 81]
    assert stopping.bands({"type": "hyperband", "max_iter": 27, "s": 2}) == [3, 9]
    assert stopping.bands({"type": "hyperband", "max_iter": 27, "s": 3, "eta": 2}) == [3, 6, 13]


def test_the_worse_runs_are_stopped_at_a_band() -> None:
    settings = {"type": "hyperband", "min_iter": 2, "eta": 3}
    scores = {str(number): [float(number)] * 2 for number in range(9)}
    assert stopping.stopped(settings, scores, [*scores]) == ["3", "4", "5", "6", "7", "8"]
    assert stopping.stopped(settings, {**scores, "late": [99.0]}, ["late"]) == []  # it has not come so far
    assert stopping.stopped(settings, {"0": [1.0] * 2, "1": [2.0] * 2}, ["0", "1"]) == []  # too few to be compared
    improved = {**scores, "slow": [9.0, 9.0, 0.5]}  # better than all since, but it was compared at 2
    assert stopping.stopped(settings, improved, ["slow"]) == ["slow"]


# What agents are told


class World:
    """A sweep with its agents and runs."""

    def __init__(self, store: Store, config: dict[str, Any]) -> None:
        self.store = store
        self.project = store.runs.make_project("lab", "p")["id"]
        self.sweep = store.sweeps.create(self.project, {"config": json.dumps(config), "state": controller.PENDING})["id"]
        self.controller = Controller(store)
        self.agents = [store.sweeps.add_agent(self.sweep, "host") for _ in range(2)]

    def ask(self, *running: str, agent: int = 0) -> list[dict[str, Any]]:
        return self.controller.command(self.agents[agent], dict.fromkeys(running, True))

    def begin(self, command: dict[str, Any], values: list[float], code: int | None = 0, **more: Any) -> None:
        """Do what a run does that an agent started."""
        run, _ = self.store.runs.upsert(self.project, command["run_id"], {"sweep": self.sweep})
        rows = [json.dumps({"_step": step, "loss": value}) for step, value in enumerate(values)]
        summary = json.dumps({"loss": values[-1]}) if values else None
        self.store.history.store(run, Chunk(rows=rows, summary=summary, complete=code is not None, exit_code=code, **more))

    @property
    def state(self) -> str:
        row = self.store.sweeps.get(self.sweep)
        assert row is not None
        return str(row["state"])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(Settings(tmp_path / "data"))
    yield opened
    opened.close()


def test_agents_share_a_grid(store: Store) -> None:
    world = World(store, GRID | {"program": "train.py"})
    assert world.state == "PENDING"
    seen = []
    for number in range(6):
        (command,) = world.ask(agent=number % 2)
        assert (command["type"], command["program"]) == ("run", "train.py")
        assert world.ask(command["run_id"], agent=number % 2) == []
        seen.append((command["args"]["a"]["value"], command["args"]["b"]["value"]))
        world.begin(command, [1.0])
    assert sorted(seen) == [(a, b) for a in (1, 2, 3) for b in "xy"]
    assert world.state == "RUNNING"
    assert [world.ask(agent=agent)[0]["type"] for agent in (0, 1)] == ["exit", "exit"]
    assert world.state == "FINISHED"
    row = store.sweeps.get(world.sweep)
    assert row is not None and world.controller.expected(row) == 6
    assert [agent["state"] for agent in store.sweeps.agents(world.sweep)] == ["FINISHED", "FINISHED"]


def test_a_sweep_ends_after_so_many_runs_or_when_its_target_is_reached(store: Store) -> None:
    random_search = {
        "method": "random",
        "parameters": {"a": {"min": 0.0, "max": 1.0}},
        "metric": {"name": "loss", "goal": "minimize", "target": 0.1},
    }
    capped = World(store, random_search | {"run_cap": 3})
    for _ in range(3):
        capped.begin(capped.ask()[0], [1.0])
    assert capped.ask()[0]["type"] == "exit"
    aimed = World(store, random_search)
    for value in (1.0, 0.5, 0.05):
        aimed.begin(aimed.ask()[0], [value])
    assert aimed.ask()[0]["type"] == "exit"
    row = store.sweeps.get(aimed.sweep)
    assert row is not None and aimed.controller.best(row) == 0.05


def test_a_sweep_is_paused_stopped_and_canceled(store: Store) -> None:
    world = World(store, GRID)
    (command,) = world.ask()
    run = command["run_id"]
    store.sweeps.update(world.sweep, {"state": controller.PAUSED})
    assert (world.ask(run), world.ask(agent=1)) == ([], [])
    store.sweeps.update(world.sweep, {"state": controller.RUNNING})
    assert world.ask(agent=1)[0]["type"] == "run"
    store.sweeps.update(world.sweep, {"state": controller.FINISHED})
    assert (world.ask(run), world.ask()[0]["type"]) == ([], "exit")
    store.sweeps.update(world.sweep, {"state": controller.CANCELED})
    assert world.ask(run) == [{"type": "stop", "run_id": run}]
    assert world.ask()[0]["type"] == "exit"
    store.sweeps.delete(world.sweep)
    assert world.ask()[0]["type"] == "exit"


def test_a_run_that_does_worse_is_stopped(store: Store) -> None:
    config = {
        "method": "random",
        "parameters": {"a": {"min": 0.0, "max": 1.0}},
        "metric": {"name": "loss", "goal": "maximize"},
        "early_terminate": {"type": "hyperband", "min_iter": 2},
    }
    world = World(store, config)
    for value in (0.9, 0.8, 0.7):
        world.begin(world.ask()[0], [value] * 3)
    (command,) = world.ask()
    world.begin(command, [0.1], code=None)
    assert world.ask(command["run_id"]) == []
    world.begin(command, [0.1, 0.1], code=None)
    assert world.ask(command["run_id"]) == [{"type": "stop", "run_id": command["run_id"]}]


def test_a_run_that_somebody_asks_to_stop_is_stopped(store: Store) -> None:
    world = World(store, GRID)
    (command,) = world.ask()
    world.begin(command, [1.0], code=None)
    row = store.runs.find("lab", "p", command["run_id"])
    assert row is not None
    store.runs.update(row["id"], {"stop": 1})
    assert world.ask(command["run_id"]) == [{"type": "stop", "run_id": command["run_id"]}]


def test_a_run_that_was_preempted_is_gone_on_with(store: Store) -> None:
    world = World(store, GRID)
    (command,) = world.ask()
    world.begin(command, [1.0], code=None, preempting=True)
    world.begin(command, [1.0], code=1)
    (again,) = world.ask(agent=1)
    assert (again["type"], again["run_id"], again["args"]) == ("resume", command["run_id"], command["args"])
    assert world.ask(agent=0)[0]["type"] == "run"


def test_a_queued_run_comes_first(store: Store) -> None:
    world = World(store, GRID)
    trial = store.sweeps.add_trial(world.sweep, None, {"a": 9})
    (command,) = world.ask()
    assert (command["run_id"], command["args"]) == (trial["run_name"], {"a": {"value": 9}})


def test_a_controller_of_the_client_decides_itself(store: Store) -> None:
    world = World(store, {"controller": {"type": "local"}, "method": "random", "parameters": {"a": {"values": [1]}}})
    assert world.ask() == []
    store.sweeps.update(world.sweep, {"controller": json.dumps({"schedule": [{"id": "one", "data": {"args": {"a": {"value": 5}}}}]})})
    (command,) = world.ask()
    assert command["args"] == {"a": {"value": 5}}
    row = store.sweeps.get(world.sweep)
    assert row is not None and json.loads(row["scheduler"]) == {"scheduled": [{"id": "one", "runid": command["run_id"]}]}
    assert world.ask() == []
