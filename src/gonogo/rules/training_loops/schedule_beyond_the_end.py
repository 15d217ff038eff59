"""TRN155."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.courses import Courses, Fault
from gonogo.analysis.training.rounds import Numbers
from gonogo.analysis.training.schedules import Schedule, epochs_of, is_sequence_part, is_within_batches, schedules
from gonogo.analysis.training.trainer_schedules import trainer_faults
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("TRN155", "schedule-beyond-the-end", criterion=4, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("method",))
def schedule_beyond_the_end(
    programs: list[Program], traces: list[Trace], modules: dict[str, Module], contract: Contract
) -> Iterator[Violation]:
    """A learning-rate schedule does nothing in a run, or makes the learning rate negative.

    What it does:
        Computes, with the values of each run's config, what schedulers of PyTorch that are stepped once an epoch do until the last
        epoch. Speaks where all milestones of `MultiStepLR`, or the step size of `StepLR`, lie at the end or beyond, where a warm-up by
        `ConstantLR` is as long as the run or one by `LinearLR` twice as long, and where the function of `LambdaLR` is negative in an
        epoch, or zero in all. The same of what `configure_optimizers` of a LightningModule makes, with the `max_epochs` of its trainer,
        and of a warm-up of transformers that is as long as `max_steps`. Speaks only where that is so in every run that makes it. Silent
        of schedulers that are stepped for each batch, are part of others, or whose epochs or settings are not known.

    Why it matters:
        The schedule that the method describes has no part in any result; a negative rate makes the loss larger. A rehearsal of one
        epoch shows neither.

    Instead:
        Choose milestones, warm-up and function by the number of epochs that the run has.
    """
    training = {module.path: module for module in training_modules(modules, contract)}
    full = [trace for trace in traces if trace.command == "full" and trace.complete and trace.composition is not None]
    if not full or len(full) < len({trace.run_id for trace in traces}):
        return
    courses = {trace.run_id: (trace, Courses(Numbers(trace, training), training)) for trace in full}
    seen: set[ast.AST] = set()
    for walked in programs:
        for schedule in walked.known(schedules):
            node = schedule.made.node
            if node in seen or not isinstance(node, ast.Call) or schedule.made.module.path not in training:
                continue
            seen.add(node)
            yield from _judge(walked, schedule, node, courses)
    yield from _of_trainers(courses, training)


def _of_trainers(courses: dict[str, tuple[Trace, Courses]], training: dict[str, Module]) -> Iterator[Violation]:
    """What trainers of Lightning and transformers step, where it is wrong in every run."""
    found = {
        run_id: {call: (module, fault) for module, call, fault in trainer_faults(judging, training)}
        for run_id, (_, judging) in courses.items()
    }
    for call, (module, fault) in next(iter(found.values()), {}).items():
        if all(call in faults for faults in found.values()):
            yield Violation(module.location(call), fault.message, fault.action, runs=tuple(found))


def _judge(walked: Program, schedule: Schedule, node: ast.Call, courses: dict[str, tuple[Trace, Courses]]) -> Iterator[Violation]:
    loop = _epochs(schedule)
    if loop is None or is_sequence_part(walked, schedule.made):
        return
    module, statement = loop
    found: dict[str, Fault | None] = {}
    for run_id, (trace, judging) in courses.items():
        if id(statement) not in trace.executed or not isinstance(statement.iter, ast.Call):
            continue
        rounds = judging.numbers.rounds(module, statement.iter)
        known = rounds is not None and rounds >= 1
        found[run_id] = judging.fault(schedule.made.module, node, int(rounds)) if known and rounds is not None else None
    faults = [fault for fault in found.values() if fault is not None]
    if faults and len(faults) == len(found):
        yield Violation(schedule.made.module.location(node), faults[0].message, faults[0].action, runs=tuple(found))


def _epochs(schedule: Schedule) -> tuple[Module, ast.For] | None:
    """Return the loop over epochs that a schedule is stepped in.

    Once a turn and not once a batch; None where it is stepped in any other way.
    """
    around = {id(loop): loop for entry in schedule.loops if (loop := epochs_of(entry)) is not None}
    if len(around) != 1 or len(schedule.steps) != 1 or is_within_batches(schedule, schedule.steps[0]):
        return None
    (loop,) = around.values()
    step = schedule.steps[0]
    if step.loops[:1] != [loop] or not isinstance(loop.node, ast.For):
        return None
    return loop.module, loop.node


_IMPORT = "    optimizer = build_optimizer(cfg.run.training.optimizer, model, optimizer_settings(cfg, found))\n"
_TRAINED = '        train_loss = train_epoch(model, loaders["train"], criterion, optimizer)\n'
_STEPPED = Edit(_TRAINED, f"{_TRAINED}        scheduler.step()\n")
_RUNS = ("config/run/proposed-mlp-digits.yaml", "config/run/comparative-1-mlp-digits.yaml")


def _tree(made: str, settings: str = "") -> Tree:
    configs = {path: Edit("  epochs: 15\n", f"  epochs: 15\n{settings}") for path in _RUNS}
    edits = (Edit(_IMPORT, f"{_IMPORT}    scheduler = torch.optim.lr_scheduler.{made}\n"), _STEPPED)
    return Tree({**(configs if settings else {}), "src/train.py": edits})


HERE = "  # <- here"
_TRAINER = """import lightning
import torch


