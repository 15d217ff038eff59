"""WDB122."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.tracking.steps import Steps
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("WDB122", "step-behind", criterion=6, severity=Severity.WARNING, stage=Stage.CHECK, settles=("tracking",))
def step_behind(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """Rows are logged at steps that lie before the last one, as the loops around them show.

    What it does:
        Reads the `step` of each `wandb.log` by how it grows with the loops around it, through functions that log. Reported where rows of
        batches count up over all epochs, or count by themselves, and the row of an epoch is logged at the number of the epoch; and where
        the steps of an inner loop begin anew in each round of the outer one. WDB109 watches for the same in the trial.

    Why it matters:
        The client drops a row whose step lies before the last one, with a warning that nobody reads: the curve then lacks what it was for.

    Instead:
        Count one step for the whole run, or leave `step` out and log the epoch as a value.
    """
    training = {module.path: module for module in training_modules(modules, contract)}
    for found in Steps(training).dropped():
        row, other = found.row, found.other
        starts_anew = row is other
        yield Violation(
            row.module.location(row.call),
            "the steps of these rows begin anew in each round of the outer loop: W&B drops all rows but those of the first"
            if starts_anew
            else "this row is logged at a step that lies before those of the rows of the inner loop: W&B drops it",
            "count one step for the whole run, or leave `step` out and log the epoch as a value",
            related=() if starts_anew else (Related(location=other.module.location(other.call), label="logged before it, at later steps"),),
        )


_ROW = '            wandb.log({"epoch": epoch, "train_loss": train_loss, "val_accuracy": val_accuracy, "val_loss": val_loss})\n'
_AT_EPOCH = _ROW.replace("})", "}, step=epoch)")
_LOOP = "    for images, labels in loader:\n        optimizer.zero_grad()\n"
_COUNTED = "    for batch, (images, labels) in enumerate(loader):\n        optimizer.zero_grad()\n"
_SUM = "        total_loss += loss.item() * len(labels)\n"
_HEAD = "optimizer: torch.optim.Optimizer) -> float:"
_CALL = 'train_epoch(model, loaders["train"], criterion, optimizer)'
_BY_BATCH = '        wandb.log({"batch_loss": loss.item()}, step=epoch * len(loader) + batch)\n'
_EDITS = (
    Edit(_LOOP, _COUNTED),
    Edit(_HEAD, _HEAD.replace(")", ", epoch: int)")),
    Edit(_CALL, _CALL.replace("optimizer)", "optimizer, epoch)")),
)
BAD = [
    Tree({"src/train.py": (*_EDITS, Edit(_SUM, _SUM + _BY_BATCH), Edit(_ROW, _AT_EPOCH.replace("\n", "  # <- here\n")))}),
    Tree({"src/train.py": (*_EDITS, Edit(_SUM, _SUM + _BY_BATCH.replace("epoch * len(loader) + batch)", "batch)  # <- here")))}),
]
GOOD = [
    Tree({"src/train.py": (*_EDITS, Edit(_SUM, _SUM + _BY_BATCH))}),
    Tree({"src/train.py": Edit(_ROW, _AT_EPOCH)}),
]
