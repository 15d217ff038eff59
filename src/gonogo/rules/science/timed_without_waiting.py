"""SCI143."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name, origin
from gonogo.analysis.python.scopes import Scopes
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

CLOCKS = frozenset({"time.time", "time.perf_counter", "time.monotonic", "time.perf_counter_ns", "time.time_ns"})
# What waits for the device, or shows a number that came from it.
WAITS = frozenset(
    {
        "synchronize",
        "item",
        "cpu",
        "tolist",
        "numpy",
        "print",
        "block_until_ready",
        "elapsed_time",
        "wait",
        "barrier",
        "float",
        "backward_sync",
        "isnan",
        "save",
    }
)
DEVICE = re.compile(r"^cuda(?::\d+)?$")
NETWORK = re.compile(r"(?:^|_)(?:model|net|network|encoder|backbone|module|unet|vit|resnet)$", re.IGNORECASE)


@rule("SCI143", "timed-without-waiting", criterion=8, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def timed_without_waiting(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """The time of a network on the GPU is taken without waiting for the GPU.

    What it does:
        Looks at differences of two readings of a clock in one function, in files that put something on `cuda`. Speaks where a network is
        applied between them, and nothing between them waits for the device: no `synchronize`, no `.item()`, `.cpu()` or `print`.

    Why it matters:
        Kernels are started and not waited for: what is measured is how fast Python starts them, whatever the network (PyTorch, "CUDA
        semantics: asynchronous execution").

    Instead:
        Call `torch.cuda.synchronize()` before each reading, or use `torch.utils.benchmark` or CUDA events.
    """
    for module in modules.values():
        if not any(dotted.startswith("torch") for dotted in module.imports.values()) or not _is_on_gpu(module):
            continue
        scopes = symbols.scopes(module)
        for node in module.of(ast.BinOp):
            start = _start(module, scopes, node)
            if start is None:
                continue
            home = scopes.function(node)
            between = [call for call in module.of(ast.Call) if start.lineno < call.lineno <= node.lineno and scopes.function(call) is home]
            if any(last_name(call.func) in WAITS for call in between):
                continue
            applied = next(
                (call for call in between if isinstance(call.func, (ast.Name, ast.Attribute)) and NETWORK.search(last_name(call.func))),
                None,
            )
            others = [call for call in between if call is not applied and last_name(call.func) in module.definitions]
            if (
                applied is not None
                and not others
                and not (isinstance(applied.func, ast.Attribute) and isinstance(applied.func.value, ast.Call))
            ):
                yield Violation(
                    module.location(node),
                    "the time is taken without waiting for the GPU: it is that of starting its kernels",
                    "call `torch.cuda.synchronize()` before each reading of the clock",
                    related=(Related(location=module.location(applied), label="the network is applied here"),),
                )


def _is_on_gpu(module: Module) -> bool:
    """Whether a file puts something on the GPU: `.cuda()`, or `"cuda"` as the name of a device."""
    texts = (node.value for node in module.of(ast.Constant) if isinstance(node.value, str))
    return any(DEVICE.match(text) for text in texts) or any(
        isinstance(call.func, ast.Attribute) and call.func.attr == "cuda" for call in module.of(ast.Call)
    )


def _start(module: Module, scopes: Scopes, node: ast.BinOp) -> ast.Assign | None:
    """The first reading of the clock that a difference is to, the last one before it."""
    if not (isinstance(node.op, ast.Sub) and isinstance(node.right, ast.Name) and _is_clock(module, scopes, node.left)):
        return None
    found = scopes.lookup(node.right.id, node.right)
    made = [module.parents.get(bound) for bound in found[1]] if found is not None else []
    before = [entry for entry in made if isinstance(entry, ast.Assign) and entry.lineno < node.lineno]
    last = max(before, key=lambda entry: entry.lineno, default=None)
    return last if last is not None and len(before) == len(made) and _is_clock(module, scopes, last.value) else None


def _is_clock(module: Module, scopes: Scopes, node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        found = scopes.lookup(node.id, node)
        made = module.parents.get(found[1][0]) if found is not None and len(found[1]) == 1 else None
        return isinstance(made, ast.Assign) and isinstance(made.value, ast.Call) and origin(module, made.value.func) in CLOCKS
    return isinstance(node, ast.Call) and origin(module, node.func) in CLOCKS


PROGRAM = """import time

import torch
from torchvision.models import resnet18

model = resnet18().cuda().eval()
batch = torch.randn(16, 3, 224, 224, device="cuda")
with torch.no_grad():
    {before}
    start = time.perf_counter()
    for _ in range(50):
        model(batch){inside}
    {after}
    {end}
print(taken / 50)
"""
HERE = "  # <- here"
WAIT = "torch.cuda.synchronize()"


def _program(after: str = "seen = 1", end: str = "taken = time.perf_counter() - start", before: str = "seen = 0", inside: str = "") -> str:
    return PROGRAM.format(before=before, after=after, end=end, inside=inside)


BAD = [
    program(_program(end=f"taken = time.perf_counter() - start{HERE}")),
    program(_program("stop = time.perf_counter()", f"taken = stop - start{HERE}")),
    program(_program(before=WAIT, end=f"taken = time.perf_counter() - start{HERE}")),
]
GOOD = [
    program(_program(WAIT)),
    program(_program(inside=".sum().item()")),
    program(_program(inside=".cpu()")),
    program(_program(WAIT, "stop = time.perf_counter()\n    taken = stop - start")),
    program(_program().replace(".cuda()", "").replace(', device="cuda"', "")),
]
