"""What rules make of a challenge, and of runs that are the same: without a run, from what would have been seen."""

from __future__ import annotations

import copy
import sys
import weakref
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: `uv sync --all-packages` installs it")
import torch

sys.path.append(str(Path(__file__).parents[2] / "src" / "gonogo" / "execution" / "probe"))

from gonogo_probe.watchers import optimizers as probe

from gonogo.analysis.python.modules import Module
from gonogo.execution.challenge.carry_out import EVALUATION_SUBJECT
from gonogo.execution.challenge.matrix import Alteration, Cell, ChallengeSeen, Number, State
from gonogo.execution.observations import Process, RunSeen, SessionSeen, Tracked
from gonogo.execution.probe.gonogo_probe import events
from gonogo.execution.probe.gonogo_probe.events import Logged, Optimizer, Prediction
from gonogo.model import contract as contracts
from gonogo.model.finding import Severity
from gonogo.model.runs import Run
from gonogo.rules.model.methods_identical import acts_later, methods_identical
from gonogo.rules.science.evaluation_ignores_runs import evaluation_ignores_runs
from gonogo.rules.science.labels_leak_into_predictions import labels_leak_into_predictions
from gonogo.rules.scores import is_accuracy
from gonogo.rules.training_loops.nothing_trained import nothing_trained
from gonogo.rules.training_loops.steps_change_nothing import steps_change_nothing
from gonogo.rules.training_loops.untrained_predicts import untrained_predicts
from gonogo.rules.training_loops.zero_gradients import zero_gradients

MOVED = {"a.json: runs.accuracy": (0.5, 0.6)}  # a score that moved with what the tracker returns
CONTRACT = contracts.load("trial-mode")
GOLDEN = Path(__file__).parents[1] / "golden"


def _modules(path: str = "src/train.py", text: str = "") -> dict[str, Module]:
    return {path: Module(path, text)}


def _run_of(name: str, method: str, seed: int) -> Run:
    text = f"run_id: {name}\nmethod: {method}\ndataset: {{name: digits}}\ntraining: {{seed: {seed}}}\n"
    return Run(name, f"config/run/{name}.yaml", text, None, from_plan=False)


def _number(subject: str, name: str, value: float, alteration: Alteration, other: float) -> Number:
    cell = Cell(State.SAME) if other == value else Cell(State.MOVED, values=(other,))
    return Number(subject, name, (value,), {alteration: cell})


class TestLabelsFromElsewhere:
    def _found(self, name: str, value: float, other: float, *, text: str = "", wrong: bool = True) -> list[Severity | None]:
        seen = ChallengeSeen(SessionSeen("rehearsal", runs={"r": RunSeen("r", code=0, ended=True)}))
        seen.numbers = [_number("r", name, value, Alteration.OUTPUTS, other)]
        seen.wrong = {"r"} if wrong else set()
        return [found.severity for found in labels_leak_into_predictions(seen, _modules(text=text), CONTRACT)]

    @pytest.mark.parametrize(("value", "other"), [(1.0, 1.0), (0.95, 0.93), (97.0, 96.0), (0.7, 0.61)])
    def test_accuracy_that_stays_high_on_wrong_outputs_is_found(self, value: float, other: float) -> None:
        assert self._found("test_accuracy", value, other) == [None]

    @pytest.mark.parametrize(("value", "other"), [(0.95, 0.25), (0.25, 0.25), (0.1, 0.5), (97.0, 25.0)])
    def test_accuracy_that_follows_the_outputs_is_left_alone(self, value: float, other: float) -> None:
        assert self._found("test_accuracy", value, other) == []

    @pytest.mark.parametrize(
        "name", ["top5_accuracy", "acc@5", "balanced_acc", "test_loss", "test_auc", "mean_class_accuracy", "majority_acc"]
    )
    def test_what_may_be_high_for_other_reasons_is_left_alone(self, name: str) -> None:
        assert not is_accuracy(name)
        assert self._found(name, 0.9, 0.9) == []

    def test_nothing_is_said_where_some_outputs_were_not_marked(self) -> None:
        assert self._found("test_accuracy", 1.0, 1.0, wrong=False) == []

    @pytest.mark.parametrize("text", ["import torch\nnear = torch.cdist(a, b)\n", "from sklearn.neighbors import KNeighborsClassifier\n"])
    def test_code_that_may_predict_without_a_network_gets_a_warning(self, text: str) -> None:
        assert self._found("test_accuracy", 0.95, 0.95, text=text) == [Severity.WARNING]


