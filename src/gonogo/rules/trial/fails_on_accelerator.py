"""TRI126."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gonogo.analysis.python.modules import Module
from gonogo.execution.accelerators import comes_with_one
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import failures


@rule("TRI126", "fails-on-accelerator", criterion=9, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM, settles=("crash",))
def fails_on_accelerator(trial: SessionSeen, pretended: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A run that ends well on a CPU fails where there is a GPU.

    What it does:
        Runs what ended well once more with a pretended CUDA device: `torch.cuda` says that there is one, tensors stay on the CPU and
        know where they would be. Reports the line at which tensors of different devices meet, as PyTorch's own fake tensors
        (`FakeTensorMode`) judge it, or at which a tensor on the device is turned into an array, indexes one on the CPU, or gives
        lengths that must be on the CPU. Any other failure with the pretended device is not counted.

    Why it matters:
        Without a GPU everything is on the CPU, so no trial on a laptop shows it; the first step on the accelerator fails.

    Instead:
        Make tensors where they are used, such as `torch.zeros(n, device=x.device)`, keep constants of a network in buffers
        (`register_buffer`), move batches and labels, and say `.cpu()` before `.numpy()`.
    """
    well = {label for label, run in trial.runs.items() if run.ok}
    failed = [run for label, run in pretended.runs.items() if label in well and comes_with_one(run.failure() or ())]
    for violation in failures(failed, modules, contract, contract.commands["trial"].module):
        message = violation.message.replace("it ends with", "on a machine with a GPU it ends with", 1)
        yield replace(violation, message=message, action="have both on one device, here or where they are made")


_LOSS = "        loss = criterion(model(images), labels)\n"
_PREDICT = "    batches = [(model(images), labels) for images, labels in loader]\n"
_FIT = "    criterion = build_criterion(cfg.run.method, cfg.run.training)\n"


def _tree(images: str, labels: str, mark: str = "") -> Tree:
    device = '"cuda" if torch.cuda.is_available() else "cpu"'
    return Tree(
        {
            "src/train.py": (
                Edit(_FIT, f"    model.to({device})\n{_FIT}"),
                Edit(
                    _LOSS,
                    f"        device = next(model.parameters()).device\n        loss = criterion(model({images}), {labels}){mark}\n",
                ),
                Edit(
                    _PREDICT,
                    "    device = next(model.parameters()).device\n"
                    "    batches = [(model(images.to(device)).cpu(), labels) for images, labels in loader]\n",
                ),
            )
        }
    )


BAD = _tree("images.to(device)", "labels", "  # <- here")

GOOD = _tree("images.to(device)", "labels.to(device)")
