"""New classification heads that are frozen together with the layers around them.

A correction wraps them (as in LoRA), or a loop goes over all parameters.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.python.modules import Function, Module, qualified_name
from gonogo.analysis.python.names import ancestors, argument, calls, enclosing_function, functions, last_name, origin, text_of
from gonogo.analysis.python.options import keyword_arguments
from gonogo.analysis.training.pretrained import BARE

_CLASSIFIERS = re.compile(r"For(?:Sequence|Token|Image|Audio|Video)\w*Classification\.from_pretrained$|ForMultipleChoice\.from_pretrained$")
# Words of the last layer, and of what keeps it out of the freezing or puts it among what learns.
HEAD = re.compile(r"classifier|head|score|fc\b|out_proj|pooler|modules_to_save|lm_head|qa_outputs", re.IGNORECASE)
_CORRECTIONS = re.compile(r"lora|adapter|delta|prompt|prefix|ia3|bitfit|rank|norm|bias|dora|vera|spectral|gate", re.IGNORECASE)
_WALKS = frozenset({"named_modules", "modules", "named_children", "children", "named_parameters", "parameters"})
Targets = Mapping[ast.AST, frozenset[str]]


@dataclass(frozen=True)
class FrozenHead:
    """A new head that is frozen.

    Attributes:
        node: the call that makes the network with it.
        frozen: what freezes it, in `freezer`.
    """

    module: Module
    node: ast.Call
    freezer: Module
    frozen: ast.AST


def frozen_heads(modules: Mapping[str, Module]) -> Iterator[FrozenHead]:
    """Every network that is made with a new head which is surely frozen and never let learn again."""
    listed = list(modules.values())
    if any(lets_head_learn(module) for module in listed):
        return
    wrappers = {name: (module, place) for module in listed for name, place in _wrappers(module)}
    for module in listed:
        for call in calls(module):
            if not has_new_head(listed, module, call):
                continue
            found = _wrapped_in(module, call, wrappers) or _all_frozen(module, call)
            if found is not None:
                yield FrozenHead(module, call, *found)


def heads_beside_lora(modules: Mapping[str, Module], targets: Targets) -> Iterator[FrozenHead]:
    """Yield every network with a new head that `get_peft_model` freezes.

    Its config freezes the head with the rest.

    peft lets the head of a classifier learn where `task_type` says that it is one, or `modules_to_save` or `target_modules` name it.

    Args:
        modules: the code that trains, by path.
        targets: see `lora_targets`.
    """
    listed = list(modules.values())
    if any(lets_head_learn(module, peft=False) for module in listed):
        return
    for module in listed:
        heads = [call for call in calls(module) if has_new_head(listed, module, call)]
        for call in calls(module) if heads else ():
            if origin(module, call.func) in ("peft.get_peft_model", "get_peft_model") and len(heads) == 1:
                config = _config_of(module, call)
                if config is not None and _leaves_out_head(module, config, targets):
                    yield FrozenHead(module, heads[0], module, config)


def lora_targets(traces: Iterable[Trace]) -> Targets:
    """Return, by the call that makes a `LoraConfig`, the layer names that the runs pass to it.

    Only calls where all names are known for all runs are included.
    """
    found: dict[ast.AST, set[str] | None] = {}
    for trace in traces:
        for call in trace.calls:
            if call.name == "peft.LoraConfig":
                given = call.argument("target_modules")
                values = given.values if isinstance(given, Sequence) and not given.open else []
                names = [name for value in values if isinstance(name := value.constant(), str)]
                known = found.setdefault(call.site.node, set())
                is_known = known is not None and bool(names) and len(names) == len(values)
                found[call.site.node] = {*(known or ()), *names} if is_known else None
    return {node: frozenset(names) for node, names in found.items() if names is not None}


def frozen_beside_lora(modules: Mapping[str, Module]) -> Iterator[FrozenHead]:
    """Yield every network whose new head is frozen by hand after `get_peft_model` made it trainable.

    Everything that is no correction is frozen with it.
    """
    listed = list(modules.values())
    if any(lets_head_learn(module, peft=False) for module in listed):
        return
    for module in listed:
        for call in calls(module):
            if not has_new_head(listed, module, call):
                continue
            found, function = _all_frozen(module, call), enclosing_function(module, call)
            if found is None or enclosing_function(module, found[1]) is not function:
                continue
            made = [
                peft.lineno
                for peft in calls(module)
                if origin(module, peft.func) in ("peft.get_peft_model", "get_peft_model") and enclosing_function(module, peft) is function
            ]
            if made and getattr(found[1], "lineno", 0) > max(made):
                yield FrozenHead(module, call, *found)


def _config_of(module: Module, call: ast.Call) -> ast.Call | None:
    """The call that makes the config of `get_peft_model(model, config)`."""
    given = argument(call, 1, "peft_config")
    function = enclosing_function(module, call)
    if isinstance(given, ast.Name):
        bound = [
            node.value
            for node in module.of(ast.Assign)
            if enclosing_function(module, node) is function and any(last_name(target) == given.id for target in node.targets)
        ]
        given = bound[0] if len(bound) == 1 else None
    is_lora = isinstance(given, ast.Call) and origin(module, given.func) in ("peft.LoraConfig", "LoraConfig")
    return given if isinstance(given, ast.Call) and is_lora else None


def _leaves_out_head(module: Module, config: ast.Call, followed: Targets) -> bool:
    """Whether all that a config is given is known, and none of it is about the head."""
    given = keyword_arguments(module, config)
    stars = [keyword.value for keyword in config.keywords if keyword.arg is None]
    if config.args or any(not keyword_arguments(module, ast.Call(config.func, [], [ast.keyword(None, star)])) for star in stars):
        return False
    task, targets = given.get("task_type"), given.get("target_modules")
    is_no_classifier = task is None or ast.unparse(task).strip("'\"").rpartition(".")[2] in ("None", "FEATURE_EXTRACTION")
    names = (
        [text_of(entry) for entry in targets.elts] if isinstance(targets, (ast.List, ast.Tuple)) else [text_of(targets)] if targets else []
    )
    if None in names and config in followed:
        names = list(followed[config])
    is_known = all(name is not None and not HEAD.search(name) and "linear" not in name.lower() for name in names)
    return is_no_classifier and is_known and "modules_to_save" not in given


def has_new_head(modules: list[Module], module: Module, call: ast.Call) -> bool:
    """Whether a call makes a pretrained classifier with a number of classes of its own."""
    if not _CLASSIFIERS.search(origin(module, call.func)):
        return False
    if argument(call, None, "num_labels") is None and argument(call, None, "config") is None:
        return False
    name = call.args[0] if call.args else argument(call, None, "pretrained_model_name_or_path")
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        return BARE.match(name.value) is not None
    texts = [node.value for other in modules for node in other.of(ast.Constant) if isinstance(node.value, str) and len(node.value) < 80]
    return any(BARE.match(text) for text in texts) or not any("/" in text and "-finetuned" in text for text in texts)


def lets_head_learn(module: Module, peft: bool = True) -> bool:
    """Return whether a module may make a head trainable.

    It says so, replaces the head, or sets what learns in a way that is not followed.
    """
    for node in module.of(ast.Assign):
        if any(isinstance(target, ast.Attribute) and target.attr == "requires_grad" for target in node.targets):
            value = node.value
            if isinstance(value, ast.Constant) and value.value is False:
                continue
            if not _is_of_corrections(module, node, value):
                return True
        named = any(isinstance(target, ast.Attribute) and HEAD.search(target.attr) for target in node.targets)
        if named and isinstance(node.value, ast.Call) and not _is_self(node):
            return True
    for call in calls(module):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "requires_grad_":
            given = argument(call, 0, "requires_grad")
            if not (isinstance(given, ast.Constant) and given.value is False) and not _is_of_corrections(module, call, given):
                return True
    if not peft:
        return False
    names = {name.rpartition(".")[2] for name in module.imports.values()}
    return bool(names & {"get_peft_model", "LoraConfig", "PeftModel"}) or any(
        keyword.arg == "modules_to_save" for keyword in module.of(ast.keyword)
    )


def _is_self(node: ast.Assign) -> bool:
    return all(isinstance(target, ast.Attribute) and qualified_name(target.value) == "self" for target in node.targets)


def _is_of_corrections(module: Module, node: ast.AST, value: ast.expr | None) -> bool:
    """Return whether only corrections, normalisation or biases are made trainable here.

    The code tests their names and names no head.
    """
    tests = [parent.test for parent in ancestors(module, node) if isinstance(parent, ast.If)]
    text = " ".join(ast.unparse(part) for part in (*tests, *([value] if value is not None else [])))
    if HEAD.search(text):
        return False
    if _CORRECTIONS.search(text):
        return True
    owner = next((parent for parent in ancestors(module, node) if isinstance(parent, ast.ClassDef)), None)
    return owner is not None and _CORRECTIONS.search(ast.unparse(node)) is not None


# -- wrapped one by one -----------------------------------------------------------------------------------------------------


def _wrappers(module: Module) -> Iterator[tuple[str, ast.AST]]:
    """Classes that freeze the layer that they are given, with where they do."""
    for node in module.of(ast.ClassDef):
        init = next((entry for entry in node.body if isinstance(entry, ast.FunctionDef) and entry.name == "__init__"), None)
        if init is None:
            continue
        given = {entry.arg for entry in init.args.args[1:]}
        held = {
            target.attr
            for entry in ast.walk(init)
            if isinstance(entry, ast.Assign) and isinstance(entry.value, ast.Name) and entry.value.id in given
            for target in entry.targets
            if isinstance(target, ast.Attribute)
        }
        place = next((entry for entry in ast.walk(init) if freezes(entry) and _concerns(module, entry, given | held)), None)
        if place is not None and held:
            yield node.name, place


def freezes(node: ast.AST) -> bool:
    """Whether a statement or call switches gradients off."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "requires_grad_":
        given = argument(node, 0, "requires_grad")
        return isinstance(given, ast.Constant) and given.value is False
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and node.value.value is False
        and any(isinstance(target, ast.Attribute) and target.attr == "requires_grad" for target in node.targets)
    )