class Net(lightning.LightningModule):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.{made}
        return {returned}


def trained(cfg):
    return lightning.Trainer(max_epochs=1 if cfg.trial_mode else cfg.run.training.epochs)


"""


def _lightning(made: str, returned: str = "[optimizer], [schedule]") -> Tree:
    fitted = "    trained(cfg).fit(Net())\n    optimizer = build"
    head = Edit("def optimizer_settings", _TRAINER.format(made=made, returned=returned) + "def optimizer_settings")
    project = Edit('"hydra-core', '"lightning",\n    "hydra-core')
    return Tree({"src/train.py": (head, Edit("    optimizer = build", fitted)), "pyproject.toml": project})


def _transformers(options: str) -> Tree:
    made = f"    print(TrainingArguments(output_dir='.cache', {options}\n    optimizer = build"
    head = Edit("import wandb\n", "import wandb\nfrom transformers import TrainingArguments\n")
    project = Edit('"hydra-core', '"transformers",\n    "hydra-core')
    return Tree({"src/train.py": (head, Edit("    optimizer = build", made)), "pyproject.toml": project})


BAD = [
    _tree(f"MultiStepLR(optimizer, milestones=[30, 60]){HERE}"),
    _tree(f"MultiStepLR(optimizer, list(cfg.run.training.milestones)){HERE}", "  milestones: [15, 40]\n"),
    _tree(f"StepLR(optimizer, step_size=cfg.run.training.decay_every, gamma=0.1){HERE}", "  decay_every: 30\n"),
    _tree(f"LambdaLR(optimizer, lambda epoch: 1.0 - epoch / 10){HERE}"),
    _tree(f"LinearLR(optimizer, start_factor=0.01, total_iters=cfg.run.training.warmup){HERE}", "  warmup: 100\n"),
    _lightning(f"StepLR(optimizer, 100){HERE}"),
    _lightning(f"MultiStepLR(optimizer, milestones=[30, 60]){HERE}", '{"optimizer": optimizer, "lr_scheduler": schedule}'),
    _transformers(f"max_steps=100, warmup_steps=500)){HERE}"),
]
GOOD = [
    _tree("MultiStepLR(optimizer, milestones=[10, 60])"),
    _tree("StepLR(optimizer, step_size=cfg.run.training.decay_every, gamma=0.1)", "  decay_every: 5\n"),
    _tree("LambdaLR(optimizer, lambda epoch: max(0.0, 1.0 - epoch / 10))"),
    _tree("LambdaLR(optimizer, lambda epoch: 1.0 - epoch / cfg.run.training.epochs)"),
    _tree("LinearLR(optimizer, start_factor=1.0, end_factor=0.1, total_iters=100)"),
    _tree("ConstantLR(optimizer, factor=0.1, total_iters=3)"),
    _lightning("StepLR(optimizer, 5)"),
    _lightning("StepLR(optimizer, 100)", '[optimizer], [{"scheduler": schedule, "interval": "step"}]'),
    _transformers("max_steps=1000, warmup_steps=500))"),
    _transformers("num_train_epochs=3, warmup_steps=500))"),
    _transformers("max_steps=100, warmup_steps=500, lr_scheduler_type='constant'))"),
    _transformers("max_steps=100, warmup_steps=500, lr_scheduler_type=cfg.run.method))"),
    _lightning("CosineAnnealingLR(optimizer, T_max=100)"),
    _lightning("MultiStepLR(optimizer, milestones=[10, 100])"),
    _lightning("LinearLR(optimizer, 1.0, 0.0, total_iters=15)"),
]
