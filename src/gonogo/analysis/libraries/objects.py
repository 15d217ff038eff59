"""Which values of a program are objects of libraries in the table.

It is known from what made them, what returned them, or what a library passes to a function.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from gonogo.analysis.dataflow.definitions import Function, Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Call, Element, Item, Parameter, Ref, Value, is_none, options, plain
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.libraries.table import Kind, library_table
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import origin

RUN, API_RUN, STUDY, TRIAL, FROZEN = "wandb.Run", "wandb.apis.public.Run", "optuna.Study", "optuna.Trial", "optuna.trial.FrozenTrial"
CONFIG = "omegaconf.DictConfig"
#: What names of libraries stand for.
NAMED = {"wandb.run": RUN, "wandb.config": "wandb.Config", "wandb.summary": "wandb.sdk.wandb_summary.Summary"}
#: What functions give; classes give their own objects.
GIVEN = {
    "wandb.init": RUN,
    "optuna.create_study": STUDY,
    "optuna.study.create_study": STUDY,
    "optuna.load_study": STUDY,
    "optuna.study.load_study": STUDY,
    "omegaconf.OmegaConf.load": "omegaconf.DictConfig",
}
#: Losses of PyTorch, which give a tensor; the functions and the layers.
_LOSSES = re.compile(
    r"^torch\.nn\.functional\.(?:cross_entropy|nll_loss|mse_loss|l1_loss|smooth_l1_loss|huber_loss|kl_div|binary_cross_entropy(?:_with_logits)?)$"
    r"|^torch\.nn\.(?:CrossEntropy|NLL|MSE|L1|SmoothL1|Huber|KLDiv|BCE|BCEWithLogits)Loss$"
)
_TENSOR = "torch.Tensor"
#: What methods and attributes of objects give; a list is what its entries are, after `[]`.
PARTS = {
    (RUN, "config"): "wandb.Config",
    (RUN, "summary"): "wandb.sdk.wandb_summary.Summary",
    ("wandb.Api", "run()"): API_RUN,
    ("wandb.Api", "runs()"): "[]" + API_RUN,
    ("wandb.Api", "sweep()"): "wandb.apis.public.Sweep",
    ("wandb.Api", "artifact()"): "wandb.Artifact",
    ("wandb.apis.public.Sweep", "runs"): "[]" + API_RUN,
    (STUDY, "ask()"): TRIAL,
    (STUDY, "best_trial"): FROZEN,
    (STUDY, "trials"): "[]" + FROZEN,
    (STUDY, "best_trials"): "[]" + FROZEN,
    (STUDY, "get_trials()"): "[]" + FROZEN,
}
#: Functions of the module `wandb` that are methods of the run in progress.
OF_RUN = words(
    """
    log save watch unwatch define_metric log_artifact use_artifact link_artifact log_model use_model link_model alert mark_preempting
    """
)
MAX_DEPTH = 12  # parts of parts


class Objects:
    """What values are, in all programs of a project.

    Args:
        programs: the project's programs.
    """

    def __init__(self, programs: Iterable[Program]) -> None:
        self._table = library_table()
        self._trials: set[tuple[ast.AST, str]] = set()
        self._known: dict[Value, str] = {}
        self._parts = {(kind.name, part): given for (owner, part), given in PARTS.items() if (kind := self._table.kind(owner)) is not None}
        for program in programs:
            for event in program.calls("optimize"):
                self._trials |= set(self._objective(event.call))

    def kind(self, value: Value | None) -> Kind | None:
        """The class of an object; None where it is not known, or where it is none of the table's."""
        named = self._named(value, 0)
        return self._table.kind(named) if named and not named.startswith("[]") else None

    def _named(self, value: Value | None, depth: int) -> str:
        if value is None or depth > MAX_DEPTH:
            return ""
        if value in self._known:
            return self._known[value]
        found = {self._of_one(option, depth) for option in options(value) if not is_none(option)}
        named = next(iter(found)) if len(found) == 1 else ""
        if depth == 0:
            self._known[value] = named
        return named

    def _of_one(self, value: Value, depth: int) -> str:
        value = plain(value)
        if isinstance(value, Ref):
            return NAMED.get(value.name, "")
        if isinstance(value, Call):
            if value.name:
                is_loss = value.name.startswith("torch.nn.functional.") and _LOSSES.match(value.name)
                return GIVEN.get(value.name) or (_TENSOR if is_loss else self._made(value.name))
            maker = plain(value.callee)
            if isinstance(maker, Call) and maker.name.startswith("torch.nn.") and _LOSSES.match(maker.name):
                return _TENSOR
            return self._part(value.receiver, f"{value.method}()", depth) if value.method else ""
        if isinstance(value, Attribute):
            return self._part(value.owner, value.name, depth)
        if isinstance(value, (Element, Item)):
            many = self._named(value.owner, depth + 1)
            return many.removeprefix("[]") if many.startswith("[]") and not _is_slice(value) else ""
        if isinstance(value, Parameter):
            return TRIAL if (value.function, value.name) in self._trials else CONFIG if is_of_hydra(value) else ""
        return ""

    def _made(self, name: str) -> str:
        kind = self._table.kind(name)
        return kind.name if kind is not None else ""

    def _part(self, owner: Value | None, part: str, depth: int) -> str:
        kind = self._table.kind(self._named(owner, depth + 1))
        return self._parts.get((kind.name, part), "") if kind is not None else ""

    def _objective(self, call: Call) -> Iterator[tuple[ast.AST, str]]:
        """The parameter of the function that `study.optimize` calls, into which it passes the trial."""
        if self.kind(call.receiver) is not self._table.kind(STUDY) and not {"n_trials", "timeout"} & call.keywords.keys():
            return
        for function, given, named in objectives(call):
            spec = function.definition.args
            names = [entry.arg for entry in (*spec.posonlyargs, *spec.args)]
            if function.receiver is not None:
                names = names[1:]
            free = [name for name in names[given:] if name not in named]
            if free:
                yield function.definition, free[0]


def objectives(call: Call) -> Iterator[tuple[Function, int, set[str]]]:
    """Yield the functions that `study.optimize` may call.

    Each comes with how many arguments it is given before the trial, and the names of other arguments.
    """
    for option in options(call.argument(0, "func") or call):
        given, named = 0, set[str]()
        while isinstance(option, Call) and option.short == "partial" and option.arguments:
            given, named = given + len(option.arguments) - 1, named | option.keywords.keys()
            option = plain(option.arguments[0])
        if isinstance(option, Instance):
            member = option.cls.member("__call__")
            option = member.bound(option) if isinstance(member, Function) else option
        if isinstance(option, Function):
            yield option, given, named


def is_of_hydra(value: Parameter) -> bool:
    """Whether a parameter is the config that `@hydra.main` passes."""
    if isinstance(value.function, ast.Lambda) or value.function.args.args[:1] != [value.node]:
        return False
    decorators = (entry.func if isinstance(entry, ast.Call) else entry for entry in value.function.decorator_list)
    return any(origin(value.module, entry) == "hydra.main" for entry in decorators)


def _is_slice(value: Element | Item) -> bool:
    return isinstance(value, Item) and isinstance(value.key.node, ast.Slice)


def annotated(value: Value | None) -> Kind | None:
    """The class that the annotation of a parameter names; None for anything else."""
    value = plain(value) if value is not None else None
    if not isinstance(value, Parameter) or not value.annotation:
        return None
    return library_table().kind(_dotted(value.module, value.annotation.strip("'\"")))


def _dotted(module: Module, text: str) -> str:
    first, dot, rest = text.partition(".")
    return module.imports.get(first, first) + dot + rest
