"""HYD117."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from gonogo.analysis.interpreter.trace import Read, Trace
from gonogo.analysis.project.config_places import ConfigPlaces
from gonogo.analysis.project.dead_reads import DeadReads
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule

Path = tuple[str, ...]


@rule("HYD117", "setting-without-use", criterion=2, severity=Severity.WARNING, stage=Stage.COMPOSE, settles=("config-key", "method"))
def setting_without_use(
    traces: list[Trace], runs: list[Run], contract: Contract, config_places: ConfigPlaces, symbols: Symbols
) -> Iterator[Violation]:
    """A setting of the run config is read, and what is read goes nowhere.

    What it does:
        Follows every read of a key of the run configs to a variable, a parameter of the project's functions or an attribute of its objects,
        and on from there. Speaks where each of them ends in a name that nothing asks for. It is an error where runs differ in the setting.
        What is logged, printed, handed to a library or kept by its name in a mapping counts as used.

    Why it matters:
        The setting has no effect: the method runs without the temperature, weight or threshold that its config gives, and runs that differ
        by it are one and the same.

    Instead:
        Use the value where the method needs it, or take the key out of the run config.
    """
    if any(not trace.complete or trace.loads_unknown or trace.composition is None for trace in traces):
        return
    reads: dict[Path, list[Read]] = {}
    for trace in traces:
        for event in trace.of(Read):
            reads.setdefault(event.path, []).append(event)
    dead = DeadReads(symbols, (id(event.site.node) for events in reads.values() for event in events))
    answers: dict[int, bool] = {}

    def is_dead(event: Read) -> bool:
        key = id(event.site.node)
        if key not in answers:
            answers[key] = not event.is_section and dead.is_dead(event.site.module, event.site.node)
        return answers[key]

    told: set[tuple[str | int, ...]] = set()
    for run in runs:
        leaves = [leaf for leaf in map(tuple, run.document.leaves) if leaf not in told]
        told.update(leaf for leaf in leaves if run.document.get(leaf) is not None)
        own = next((trace for trace in traces if trace.run_id == run.id and trace.command == "full"), None)
        prefix = config_places.prefix_of(run, own.composition) if own is not None else None
        if prefix is None:
            continue
        for leaf in leaves:
            path = (*prefix, *map(str, leaf))
            events = reads.get(path, [])
            has_value = run.document.get(leaf) is not None
            if has_value and events and all(map(is_dead, events)) and not _is_used_whole(path, traces, contract, prefix):
                yield _violation(run, runs, leaf, events[0])


def _is_used_whole(path: Path, traces: list[Trace], contract: Contract, prefix: Path) -> bool:
    """Return whether anything uses the section around a setting as a whole.

    Uploading it does not count. True as well if the setting says nothing to the code.
    """
    dotted = ".".join(path[len(prefix) :])
    if any(fnmatchcase(dotted, pattern) for pattern in contract.run_config.descriptive_keys):
        return True
    return any(path[:length] in trace.used_whole for trace in traces for length in range(len(prefix) + 1, len(path) + 1))


def _violation(run: Run, runs: list[Run], leaf: tuple[str | int, ...], event: Read) -> Violation:
    differs = len({str(other.document.get(leaf)) for other in runs}) > 1
    return Violation(
        event.site.module.location(event.site.node),
        f"`{'.'.join(map(str, leaf))}` is read here, and nothing uses it" + (": the runs that differ in it do the same" if differs else ""),
        "use it where the method needs it, or take it out of the run config",
        related=(Related(location=run.locate(leaf), label="the setting"),),
        runs=tuple(other.id for other in runs if other.document.get(leaf) is not None),
        severity=Severity.ERROR if differs else None,
    )


_PROPOSED, _BASELINE = "config/run/proposed-mlp-digits.yaml", "config/run/comparative-1-mlp-digits.yaml"
_EPOCHS = "    epochs = 1 if cfg.trial_mode else cfg.run.training.epochs\n"
_CLASS = "class MultiLayerPerceptron(nn.Module):"
_OBJECTIVE = '''class Objective(nn.Module):
    """The loss at a temperature."""

    def __init__(self, inner: nn.Module, temperature: float) -> None:
        super().__init__()
        self.inner = inner
        self.temperature = temperature

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.inner({logits}, labels)


class MultiLayerPerceptron(nn.Module):'''
_SMOOTHED, _PLAIN = "        return nn.CrossEntropyLoss(label_smoothing=smoothing)\n", "        return nn.CrossEntropyLoss()\n"
_LOSS = "        loss = criterion(model(images), labels)\n"
_EPOCH = "def train_epoch(model: nn.Module, loader: DataLoader, criterion: nn.Module, optimizer: torch.optim.Optimizer) -> float:"
_CALLED = 'train_epoch(model, loaders["train"], criterion, optimizer)'


def _configs(other: float = 2.0) -> dict[str, tuple[Edit, ...] | Edit | str | None]:
    return {
        path: Edit("  epochs: 15\n", f"  epochs: 15\n  temperature: {value}\n") for path, value in ((_PROPOSED, other), (_BASELINE, 2.0))
    }


def _named(use: str, other: float = 2.0, marker: str = "") -> Tree:
    text = f"    temperature = float(cfg.run.training.temperature){marker}\n{use}{_EPOCHS}"
    return Tree({**_configs(other), "src/train.py": Edit(_EPOCHS, text)})


def _objective(logits: str, marker: str = "") -> Tree:
    made = "        return Objective(nn.CrossEntropyLoss({given}), training_cfg.temperature){marker}\n"
    smoothed = made.format(given="label_smoothing=smoothing", marker=marker)
    edits = (Edit(_CLASS, _OBJECTIVE.format(logits=logits)), Edit(_SMOOTHED, smoothed), Edit(_PLAIN, made.format(given="", marker="")))
    return Tree({**_configs(), "src/model.py": edits})


def _helped(text: str, marker: str = "") -> Tree:
    helper = f"def objective(criterion, logits, labels, temperature):\n    return criterion({text}, labels)\n\n\n"
    takes = _EPOCH.replace("optimizer: torch.optim.Optimizer", "optimizer: torch.optim.Optimizer, temperature: float")
    edits = (
        Edit(_EPOCH, helper + takes),
        Edit(_LOSS, "        loss = objective(criterion, model(images), labels, temperature=temperature)\n"),
        Edit(f"{_CALLED}\n", f"{_CALLED[:-1]}, cfg.run.training.temperature){marker}\n"),
    )
    return Tree({**_configs(), "src/train.py": edits})


HERE = "  # <- here"
BAD = [
    _named("", marker=HERE),
    _named("", other=4.0, marker=HERE),
    _objective("logits", HERE),
    _helped("logits", HERE),
]
GOOD = [
    _named("    print(temperature)\n"),
    _named("    print(locals())\n"),
    _objective("logits / self.temperature"),
    _helped("logits / temperature"),
    Tree(_configs()),
]
