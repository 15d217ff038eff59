"""MOD123."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import all_parsed, argument, calls, last_name, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

_NAMES = ("id2label", "label2id")
_MADE = re.compile(r"^transformers\.(?:\w+\.)*\w+\.(?:from_pretrained|from_config)$|^transformers\.(?:\w+\.)*\w+Config$")


@rule("MOD123", "default-label-names", criterion=4, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def default_label_names(modules: dict[str, Module]) -> Iterator[Violation]:
    """The names of labels are read from a config that was never told them.

    What it does:
        Looks for code that reads `config.id2label` or `label2id` of a transformers network that is made with `num_labels`, in a project
        that gives the names nowhere: no `id2label=`, no assignment to it. Reading only how many there are is left alone.

    Why it matters:
        The names are then `LABEL_0`, `LABEL_1` …: a metric that goes by them, as seqeval does by `O` and `B-`, counts something else
        without an error (transformers, `PretrainedConfig.id2label`).

    Instead:
        Give `id2label` and `label2id` where the network or its config is made.
    """
    if not all_parsed(modules) or any(_is_told(module) for module in modules.values()):
        return
    made = [
        call
        for module in modules.values()
        for call in calls(module)
        if argument(call, None, "num_labels") is not None and _MADE.match(origin(module, call.func))
    ]
    if not made:
        return
    for module in modules.values():
        for node in module.of(ast.Attribute):
            if node.attr in _NAMES and isinstance(node.ctx, ast.Load) and _is_config(node.value) and not _is_counted(module, node):
                yield Violation(
                    module.location(node),
                    f"`{node.attr}` was never given: the names are `LABEL_0`, `LABEL_1` and so on",
                    "give `id2label` and `label2id` where the network or its config is made",
                )
                return


def _is_told(module: Module) -> bool:
    """Whether a module may give the names: by keyword, by assignment, in a dict."""
    if any(keyword.arg in _NAMES or keyword.arg is None for keyword in module.of(ast.keyword) if _is_about_names(module, keyword)):
        return True
    stored = any(node.attr in _NAMES and isinstance(node.ctx, ast.Store) for node in module.of(ast.Attribute))
    return stored or any(node.value in _NAMES for node in module.of(ast.Constant) if isinstance(node.value, str))


def _is_about_names(module: Module, keyword: ast.keyword) -> bool:
    if keyword.arg is not None:
        return True
    call = module.parents.get(keyword)
    return isinstance(call, ast.Call) and _MADE.match(origin(module, call.func)) is not None


def _is_config(node: ast.expr) -> bool:
    return last_name(node).endswith(("config", "shape")) or last_name(node) in ("cfg", "conf")


def _is_counted(module: Module, node: ast.Attribute) -> bool:
    parent = module.parents.get(node)
    return isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id == "len"


_PROGRAM = """from transformers import AutoModelForTokenClassification

tags = ["O", "B-PER", "I-PER"]
model = AutoModelForTokenClassification.from_pretrained("bert-base-cased", num_labels=len(tags){more})
print({read}){marker}
"""
BAD = program(_PROGRAM.format(more="", read="model.config.id2label[0]", marker="  # <- here"))
GOOD = [
    program(_PROGRAM.format(more=", id2label=dict(enumerate(tags))", read="model.config.id2label[0]", marker="")),
    program(_PROGRAM.format(more="", read="len(model.config.id2label)", marker="")),
]
