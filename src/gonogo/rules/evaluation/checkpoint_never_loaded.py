"""EVA138."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, last_name, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

# Anything that may put weights into a network.
LOADS = re.compile(
    r"load_state_dict|load_checkpoint|load_weights|load_model|from_pretrained|set_weights|load_params|load_dict"
    r"|\.copy_\(|\.data *=|\.load\(\s*self|ckpt_path|setattr|resume"
)
SHOWS = frozenset({"print", "info", "debug", "write", "log", "keys", "len", "format", "float", "int", "str", "round", "items", "get"})


@rule("EVA138", "checkpoint-never-loaded", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def checkpoint_never_loaded(modules: dict[str, Module]) -> Iterator[Violation]:
    """A checkpoint is read and its weights go into no network.

    What it does:
        Looks at dictionaries that `torch.load` gives in a program that evaluates a network and trains none. Speaks where nothing in the
        project puts weights into any network (`load_state_dict` and the like), and all that is done with the checkpoint is to show
        numbers in it.

    Why it matters:
        The network has the random weights that it was made with, and its score is chance, or that of its initialisation (PyTorch, "Saving
        and Loading Models").

    Instead:
        Call `network.load_state_dict(checkpoint["model"])`.
    """
    texts = [module.text for module in modules.values()]
    if any(LOADS.search(text) or ".backward(" in text or ".fit(" in text for text in texts):
        return
    for module in modules.values():
        if (
            not any(last_name(call.func) in ("eval", "inference_mode", "no_grad") for call in module.of(ast.Call))
            or ".eval()" not in module.text
        ):
            continue
        for node in module.of(ast.Assign):
            target = node.targets[0]
            if not (isinstance(target, ast.Name) and isinstance(node.value, ast.Call) and origin(module, node.value.func) == "torch.load"):
                continue
            home = enclosing_function(module, node)
            uses = [use for use in module.named.get(target.id, ()) if use is not target and enclosing_function(module, use) is home]
            subscripts = [use for use in uses if isinstance(module.parents.get(use), ast.Subscript)]
            if len(subscripts) == len(uses) and all(_is_shown(module, use) for use in uses) and _has_network(module):
                yield Violation(
                    module.location(node),
                    f"`{target.id}` is read, and its weights go into no network: what is evaluated is random",
                    "call `load_state_dict` with the weights in it",
                )


def _is_shown(module: Module, use: ast.AST) -> bool:
    """Whether what is taken out of a checkpoint is only shown."""
    for parent in ancestors(module, use):
        if isinstance(parent, ast.Call):
            return last_name(parent.func) in SHOWS
        if isinstance(parent, ast.stmt):
            return False
    return False


def _has_network(module: Module) -> bool:
    """Whether something is put into eval mode that the file makes by a call."""
    for call in module.of(ast.Call):
        if last_name(call.func) == "eval" and isinstance(call.func, ast.Attribute) and not call.args:
            owner = call.func.value
            while isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute) and owner.func.attr in ("to", "cuda"):
                owner = owner.func.value
            made = module.assigned.get(owner.id, []) if isinstance(owner, ast.Name) else []
            if any(isinstance(value, ast.Call) and last_name(value.func)[:1].isupper() for value in made):
                return True
    return False


PROGRAM = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, rows):
        return self.layer(rows)


net = Net()
saved = torch.load("net.pt"){marker}
print("epoch", saved["epoch"])
{put}
net.eval()
with torch.no_grad():
    print(net(torch.randn(3, 4)).argmax(1))
"""
BAD = [program(PROGRAM.format(marker="  # <- here", put="print(len(saved['model']))"))]
BAD += [program(PROGRAM.format(marker="  # <- here", put="print(net)").replace('print("epoch", saved["epoch"])\n', ""))]
GOOD = [
    program(PROGRAM.format(marker="", put='net.load_state_dict(saved["model"])')),
    program(PROGRAM.format(marker="", put='net = saved["network"]')),
    program(PROGRAM.format(marker="", put='for p, q in zip(net.parameters(), saved["model"]):\n    p.data = q')),
]
