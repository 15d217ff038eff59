"""The parts of a challenge: what is altered in a batch and in an output, which numbers moved, what is made of it."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="torch is not installed: `uv sync --all-packages` installs it")
import torch
from torch import nn

sys.path.append(str(Path(__file__).parents[2] / "src" / "gonogo" / "execution" / "probe"))

from gonogo_probe import alterations
from gonogo_probe.alterations import batches, outputs, seeds

from gonogo.execution.challenge import numbers
from gonogo.execution.challenge.carry_out import challenge, evaluation_loaders
from gonogo.execution.challenge.matrix import Alteration, State
from gonogo.execution.observations import Process, RunSeen, SessionSeen, Tracked
from gonogo.execution.probe.gonogo_probe.events import Loader, Prediction
from gonogo.execution.session_plan import Bounds, Session
from gonogo.execution.tracker_inside import perturbed
from gonogo.model.contract import Command
from gonogo.rules.scores import is_score, is_share


@pytest.fixture(autouse=True)
def nothing_altered(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((alterations, "_counts"), (alterations, "_left"), (outputs, "_calls"), (outputs, "_generators")):
        monkeypatch.setattr(module, name, {})
    batches.remember(None)


GIVEN = torch.Generator().manual_seed(0)  # every process of a test session collects the same cases
Pair = namedtuple("Pair", "x y")
X, Y = torch.randn(6, 3, generator=GIVEN), torch.tensor([0, 1, 2, 0, 1, 2])


def name_of(case: Any) -> str:
    """What pytest calls a case: its type and, of a tensor, its shape."""
    return f"{type(case).__name__} {tuple(case.shape)}" if isinstance(case, torch.Tensor) else type(case).__name__


class TestLabels:
    @pytest.mark.parametrize(
        "batch",
        [
            (X, Y),
            [X, Y],
            Pair(X, Y),
            (X, X, Y),
            {"input_ids": X, "labels": Y},
            OrderedDict(image=X, target=Y),
            (X, torch.randn(6, generator=GIVEN)),
            (X, torch.randn(6, 2, generator=GIVEN)),
            (X.numpy(), Y.numpy()),
        ],
        ids=name_of,
    )
    def test_labels_of_a_batch_come_in_another_order_and_nothing_else_does(self, batch: Any) -> None:
        other = batches.permuted(batch)
        assert type(other) is type(batch)
        before, after = batches.labels_of(batch), batches.labels_of(other)
        assert before is not None and after is not None
        assert before[0] == after[0]
        assert (before[1] != after[1]).any()
        first, same = (next(iter(each.values())) if isinstance(each, dict) else each[0] for each in (batch, other))
        assert (first == same).all()

    @pytest.mark.parametrize(
        "batch",
        [X, [X], (X, X.clone()), (X, torch.zeros(6, dtype=torch.long)), {"a": X}, (X, Y[:3]), "text", None, (X[:1], Y[:1])],
        ids=name_of,
    )
    def test_what_are_no_labels_stays(self, batch: Any) -> None:
        assert batches.permuted(batch) is batch
        assert alterations.made(alterations.LABELS) == 0

    @pytest.mark.slow
    @given(st.lists(st.integers(0, 4), min_size=2, max_size=20).filter(lambda labels: len(set(labels)) > 1))
    def test_order_changes_what_can_be_changed(self, labels: list[int]) -> None:
        _, other = batches.permuted((torch.zeros(len(labels), 1), torch.tensor(labels)))
        assert other.tolist() != labels
        assert sorted(other.tolist()) == sorted(labels)


class TestOutputs:
    @pytest.mark.parametrize(
        "made", [lambda out: out, lambda out: out.softmax(1), lambda out: out.log_softmax(1)], ids=["scores", "p", "log p"]
    )
    def test_outputs_are_right_about_few_rows_where_labels_are_known(self, made: Any) -> None:
        labels = torch.arange(64) % 5
        batches.remember((torch.zeros(64, 1), labels))
        out = made(torch.randn(64, 5, generator=GIVEN) * 3)
        new = outputs.replaced(torch, out, predicts=True)
        assert int((new.argmax(1) == labels).sum()) in (4, 16)
        assert torch.allclose(made(new).exp().sum(1) if (out <= 0).all() else torch.ones(64), torch.ones(64), atol=1e-3)
        assert alterations.made("marked predictions") == 1 and alterations.made("unmarked predictions") == 0

    @pytest.mark.parametrize("right", [0, 0.25, 0.5, 1])
    def test_share_of_right_rows_is_another_one_than_the_networks(self, right: float) -> None:
        labels = torch.arange(64) % 5
        batches.remember((torch.zeros(64, 1), labels))
        out = torch.nn.functional.one_hot(torch.where(torch.arange(64) < 64 * right, labels, labels + 1) % 5, 5).float()
        new = outputs.replaced(torch, out, predicts=True)
        assert abs(float((new.argmax(1) == labels).float().mean()) - right) > 0.1 or right == 0

    def test_labels_that_are_added_to_marked_outputs_win_as_they_did(self) -> None:
        labels = torch.arange(64) % 5
        batches.remember((torch.zeros(64, 1), labels))
        out = torch.randn(64, 5, generator=GIVEN) * 0.1
        added = 2 * (out.max() - out.min()) * torch.nn.functional.one_hot(labels, 5)
        assert ((outputs.replaced(torch, out, predicts=True) + added).argmax(1) == labels).all()

    @pytest.mark.parametrize(
        "out",
        [
            torch.randn(6, 3, generator=GIVEN),
            torch.rand(6, generator=GIVEN),
            torch.randn(1, 5, 7, generator=GIVEN),
            torch.tensor(0.3),
            torch.zeros(4, 2),
        ],
        ids=name_of,
    )
    def test_every_output_moves_and_keeps_its_gradient(self, out: torch.Tensor) -> None:
        leaf = out.clone().requires_grad_()
        new = outputs.replaced(torch, leaf * 1, predicts=False)
        assert not torch.allclose(new, out)
        assert new.shape == out.shape and bool(torch.isfinite(new).all())
        new.sum().backward()
        assert torch.equal(leaf.grad, torch.ones_like(out))
        if float(out.min()) >= 0 and float(out.max()) <= 1 and out.ndim == 1:
            assert float(new.detach().min()) >= 0 and float(new.detach().max()) <= 1

    def test_what_is_invariant_to_the_order_of_rows_moves_too(self) -> None:
        out = torch.randn(8, 4)
        new = outputs.replaced(torch, out, predicts=False)
        for invariant in (torch.mean, torch.norm, lambda x: (x.softmax(1) * x.log_softmax(1)).sum()):
            assert not torch.isclose(invariant(out), invariant(new), rtol=1e-4)

    def test_outputs_inside_containers_are_replaced_and_the_rest_stays(self) -> None:
        out = OrderedDict(logits=torch.randn(2, 3), loss=torch.tensor(1.0), cache="kept", ids=torch.tensor([1, 2]))
        new = outputs.replaced(torch, out, predicts=False)
        assert type(new) is OrderedDict and new["cache"] == "kept" and new["ids"] is out["ids"]
        assert not torch.equal(new["logits"], out["logits"]) and new["loss"] != out["loss"]
        pair = outputs.replaced(torch, Pair(torch.randn(2), None), predicts=False)
        assert type(pair) is Pair and pair.y is None

    def test_broken_outputs_stay(self) -> None:
        out = torch.tensor([float("nan"), 1.0])
        assert outputs.replaced(torch, out, predicts=False) is out


class Flat(nn.Module):
    def __init__(self, ignores: bool) -> None:
        super().__init__()
        self.layer, self.norm, self.ignores = nn.Linear(3, 2), nn.BatchNorm1d(2), ignores

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.layer(x * 0 if self.ignores else x))


class TestInputs:
    @pytest.mark.parametrize("ignores", [True, False])
    def test_network_that_ignores_its_input_is_told_from_one_that_does_not(self, ignores: bool) -> None:
        network = Flat(ignores).eval()
        for _ in range(3):
            outputs.ask_again(torch, network, nn.Module.__call__, (X,), {}, network(X))
        assert alterations._counts == {f"inputs {'same' if ignores else 'moved'} Flat": 3}

    def test_second_call_leaves_no_trace(self) -> None:
        network = Flat(False).train()
        with torch.no_grad():
            out = network(X)
            buffers = [buffer.clone() for buffer in network.buffers()]
            state = torch.get_rng_state()
            outputs.ask_again(torch, network, nn.Module.__call__, (X,), {}, out)
        assert alterations.made("inputs moved Flat") == 1
        assert all(torch.equal(one, other) for one, other in zip(buffers, network.buffers(), strict=True))
        assert torch.equal(state, torch.get_rng_state())

    def test_network_that_is_trained_or_watched_is_left_alone(self) -> None:
        network = Flat(True).train()
        outputs.ask_again(torch, network, nn.Module.__call__, (X,), {}, network(X))
        network.eval()
        network.layer.register_forward_hook(lambda *_: None)
        outputs.ask_again(torch, network, nn.Module.__call__, (X,), {}, network(X))
        assert alterations._counts == {}


def test_seeds_of_training_are_told_from_those_of_the_data() -> None:
    assert all(map(seeds.is_seed, ("seed", "random_seed", "seeds", "random_state", "train_seed")))
    assert not any(map(seeds.is_seed, ("seeded", "split_seed", "data_seed", "fold_seeds", "batch_size")))


def test_configs_of_two_runs_get_one_seed_for_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "_in_config", False)
    one, other = seeds.of_config(44, "run.training.seed"), seeds.of_config(45, "run.training.seed")
    assert one == other and one not in (44, 45)
    assert seeds.of_config(one, "run.training.seed") != one
    assert len({seeds.of_config(1, f"run.seeds.{index}") for index in range(5)}) == 5
    assert seeds.of_config(True, "seed") is None and seeds.of_config("a", "seed") is None


class TestPerturbed:
    def test_each_run_gets_other_numbers_and_rows_stay_where_they_are(self) -> None:
        row = {"epoch": 1, "_step": 3, "acc": 0.5, "loss": 2.0, "hits": 12, "right": "0110101101", "name": "a run", "curve": [0.1, 0.2]}
        one, other = perturbed(row, 1), perturbed(row, 2)
        for each in (one, other):
            assert (each["epoch"], each["_step"], each["name"]) == (1, 3, "a run")
            assert all(each[key] != row[key] for key in ("acc", "loss", "hits", "right", "curve"))
            assert type(each["hits"]) is int and len(each["right"]) == 10
        assert one["acc"] != other["acc"] and one["loss"] != other["loss"]

    def test_scores_that_are_stored_as_whole_numbers_move_and_flags_do_not(self) -> None:
        row = {"val_accuracy": 0, "test_f1": 1, "converged": 1, "label": 0}
        other = perturbed(row, 1)
        assert 0 < other["val_accuracy"] < 1 and 0 < other["test_f1"] < 1
        assert (other["converged"], other["label"]) == (1, 0)

    @given(st.floats(0, 1), st.integers(0, 50))
    def test_fraction_stays_one(self, value: float, run: int) -> None:
        assert 0 <= perturbed({"x": value}, run)["x"] <= 1

    @pytest.mark.slow
    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
    )
    def test_anything_logged_can_be_perturbed(self, value: Any) -> None:
        json.dumps(perturbed({"key": value}, 3))


class TestNumbers:
    def test_logged_rows_and_summaries_are_flattened_without_times(self) -> None:
        tracked = Tracked("e", "p", "r", "finished", 2, {"acc": 0.5, "best": {"f1": 0.2}, "m": [[1, 2]], "_wandb": {}}, {}, [])
        tracked.history = [{"acc": 0.1, "_step": 0, "train_time": 3.0}, {"acc": 0.5, "_step": 1}]
        assert numbers.logged(tracked) == {"acc": (0.1, 0.5), "best.f1": (0.2,), "m": (1.0, 2.0)}

    def test_entries_of_a_list_in_a_file_are_one_number(self) -> None:
        texts = {"c/a.json": '{"runs": [{"acc": 0.1}, {"acc": 0.2}], "x": {"p": NaN}, "ok": true}', "broken.json": "{"}
        found = numbers.written(texts)
        assert list(found) == ["c/a.json: runs.acc", "c/a.json: x.p"]
        assert not numbers.moved(found["c/a.json: x.p"], (float("nan"),))

    @given(st.floats(-1e6, 1e6))
    def test_number_is_the_same_as_itself(self, value: float) -> None:
        assert not numbers.moved((value,), (value,))
        assert numbers.moved((value,), (value + 1 + abs(value) * 0.1,))


def _run(accuracy: float, sums: list[float], altered: dict[str, int] | None = None, backwards: int = 0) -> RunSeen:
    process = Process(1, 0, ["python"], altered=altered or {})
    process.predictions = [Prediction(0, 0, (each, each)) for each in sums]
    process.loaders = {0: Loader(None, 4, 1, [2], [], forwards=2, backwards=backwards)}
    run = RunSeen("r", code=0, ended=True, processes={1: process})
    run.accuracy = accuracy  # type: ignore[attr-defined]
    return run


def _session(name: str, run: RunSeen) -> SessionSeen:
    history = [{"val_accuracy": run.accuracy, "lr": 0.1}]  # type: ignore[attr-defined]
    return SessionSeen(name, runs={"r": run}, tracked=[Tracked("e", "p", "r", "finished", 1, {}, {}, history)])


def _challenged(labels: RunSeen, outputs: RunSeen, seed: RunSeen, before: RunSeen | None = None) -> Any:
    ran = {"again": labels, "outputs": outputs, "seed": seed}
    session = Session("rehearsal", Command(module="src.main", overrides=[]), Bounds(), tracker=True)
    return challenge(session, _session("rehearsal", before or _run(0.123457, [1.0, 2.0])), lambda each: _session(each.name, ran[each.name]))


class TestMatrix:
    def test_cells_say_what_moved_and_what_was_not_tried(self) -> None:
        seen = _challenged(_run(0.2, [1.0, 2.0], {"labels": 8}), _run(0.3, [1.0, 2.0], {"outputs": 2}), _run(0.4, [5.0, 6.0]))
        accuracy, rate, predictions = seen.of("r")
        assert [accuracy.state(each) for each in Alteration] == [
            State.SAME, State.NOT_TRIED, State.MOVED, State.NOT_TRIED, State.MOVED, State.NOT_TRIED, State.NOT_TRIED
        ]  # fmt: skip
        assert accuracy.cells[Alteration.SEED].reason == "neither the config nor the code sets a seed"
        assert rate.state(Alteration.OUTPUTS) is State.SAME
        assert predictions.state(Alteration.LABELS) is State.SAME
        assert seen.leaks == []

    @pytest.mark.parametrize(
        ("before", "again", "state"),
        [
            ([9.0, 8.0, 1.0, 2.0], [1.0, 2.0], State.NOT_TRIED),  # another run had trained the source model, and this one found it
            ([1.0, 2.0], [9.0, 8.0, 1.0, 2.0], State.NOT_TRIED),
            ([1.0, 2.0], [], State.NOT_TRIED),
            ([9.0, 1.0, 2.0], [1.0, 3.0], State.MOVED),
            ([1.0, 2.0], [1.0, 3.0], State.MOVED),
            ([1.0, 2.0, 9.0], [1.0, 2.0], State.MOVED),
        ],
    )
    def test_work_that_another_run_did_before_is_no_difference(self, before: list[float], again: list[float], state: State) -> None:
        seen = _challenged(_run(0.2, again), _run(0.3, [1.0]), _run(0.4, [1.0]), _run(0.2, before))
        assert seen.of("r")[-1].state(Alteration.AGAIN) is state

    def test_prediction_that_moves_with_the_labels_is_a_leak(self) -> None:
        seen = _challenged(_run(0.2, [1.0, 2.5], {"labels": 8}), _run(0.3, [1.0]), _run(0.4, [1.0]))
        (leak,) = seen.leaks
        assert (leak.call, leak.before, leak.after) == (2, (2.0, 2.0), (2.5, 2.5))

    def test_loader_that_trains_is_not_altered(self) -> None:
        assert evaluation_loaders(_run(0, [], backwards=1)) == set()
        assert evaluation_loaders(_run(0, [])) == {0}

    def test_altered_run_that_fails_is_not_tried(self) -> None:
        failed = _run(0.3, [1.0], {"outputs": 1})
        failed.code = 1
        seen = _challenged(_run(0.123457, [1.0, 2.0]), failed, _run(0.1, [1.0]))
        assert seen.of("r")[0].cells[Alteration.OUTPUTS].reason == "the altered run fails"


@pytest.mark.parametrize("name", ["val_accuracy", "test/loss", "a.json: improvement_rate", "metrics.f1", "top1_acc", "testAccuracy", "mAP"])
def test_scores_by_their_names(name: str) -> None:
    assert is_score(name)


@pytest.mark.parametrize(
    "name",
    ["epoch", "lr", "loss_weight", "chance_accuracy", "config.loss", "n_correct", "target_score", "majority_acc", "gap_threshold", "macro"],
)
def test_what_is_no_score_by_its_name(name: str) -> None:
    assert not is_score(name)


def test_shares_of_few_samples() -> None:
    assert all(map(is_share, (0.25, 1.0, 0.0, 3 / 32, 12.5, float(torch.tensor(0.1)))))
    assert not any(map(is_share, (0.12347178, 2.3025851, 0.97313719)))


@pytest.mark.parametrize(
    ("one", "other"), [(1.0, float("nan")), (float("inf"), 1.0), (float("inf"), -float("inf")), (float("nan"), float("inf"))]
)
def test_a_number_that_is_none_is_another_than_any_other(one: float, other: float) -> None:
    assert numbers.moved((one,), (other,)) and numbers.moved((other,), (one,))
    assert not numbers.moved((one, other), (one, other))
