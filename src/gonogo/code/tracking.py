"""What the code says to W&B: where runs begin, what is logged, which keys evaluation asks for; told from the text of the modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gonogo.code.modules import Module, qualified_name
from gonogo.code.names import argument, calls, origin, text_of
from gonogo.contract import Contract, module_path

# W&B puts these into every row and summary itself.
OWN_KEYS = frozenset({"_step", "_runtime", "_timestamp", "_wandb", "step"})
# Libraries that log under names of their own, which no text of the experiment shows.
LOGS_BY_ITSELF = re.compile(
    r"^(?:lightning|pytorch_lightning|transformers\.(?:Trainer|Seq2SeqTrainer|TrainingArguments|integrations)|trl|keras|tensorflow|accelerate"
    r"|ultralytics|wandb\.(?:integration|keras|sklearn|xgboost|lightgbm))(?:\.|$)"
)
RUN_NAMES = re.compile(r"^(?:wandb|run|wandb_run|wb|wb_run|wandb_logger|logger|tracker)$")


def training_modules(modules: Mapping[str, Module], contract: Contract) -> list[Module]:
    """Every module but the one of the evaluation."""
    return [module for path, module in modules.items() if path != module_path(contract.evaluation.module)]


def is_init(module: Module, call: ast.Call) -> bool:
    """Whether a call begins a run at W&B."""
    return origin(module, call.func) in ("wandb.init", "wandb.sdk.wandb_init.init")


def begins_elsewhere(module: Module) -> bool:
    """Whether a library may begin the run: its logger or its setting is named."""
    if any(LOGS_BY_ITSELF.match(name) for name in module.imports.values()):
        return True
    return any(isinstance(node.value, str) and node.value == "wandb" for node in module.of(ast.Constant))


def handles(module: Module) -> set[str]:
    """What the module calls its runs, as it is written: `run`, `self.run`; `wandb` itself among them."""
    found = {name for name, meaning in module.imports.items() if meaning == "wandb"}
    for node in module.of(ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.withitem):
        value: ast.expr | None = getattr(node, "context_expr", None) or getattr(node, "value", None)
        if not isinstance(value, ast.Call) or not is_init(module, value):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None) or getattr(node, "optional_vars", None)]
        found.update(qualified_name(target) for target in targets if target is not None)
    return found - {""}


@dataclass
class Vocabulary:
    """Every text from which the training could make the name of a metric.

    Attributes:
        words: Texts, identifiers, keyword names, config keys: what is not among them no code can log by name.
        patterns: Texts with unknown stretches, as regular expressions.
        open: Names may come from somewhere that no text shows.
    """

    words: set[str] = field(default_factory=set)
    patterns: list[re.Pattern[str]] = field(default_factory=list)
    open: bool = False

    def lacks(self, key: str) -> bool:
        """Whether no run can have logged this key."""
        if self.open or key in OWN_KEYS or key in self.words or any(pattern.fullmatch(key) for pattern in self.patterns):
            return False
        # W&B joins the names of nested dictionaries with dots; code joins parts with a slash or an underscore by many means.
        parts = [part for part in re.split(r"[./]", key) if part]
        return not (len(parts) > 1 and all(part in self.words for part in parts))


def vocabulary(modules: list[Module], configs: str) -> Vocabulary:
    """What the training can call its metrics.

    Args:
        modules: All modules but the evaluation's.
        configs: The text of all configs: names may come from there.
    """
    found = Vocabulary(words=set(re.findall(r"[\w./%@+-]+", configs)))
    for module in modules:
        if module.tree is None or any(LOGS_BY_ITSELF.match(name) for name in module.imports.values()):
            found.open = True
            return found
        for node in module.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.words.add(node.value)
            elif isinstance(node, ast.Name):
                found.words.add(node.id)
            elif isinstance(node, ast.Attribute):
                found.words.add(node.attr)
            elif isinstance(node, (ast.arg, ast.keyword)) and node.arg:
                found.words.add(node.arg)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.words.add(node.name)
            elif isinstance(node, (ast.JoinedStr, ast.BinOp)):
                pattern = _pattern(node)
                if pattern is not None:
                    found.patterns.append(pattern)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                pattern = _of_method(node)
                if pattern is not None:
                    found.patterns.append(pattern)
    return found


def _pattern(node: ast.expr) -> re.Pattern[str] | None:
    """The texts that an f-string, or a sum or `%` of texts, can make; None if it is none, or if nothing of it is known."""
    text = _expression(node)
    return re.compile(text, re.DOTALL) if re.sub(r"\.\*", "", text) and ".*" in text else None


def _expression(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        return "".join(_expression(part) if isinstance(part, ast.Constant) else ".*" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _expression(node.left) + _expression(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and text_of(node.left) is not None:
        return ".*".join(re.escape(part) for part in re.split(r"%[-+ #0]*\d*(?:\.\d+)?[a-zA-Z]", text_of(node.left) or ""))
    return ".*"


def _of_method(call: ast.Call) -> re.Pattern[str] | None:
    """The texts that `"…{}…".format(…)` and `"_".join(…)` can make."""
    assert isinstance(call.func, ast.Attribute)
    text = text_of(call.func.value)
    if text is None:
        return None
    if call.func.attr == "format":
        return re.compile(".*".join(re.escape(part) for part in re.split(r"\{[^{}]*\}", text)), re.DOTALL)
    if call.func.attr == "join" and text:
        return re.compile(f".*{re.escape(text)}.*", re.DOTALL)
    return None


@dataclass(frozen=True)
class Wanted:
    """A key that evaluation asks for: `how` is history (named for the server), column (of the table it gave) or summary."""

    node: ast.expr
    key: str
    how: str


def wanted_keys(module: Module) -> Iterator[Wanted]:
    """Every key that evaluation asks W&B for in so many words, and does not first look for."""
    looked_for = _looked_for(module)
    tables = _tables(module)
    for call in calls(module):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("history", "scan_history"):
            for entry in _texts(module, argument(call, None, "keys")):
                yield Wanted(entry, str(entry.value), "history")
        key = _with_made_up_default(call)
        if key is not None and key not in looked_for:
            yield Wanted(call, key, "summary")
    for node in module.of(ast.Subscript):
        key = text_of(node.slice)
        if key is None or key in looked_for or not isinstance(node.ctx, ast.Load):
            continue
        owner = qualified_name(node.value)
        if _is_summary(node.value):
            yield Wanted(node, key, "summary")
        elif owner in tables:
            yield Wanted(node, key, "column")


def _is_summary(node: ast.expr) -> bool:
    """Whether an expression is a run's summary: `run.summary`, its plain dictionary, or a name that says so."""
    name = qualified_name(node).removesuffix("._json_dict")
    return name.endswith(".summary") or name in ("summary", "run_summary")