class TestDifferencesOfZero:
    def _found(
        self, numbers: dict[str, tuple[float, float]], *, text: str = "x = 1\n", summary: dict[str, object] | None = None
    ) -> list[Severity | None]:
        seen = ChallengeSeen(SessionSeen("rehearsal", runs={"proposed-a": RunSeen("proposed-a")}))
        seen.numbers = [_number(EVALUATION_SUBJECT, name, value, Alteration.TRACKER, other) for name, (value, other) in numbers.items()]
        seen.sessions[Alteration.LABELS] = SessionSeen("again", tracked=[Tracked("e", "p", "r", "finished", 1, summary or {}, {}, [])])
        return [found.severity for found in evaluation_ignores_runs(seen, _modules("src/evaluate.py", text), CONTRACT)]

    @pytest.mark.parametrize("name", ["c.json: comparisons.improvement_rate", "c.json: accuracy_gain", "c.json: differences.f1_diff"])
    def test_difference_that_stays_zero_is_an_error(self, name: str) -> None:
        assert self._found({**MOVED, name: (0.0, 0.0)}) == [None]

    @pytest.mark.parametrize(
        "name",
        [
            "c.json: runs.improvement",
            "proposed-a/metrics.json: val_gain",
            "c.json: proposed-a.accuracy_gain",
            "c.json: gain_first_to_last_epoch",
            "c.json: generalization_gap_difference",
            "c.json: train_difference",
        ],
    )
    def test_difference_within_a_run_is_a_warning(self, name: str) -> None:
        assert self._found({**MOVED, name: (0.0, 0.0)}) in ([Severity.WARNING], [])

    def test_baseline_beside_itself_is_a_warning_where_others_differ(self) -> None:
        numbers = {**MOVED, "c.json: a.improvement": (0.0, 0.0), "c.json: b.improvement": (0.1, 0.2)}
        assert self._found(numbers) == [Severity.WARNING]

    def test_difference_that_is_cut_off_is_a_warning(self) -> None:
        assert self._found({**MOVED, "c.json: gain": (0.0, 0.0)}, text="gain = max(0.0, a - b)\n") == [Severity.WARNING]

    @pytest.mark.parametrize(("value", "severity"), [(1, Severity.WARNING), (True, Severity.WARNING), (0.5, None), ("name", None)])
    def test_number_that_could_not_be_altered_is_a_warning(self, value: object, severity: Severity | None) -> None:
        assert self._found({**MOVED, "c.json: gain": (0.0, 0.0)}, summary={"solved": value, "accuracy": 0}) == [severity]


def _watched(optimizer: Optimizer | None = None, logged: tuple[str, ...] = (), backwards: int = 0) -> SessionSeen:
    process = Process(1, 0, ["python"], counts={"forwards": 4, "backwards": backwards}, ended=1.0)
    process.logged = {key: Logged(key, 1, 0.5, 0, ("src/train.py", 1), 1) for key in logged}
    if optimizer is not None:
        process.optimizers = {0: optimizer}
    return SessionSeen("rehearsal", runs={"r": RunSeen("r", code=0, ended=True, processes={1: process})})


class TestLossOfNothing:
    def _found(self, session: SessionSeen, text: str = "") -> list[Severity | None]:
        return [found.severity for found in nothing_trained(session, _modules(text=text), CONTRACT, True)]

    @pytest.mark.parametrize("key", ["train_loss", "train/loss", "training_loss", "loss/train", "epoch_train_loss"])
    def test_training_loss_without_a_gradient_is_found(self, key: str) -> None:
        assert self._found(_watched(logged=(key, "val_accuracy"))) == [None]

    @pytest.mark.parametrize("key", ["val_loss", "test_loss", "loss", "eval/train_like_loss", "train_accuracy"])
    def test_other_numbers_are_no_claim_to_train(self, key: str) -> None:
        assert self._found(_watched(logged=(key,))) == []

    @pytest.mark.parametrize(
        "text",
        [
            "import sklearn.linear_model\n",
            "def mezo_step(model): ...\n",
            "w = torch.linalg.lstsq(x, y)\n",
            "class EvolutionStrategy: ...\n",
        ],
    )
    def test_training_without_gradients_is_left_alone(self, text: str) -> None:
        assert self._found(_watched(logged=("train_loss",)), text) == []

    @pytest.mark.parametrize(
        ("command", "is_python"),
        [
            ("['/env/lib/python3.11/site-packages/wandb/bin/wandb-core', '--pid', '4']", False),
            ("['git', 'rev-parse']", False),
            ("['/env/bin/python3.11', '-u', '-m', 'src.train']", True),
            ("python -m src.train", True),
            ("['uv', 'run', 'python', 'train.py']", True),
        ],
    )
    def test_a_python_that_nobody_watched_may_have_trained(self, command: str, is_python: bool) -> None:
        session = _watched(logged=("train_loss",))
        session.runs["r"].processes[1].children = [events.Child(command)]
        assert self._found(session) == ([] if is_python else [None])

    def test_gradients_are_enough(self) -> None:
        assert self._found(_watched(logged=("train_loss",), backwards=1)) == []