def _concerns(module: Module, node: ast.AST, names: set[str]) -> bool:
    """Return whether something is done to one of some names.

    It is done to the object, to its weight, or in a loop over its parameters.
    """
    target = node.targets[0] if isinstance(node, ast.Assign) else node.func if isinstance(node, ast.Call) else node
    found = {
        inner.id if isinstance(inner, ast.Name) else inner.attr
        for inner in ast.walk(target)
        if isinstance(inner, (ast.Name, ast.Attribute))
    }
    for parent in ancestors(module, node):
        if isinstance(parent, ast.For):
            found |= {
                inner.id if isinstance(inner, ast.Name) else inner.attr
                for inner in ast.walk(parent.iter)
                if isinstance(inner, (ast.Name, ast.Attribute))
            }
        elif isinstance(parent, (ast.FunctionDef, ast.If)):
            break
    return bool(found & names)


def _wrapped_in(module: Module, call: ast.Call, wrappers: dict[str, tuple[Module, ast.AST]]) -> tuple[Module, ast.AST] | None:
    """What freezes each linear layer of a project whose networks have all of them wrapped."""
    if not wrappers:
        return None
    for loop in module.of(ast.For):
        if not any(isinstance(inner, ast.Attribute) and inner.attr in _WALKS for inner in ast.walk(loop.iter)):
            continue
        for made in ast.walk(loop):
            name = last_name(made.func) if isinstance(made, ast.Call) else ""
            if name in wrappers and _takes_every_linear(module, made, loop):
                return wrappers[name]
    return None


