"""TRN161."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, last_name, origin, text_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

# What leaves the padding out of the loss.
HANDLED = re.compile(
    r"-\s*100\b|ignore_index|loss_mask|label_mask|DataCollator|masked_fill|packing|attention_mask[^\n]*loss|loss[^\n]*attention_mask"
)


@rule("TRN161", "padding-learned", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def padding_learned(modules: dict[str, Module]) -> Iterator[Violation]:
    """A language model is trained on the padding: its labels are the padded tokens.

    What it does:
        Looks at files that pad with a tokenizer (`padding=True`, `"max_length"`, `"longest"`) and set `labels` to the `input_ids`, or a
        copy of them. Speaks where nothing in the file leaves tokens out of the loss: no -100, no `ignore_index`, no data collator.

    Why it matters:
        Most tokens of a batch of short texts are padding. The loss is small, because that is easy, and the model learns to end early
        (transformers, "Glossary: labels": set padding to -100).

    Instead:
        Write `labels[attention_mask == 0] = -100`, or use `DataCollatorForLanguageModeling`.
    """
    for module in modules.values():
        if HANDLED.search(module.text) or not any(dotted.startswith("transformers") for dotted in module.imports.values()):
            continue
        padded = next((call for call in module.of(ast.Call) if _pads(call)), None)
        if padded is None:
            continue
        for node in module.of(ast.Assign, ast.Dict):
            value = _labels(node)
            if value is not None and _is_input(module, value):
                yield Violation(
                    module.location(node if isinstance(node, ast.Assign) else value),
                    "the labels are the padded tokens: the model is trained on the padding",
                    "set the labels of the padding to -100",
                    related=(Related(location=module.location(padded), label="the texts are padded here"),),
                )
                break


def _pads(call: ast.Call) -> bool:
    given = argument(call, None, "padding")
    return (
        isinstance(given, ast.Constant) and given.value in (True, "max_length", "longest") and argument(call, None, "text_target") is None
    )


def _labels(node: ast.Assign | ast.Dict) -> ast.expr | None:
    """What `labels` are set to."""
    if isinstance(node, ast.Dict):
        return next((value for key, value in zip(node.keys, node.values, strict=True) if text_of(key) == "labels"), None)
    target = node.targets[0]
    return node.value if isinstance(target, ast.Subscript) and text_of(target.slice) == "labels" else None


def _is_input(module: Module, node: ast.expr) -> bool:
    if (
        isinstance(node, ast.Call)
        and not node.args
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("clone", "copy", "detach")
    ):
        node = node.func.value
    if isinstance(node, ast.Call) and origin(module, node.func) in ("copy.deepcopy", "copy.copy", "list") and node.args:
        node = node.args[0]
    if isinstance(node, ast.ListComp) and len(node.generators) == 1 and not node.generators[0].ifs and _is_row(node):
        node = node.generators[0].iter
    if isinstance(node, ast.Subscript):
        return text_of(node.slice) == "input_ids" and not isinstance(node.value, ast.Call)
    return isinstance(node, ast.Attribute) and node.attr == "input_ids" and not isinstance(node.value, ast.Call)


def _is_row(made: ast.ListComp) -> bool:
    """Whether a list holds what it goes through, as it is or copied: `[list(ids) for ids in …]`."""
    node, target = made.elt, made.generators[0].target
    if isinstance(node, ast.Call):
        node = node.args[0] if last_name(node.func) == "list" and len(node.args) == 1 else node.func
        node = node.value if isinstance(node, ast.Attribute) and node.attr == "copy" else node
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and node.slice.lower is None and node.slice.upper is None:
        node = node.value
    return isinstance(node, ast.Name) and isinstance(target, ast.Name) and node.id == target.id


PROGRAM = """import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

tokens = AutoTokenizer.from_pretrained("gpt2")
model = AutoModelForCausalLM.from_pretrained("gpt2")


def collate(texts):
    batch = tokens(texts, padding={padding}, return_tensors="pt")
    {labels}
    return batch


print(model(**collate(["one", "two and three"])).loss)
"""
HERE = "  # <- here"
BAD = [
    program(PROGRAM.format(padding="True", labels=f'batch["labels"] = batch["input_ids"].clone(){HERE}')),
    program(PROGRAM.format(padding='"max_length"', labels=f'batch["labels"] = batch.input_ids{HERE}')),
    program(PROGRAM.format(padding="True", labels=f'batch = {{**batch, "labels": batch["input_ids"]}}{HERE}')),
]
BAD += [
    program(PROGRAM.format(padding='"max_length"', labels=f'batch["labels"] = [{made} for ids in batch["input_ids"]]{HERE}'))
    for made in ("list(ids)", "ids[:]", "ids.copy()")
]
GOOD = [
    program(PROGRAM.format(padding="True", labels='batch["labels"] = [ids[1:] for ids in batch["input_ids"]]')),
    program(PROGRAM.format(padding="False", labels='batch["labels"] = batch["input_ids"].clone()')),
    program(
        PROGRAM.format(
            padding="True",
            labels='labels = batch["input_ids"].clone()\n    labels[batch["attention_mask"] == 0] = -100\n    batch["labels"] = labels',
        )
    ),
    program(PROGRAM.format(padding="True", labels='batch["labels"] = tokens(texts, padding=True).input_ids')),
    program(PROGRAM.format(padding="True", labels='batch["labels"] = torch.tensor([0, 1])')),
]