class TestNothingMoves:
    @pytest.mark.parametrize(
        ("rate", "scheduled", "severity"),
        [(0.0, False, None), (1e-28, False, None), (1e-7, False, Severity.WARNING), (0.0, True, Severity.WARNING)],
    )
    def test_rate_next_to_zero_is_as_sure_as_zero(self, rate: float, scheduled: bool, severity: Severity | None) -> None:
        optimizer = Optimizer(
            ("src/model.py", 3), "SGD", 2, 2, 2, 0, 0, 2, [rate], made_with=[rate], scheduled=scheduled, updates=[0.0, 0.0]
        )
        assert [found.severity for found in steps_change_nothing(_watched(optimizer), _modules(), CONTRACT)] == [severity]

    def test_first_steps_of_a_warm_up_are_left_alone(self) -> None:
        optimizer = Optimizer(("src/model.py", 3), "AdamW", 2, 2, 1, 0, 0, 1, [0.0], made_with=[0.001], scheduled=True, updates=[0.0])
        assert not list(steps_change_nothing(_watched(optimizer), _modules(text="TrainingArguments(warmup_steps=100)\n"), CONTRACT))

    @pytest.mark.parametrize(("text", "severity"), [("loss = plain(x) * 0\n", None), ("loss = triplet_margin(x)\n", Severity.WARNING)])
    def test_loss_of_zero_is_a_warning_only_where_it_may_be_zero(self, text: str, severity: Severity | None) -> None:
        session = _watched(Optimizer(("src/model.py", 3), "SGD", 2, 2, 2, 0, 2, 0, [0.1]))
        session.runs["r"].processes[1].losses = [(0.0, "src/train.py", 1), (0.0, "src/train.py", 1)]
        assert [found.severity for found in zero_gradients(session, _modules(text=text), CONTRACT)] == [severity]


class TestOverwritten:
    def _found(self, flat: int, uneven: int) -> int:
        optimizer = Optimizer(("src/model.py", 3), "SGD", 2, 2, 4, 0, 0, 0, [0.1], flat=flat, uneven=uneven, heirs=1)
        return len(list(untrained_predicts(_watched(optimizer), _modules(), CONTRACT)))

    def test_network_of_constants_is_found_only_where_nothing_else_predicts(self) -> None:
        assert (self._found(3, 0), self._found(3, 1), self._found(0, 2), self._found(0, 0)) == (1, 0, 0, 0)

    @pytest.mark.parametrize("fill", [True, False])
    def test_probe_tells_constants_from_what_was_trained(self, fill: bool) -> None:
        network = torch.nn.Linear(4, 3)
        held = list(network.parameters())
        record = probe._Record(None, "SGD", 2, 2)
        probe._remember_beginning(record, [(each, each.detach().clone()) for each in held], held)
        with torch.no_grad():
            for each in held:
                each.fill_(0.01) if fill else each.add_(1)
        probe._look_for_flat(record, network)
        assert (record.flat, record.uneven) == ((1, 0) if fill else (0, 1))

    def test_tensors_that_begin_at_one_number_say_nothing(self) -> None:
        network = torch.nn.LayerNorm(4)
        held = list(network.parameters())
        record = probe._Record(None, "SGD", 2, 2)
        probe._remember_beginning(record, [(each, each.detach().clone()) for each in held], held)
        probe._look_for_flat(record, network)
        assert (record.flat, record.uneven) == (0, 0)


def test_probe_tells_a_network_apart_that_holds_nothing_of_what_was_trained() -> None:
    network = torch.nn.Linear(4, 3)
    record = probe._Record(None, "SGD", 2, 2)
    held = list(network.parameters())
    probe._look_for_apart(record, torch.nn.Linear(4, 3))  # nothing was changed yet
    probe._remember_beginning(record, [(each, each.detach().clone()) for each in held], held[:1])
    probe._look_for_apart(record, network)
    probe._look_for_apart(record, torch.nn.Sequential(network, torch.nn.Linear(3, 2)))
    probe._look_for_apart(record, torch.nn.ReLU())
    assert not record.apart
    probe._look_for_apart(record, copy.deepcopy(network))
    assert record.apart


