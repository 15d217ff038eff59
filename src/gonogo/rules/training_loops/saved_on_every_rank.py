"""TRN125."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Event, Happening
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.names import ancestors, last_name, last_names
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

RANK = re.compile(r"rank|gpu|local|main|master|primary|is_first|global_zero|head|leader|process", re.IGNORECASE)
MAX_STEPS = 4  # names made of names
# What a name must be given for it to hold the answer rather than something that only stands beside the rank.
_TESTS = (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Call, ast.Name, ast.Attribute, ast.IfExp)
SHARDED = ("FSDP", "FullyShardedDataParallel", "fully_shard", "save_checkpoint", "initialize", "Accelerator", "Fabric", "barrier_save")


@rule("TRN125", "saved-on-every-rank", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def saved_on_every_rank(programs: list[Program]) -> Iterator[Violation]:
    """Each process of a distributed training writes the same checkpoint file.

    What it does:
        Looks at programs that call `init_process_group`. Speaks where `torch.save` is reached under no condition that speaks of the
        rank or the main process, and the rank is not in the file's name. Sharded training, where all ranks must save, is left alone.

    Why it matters:
        The processes write into one file at a time, which may be left broken, and wait for each other's disk (PyTorch, "Getting
        started with distributed data parallel: save and load checkpoints").

    Instead:
        Save under `if rank == 0:`, then let all wait at a barrier.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    if not walked.has("init_process_group") or walked.has(*SHARDED):
        return
    for event in walked.calls("save"):
        if (
            event.call.name == "torch.save"
            and not _is_in_memory(event)
            and not _is_for_one(event)
            and not any(RANK.search(ast.unparse(entry)) for entry in _target(event))
        ):
            yield violation(event, "every process of the training writes this file", "save on rank 0 only")


def _is_in_memory(event: Event) -> bool:
    """Whether what is saved goes into a buffer, not into a file."""
    given = event.call.argument(1, "f")
    made = base(given) if given is not None else None
    return isinstance(made, Call) and made.short in ("BytesIO", "SpooledTemporaryFile")


def _target(event: Event) -> list[ast.expr]:
    node = event.call.node
    return list(node.args[1:2]) if isinstance(node, ast.Call) else []


def _is_for_one(event: Event) -> bool:
    """Whether a condition, here or at a call around it, speaks of the rank."""
    places: list[Happening] = [event, *event.around()]
    known = {
        name for module in {place.module for place in places} if module.tree is not None for name in module.once(_telling, module.tree)
    }
    for place in places:
        if isinstance(place, Branch):
            test = place.node.test if isinstance(place.node, (ast.If, ast.IfExp)) else place.node
            if _speaks_of_rank(test, known):
                return True
        for parent in ancestors(place.module, place.node):
            if isinstance(parent, ast.If) and "__name__" not in ast.unparse(parent.test) and _speaks_of_rank(parent.test, known):
                return True
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if any(RANK.search(ast.unparse(entry)) for entry in parent.decorator_list) or _leaves_early(parent, place.node, known):
                    return True
                break
    return False


def _speaks_of_rank(test: ast.AST, known: set[str]) -> bool:
    return RANK.search(ast.unparse(test)) is not None or bool(last_names(test) & known)


def _telling(tree: ast.Module) -> set[str]:
    """Return names and attributes that are assigned a value computed from the rank.

    An example is `args.save = args.log and is_master(args)`.
    """
    found: set[str] = set()
    for _ in range(MAX_STEPS):
        before = len(found)
        for node in ast.walk(tree):
            if (
                isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr))
                and isinstance(node.value, _TESTS)
                and _speaks_of_rank(node.value, found)
            ):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {last_name(target) for target in targets}
            elif isinstance(node, ast.keyword) and node.arg and isinstance(node.value, _TESTS) and _speaks_of_rank(node.value, found):
                found.add(node.arg)
            elif isinstance(node, ast.FunctionDef):
                given = [entry.value for entry in ast.walk(node) if isinstance(entry, ast.Return) and isinstance(entry.value, _TESTS)]
                found |= {node.name for value in given if _speaks_of_rank(value, found)}
        if len(found) == before:
            break
    return found - {""}


def _leaves_early(function: ast.FunctionDef | ast.AsyncFunctionDef, node: ast.AST, known: set[str]) -> bool:
    """`if rank != 0: return` before."""
    line = getattr(node, "lineno", 0)
    return any(
        isinstance(entry, ast.If)
        and entry.lineno < line
        and _speaks_of_rank(entry.test, known)
        and isinstance(entry.body[-1], (ast.Return, ast.Continue))
        for entry in ast.walk(function)
    )


PROGRAM = """import os

import torch
from torch import nn

torch.distributed.init_process_group("nccl")
rank = int(os.environ["RANK"])
model = nn.parallel.DistributedDataParallel(nn.Linear(4, 2).cuda())
{save}
"""
BAD = program(PROGRAM.format(save='torch.save(model.module.state_dict(), "model.pt")  # <- here'))
GOOD = [
    program(PROGRAM.format(save='if rank == 0:\n    torch.save(model.module.state_dict(), "model.pt")')),
    program(PROGRAM.format(save='torch.save(model.module.state_dict(), f"model-{rank}.pt")')),
]
