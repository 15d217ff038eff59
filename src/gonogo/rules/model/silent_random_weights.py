"""MOD107."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.handlers import ends, handler_of, inner, may_be_made_good, only_tells
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, origin
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.optional_weights import is_given, optional_weights, written_files
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

# Words of a training that is taken up again where it was left: a new start is what it then means to make.
TAKEN_UP = re.compile(r"resum|last|latest|optim|sched|epoch|previous|restore", re.IGNORECASE)
ABSENCE = frozenset({"FileNotFoundError", "OSError", "IOError", "EnvironmentError"})
LOADERS = re.compile(r"^(?:torch\.load|safetensors\.torch\.load_file|torch\.hub\.load.*|huggingface_hub\.hf_hub_download)$")


@rule("MOD107", "silent-random-weights", criterion=4, severity=Severity.ERROR, stage=Stage.CHECK, settles=("model",))
def silent_random_weights(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A checkpoint that can't be loaded, or is not there, is replaced by random weights.

    What it does:
        Looks for the loading of weights (`load_state_dict`, `torch.load`, `from_pretrained`, `pretrained=True` …) in a
        `try` whose clause for any exception is silent or only logs, or builds the model anew without weights; and for weights that are
        loaded only if their file exists, with nothing in their place. Left alone: an earlier state of the same training that is taken up
        again, a file that the project itself writes, code that asks for the model before it uses it or has another way to load it.

    Why it matters:
        A typing error in a path, or a machine without network, then gives a model at chance level, and results that look
        like any other.

    Instead:
        Let the exception end the run, with a sentence that names the checkpoint.
    """
    training = training_modules(modules, contract)
    by_path = {module.path: module for module in training}
    written = written_files(by_path)
    for module in training:
        told: set[ast.AST] = set()
        for call in calls(module):
            if not _loads_weights(module, call):
                continue
            handler = handler_of(module, call) or _handler_of_absence(by_path, module, call, written)
            if handler is None or handler in told or ends(module, handler):
                continue
            told.add(handler)
            tried = module.parents[handler]
            if isinstance(tried, ast.Try) and any(TAKEN_UP.search(ast.unparse(entry)) for entry in tried.body):
                continue
            silent = only_tells(module, handler) and not may_be_made_good(module, handler, training)
            if silent or any(_is_without_weights(node) for node in inner(handler)):
                yield Violation(
                    module.location(handler),
                    "if the checkpoint can't be loaded, the model goes on with random weights",
                    "let the exception end the run, with a sentence that names the checkpoint",
                )
    for found in optional_weights(by_path):
        yield Violation(
            found.module.location(found.node),
            f"where `{ast.unparse(found.test)[:80]}` does not hold, the network goes on with random weights, and nothing stops the run",
            "raise an error that names the missing file",
            related=(Related(location=found.module.location(found.test), label="the file is asked for here"),),
        )


def _handler_of_absence(modules: dict[str, Module], module: Module, call: ast.Call, written: set[str]) -> ast.ExceptHandler | None:
    """The clause that takes a missing file, where that is one that comes from elsewhere."""
    handler = handler_of(module, call, ABSENCE)
    return handler if handler is not None and is_given(modules, module, call, call, written) else None


def _loads_weights(module: Module, call: ast.Call) -> bool:
    if LOADERS.match(origin(module, call.func)):
        return True
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("load_state_dict", "from_pretrained"):
        owner = ast.unparse(call.func.value)
        return not re.search(r"optim|sched|scaler|token|processor|config", owner, re.IGNORECASE)
    return _is(argument(call, None, "pretrained"), True)


def _is_without_weights(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and (
        _is(argument(node, None, "pretrained"), False)
        or _is(argument(node, None, "weights"), None)
        or (isinstance(node.func, ast.Attribute) and node.func.attr == "from_config")
    )


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


TRIED = """    model = MultiLayerPerceptron(
        hidden_units=model_cfg.hidden_units,
        num_classes=model_cfg.num_classes,
        dropout=model_cfg.dropout,
    )
    try:
        model.load_state_dict(torch.load(model_cfg.name, weights_only=True))
    except Exception:{marker}
        {what}
    return model
"""
OLD = """    return MultiLayerPerceptron(
        hidden_units=model_cfg.hidden_units,
        num_classes=model_cfg.num_classes,
        dropout=model_cfg.dropout,
    )
"""
ASKED = """    model = MultiLayerPerceptron(
        hidden_units=model_cfg.hidden_units,
        num_classes=model_cfg.num_classes,
        dropout=model_cfg.dropout,
    )
    pretrained = os.path.join(".cache", "pretrained.pt")
    if os.path.exists(pretrained):
        model.load_state_dict(torch.load(pretrained, weights_only=True)){marker}
    {otherwise}
    return model
"""
OS = Edit("import torch\nfrom omegaconf", "import os\n\nimport torch\nfrom omegaconf")
BAD = [
    Tree({"src/model.py": Edit(OLD, TRIED.format(marker="  # <- here", what='print("starting from scratch")'))}),
    Tree({"src/model.py": (OS, Edit(OLD, ASKED.format(marker="  # <- here", otherwise='print("ready")')))}),
]
GOOD = [
    Tree({"src/model.py": Edit(OLD, TRIED.format(marker="", what="raise"))}),
    Tree({"src/model.py": (OS, Edit(OLD, ASKED.format(marker="", otherwise="else:\n        raise FileNotFoundError(pretrained)")))}),
    Tree({"src/model.py": (OS, Edit(OLD, ASKED.format(marker="", otherwise="").replace("pretrained", "last_epoch")))}),
]