def _takes_every_linear(module: Module, made: ast.AST, loop: ast.For) -> bool:
    """Whether nothing but the kind of a layer decides whether it is wrapped."""
    tests: list[ast.expr] = []
    for parent in ancestors(module, made):
        if parent is loop:
            break
        if isinstance(parent, (ast.If, ast.IfExp)):
            tests.append(parent.test)
        elif not isinstance(parent, (ast.stmt, ast.Call, ast.keyword)):
            return False
    skips = [entry for entry in ast.walk(loop) if isinstance(entry, (ast.Continue, ast.Break, ast.Return))]
    return bool(tests) and not skips and all(_is_only_kind(test) for test in tests)


def _is_only_kind(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Call)
        and qualified_name(test.func) == "isinstance"
        and len(test.args) == 2
        and "Linear" in ast.unparse(test.args[1])
    )


# -- frozen all at once -----------------------------------------------------------------------------------------------------


def _all_frozen(module: Module, call: ast.Call) -> tuple[Module, ast.AST] | None:
    """Return what freezes all parameters except those of corrections.

    It is looked for in the function that makes the network, or in one of its class.
    """
    function = enclosing_function(module, call)
    for loop in module.of(ast.For):
        if enclosing_function(module, loop) is not function and not _is_of_same_class(module, loop, function):
            continue
        if not re.search(r"\.(?:named_)?parameters\(\)$", ast.unparse(loop.iter)) or HEAD.search(ast.unparse(loop.iter)):
            continue
        if re.search(
            r"\.(?:bert|roberta|distilbert|deberta|electra|albert|vit|base_model|encoder|backbone|transformer|embeddings?)\b",
            ast.unparse(loop.iter),
        ):
            continue
        text = ast.unparse(loop)
        if HEAD.search(text):
            continue
        for node in ast.walk(loop):
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Attribute) and target.attr == "requires_grad" for target in node.targets
            ):
                tests = [parent.test for parent in ancestors(module, node) if isinstance(parent, ast.If) and parent.lineno >= loop.lineno]
                decided = [*tests, *([node.value] if not isinstance(node.value, ast.Constant) else [])]
                if (
                    freezes(node)
                    and decided
                    and all(_CORRECTIONS.search(ast.unparse(part)) and " not in " in ast.unparse(part) for part in decided)
                ):
                    return module, node
                if not isinstance(node.value, ast.Constant) and not tests and _CORRECTIONS.search(ast.unparse(node.value)):
                    return module, node
    return None


def _is_of_same_class(module: Module, node: ast.AST, function: Function | None) -> bool:
    return function is not None and any(
        entry.name == function.name for entry in functions(module) if entry is enclosing_function(module, node)
    )