def test_probe_lets_an_optimizer_be_cleared_through_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning's optimizer is of a class that is made of its own and of torch's, and never runs torch's `__init__`."""

    class Front(torch.optim.SGD):
        def __init__(self, behind: torch.optim.Optimizer) -> None:
            self.behind = behind

        def __getattr__(self, name: str) -> object:
            return getattr(self.behind, name)

    for owner in (torch.optim.Optimizer, torch.nn.Module):
        monkeypatch.setattr(owner, "zero_grad", owner.zero_grad)  # put back what the probe wraps
        probe._watch_clearing_method(owner)
    layer = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    record = probe._Record(None, "SGD", 1, 1)
    monkeypatch.setattr(probe, "_torch", torch)
    monkeypatch.setattr(probe, "_optimizers", weakref.WeakKeyDictionary({optimizer: record}))
    layer(torch.ones(1, 2)).sum().backward()
    Front(optimizer).zero_grad()
    assert record.cleared is True
    assert layer.weight.grad is None


class TestSeedsAlone:
    def _found(self, stage: str, losses: tuple[float, float], seeds: tuple[int, int]) -> list[Severity | None]:
        runs = [_run_of(name, method, seed) for name, method, seed in (("a", "new", seeds[0]), ("b", "old", seeds[1]))]
        tracked: list[Tracked] = []
        session = SessionSeen(stage, tracked=tracked)
        for run, loss in zip(runs, losses, strict=True):
            process = Process(1, 0, ["python"], losses=[(loss, "src/train.py", 1)], predictions=[Prediction(0, 0, (loss, 0.1234567))])
            session.runs[run.id] = RunSeen(run.id, code=0, ended=True, processes={1: process})
            tracked.append(Tracked("e", "p", run.id, "finished", 1, {}, {}, [{"val_loss": loss, "val_accuracy": 0.9123457}]))
        return [found.severity for found in methods_identical(session, runs, _modules(), CONTRACT, None, True)]

    @pytest.mark.parametrize(
        ("stage", "losses", "seeds", "found"),
        [
            ("seed", (0.7654321, 0.7654321), (1, 2), [None]),
            ("seed", (0.7654321, 0.7654399), (1, 2), []),
            ("seed", (0.7654321, 0.7654321), (1, 1), []),  # the rehearsal has said so
            ("rehearsal", (0.7654321, 0.7654321), (1, 1), [None]),
            ("rehearsal", (0.7654321, 0.8654321), (1, 2), []),
        ],
    )
    def test_methods_are_held_against_each_other_under_the_same_seed(
        self, stage: str, losses: tuple[float, float], seeds: tuple[int, int], found: list[Severity | None]
    ) -> None:
        assert self._found(stage, losses, seeds) == found


class TestLater:
    @pytest.mark.parametrize(
        "body",
        [
            "loss = smooth(x) if epoch > 3 else plain(x)",
            "if epoch >= start:\n    loss = loss + penalty(model)",
            "if global_step < warmup:\n    model.freeze()\nelse:\n    model.unfreeze()",
            "if trainer.current_epoch >= self.begin:\n    for part in parts:\n        part.requires_grad = True",
            "def weight(step):\n    if step < 100:\n        return step / 100",
        ],
    )
    def test_work_from_a_later_round_on(self, body: str) -> None:
        assert acts_later(_modules(text=body + "\n"), CONTRACT)

    @pytest.mark.parametrize(
        "body",
        [
            "if trial and step >= 2:\n    break",
            "if epoch > 3:\n    print(loss)\n    torch.save(model, path)",
            "if step < warmup:\n    group['lr'] = base * step / warmup",
            "if step > 100:\n    return",
            "if accuracy > best:\n    best = accuracy",
            "if step % 10 == 0:\n    loss = loss + penalty(model)",
            "epochs = 1 if trial else cfg.epochs",
            "share = epoch / total_epochs if total_epochs > 0 else 0.0",
            "if first_bad_epoch < len(losses):\n    gap = losses[first_bad_epoch]",
            "for epoch in range(10):\n    loss = plain(x)",
        ],
    )
    def test_what_is_no_other_training(self, body: str) -> None:
        assert not acts_later(_modules(text=body + "\n"), CONTRACT)

    def test_golden_trains_alike_in_every_epoch(self) -> None:
        files = {f"src/{path.name}": path.read_text() for path in (GOLDEN / "src").glob("*.py")}
        assert not acts_later({path: Module(path, text) for path, text in files.items()}, CONTRACT)