def _with_made_up_default(call: ast.Call) -> str | None:
    """The key of `summary.get(key, number)`: a key that was never logged comes out as that number."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr == "get" and len(call.args) == 2 and _is_summary(call.func.value)):
        return None
    default = call.args[1]
    is_number = isinstance(default, ast.Constant) and isinstance(default.value, (int, float)) and not isinstance(default.value, bool)
    return text_of(call.args[0]) if is_number else None


def _texts(module: Module, node: ast.expr | None) -> list[ast.Constant]:
    """The texts of a literal list, also by the name of a module's constant."""
    if isinstance(node, ast.Name) and isinstance(module.definitions.get(node.id), ast.Assign):
        stored = [other for other in module.of(ast.Name) if other.id == node.id and isinstance(other.ctx, ast.Store)]
        assignment = module.definitions[node.id]
        node = assignment.value if isinstance(assignment, ast.Assign) and len(stored) == 1 else None
    if isinstance(node, (ast.List, ast.Tuple)):
        return [entry for entry in node.elts if isinstance(entry, ast.Constant) and isinstance(entry.value, str)]
    return []


def _looked_for(module: Module) -> set[str]:
    """Texts that are compared with `in`, got with a default, or handed to anything that asks for columns."""
    found: set[str] = set()
    for node in module.of(ast.Compare):
        if any(isinstance(operator, (ast.In, ast.NotIn)) for operator in node.ops):
            found.update(text for entry in ast.walk(node) if (text := text_of(entry)) is not None)
    for tried in module.of(ast.Try):
        found.update(text for entry in tried.body for inner in ast.walk(entry) if (text := text_of(inner)) is not None)
    return found


def _tables(module: Module) -> set[str]:
    """Names that stand for nothing but the table of a run's history."""
    bound: dict[str, list[ast.expr | None]] = {}
    for node in module.of(ast.Assign):
        for target in node.targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                    bound.setdefault(name.id, []).append(node.value if target is name else None)
    for parameter in module.of(ast.arg):
        bound.setdefault(parameter.arg, []).append(None)
    stored = {qualified_name(node.value) for node in module.of(ast.Subscript) if isinstance(node.ctx, ast.Store)}
    return {
        name for name, values in bound.items() if name not in stored and all(value is not None and _is_history(value) for value in values)
    }


def _is_history(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "history"
