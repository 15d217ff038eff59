"""What the probe spares a run, seen in a process of its own with the real torch, torchvision and timm."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import gonogo.execution

INJECTED = Path(gonogo.execution.__file__).parent / "probe"
STAGER = "wandb.sdk.launch.inputs.internal"
BEGIN = f"""
import gc, sys
sys.path.insert(0, {str(INJECTED)!r})
from gonogo_probe import hooks
from gonogo_probe.watchers import lazy
usual = gc.get_threshold()
hooks.start()
lazy.start()
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_nothing_imports_the_compiler_before_something_is_compiled() -> None:
    if importlib.util.find_spec("timm") is None:  # which brings torch and torchvision
        pytest.skip("timm is not installed: uv sync --all-packages")
    result = run("""
import timm, torch
marked = torch.compiler.disable(lambda x: x + 1)

@torch.compiler.disable(recursive=False)
def also_marked(x):
    return x * 2

model = timm.create_model("resnet18", num_classes=10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model(torch.zeros(2, 3, 32, 32)).sum().backward()
optimizer.step()
assert marked(torch.ones(1)) == 2 and also_marked(torch.ones(1)) == 2
assert "torch._dynamo" not in sys.modules

compiled = torch.compile(lambda x: also_marked(marked(x) * 3), backend="eager")
assert compiled(torch.ones(1)) == 12
assert "torch._dynamo" in sys.modules and marked(torch.ones(1)) == 2
optimizer.step()

import torch._dynamo.utils, torchvision
assert torch._dynamo.utils.is_compile_supported("cpu") in (True, False) and callable(torch._dynamo.utils.same)
boxes = torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])
assert torchvision.ops.roi_align(torch.ones(1, 1, 8, 8), boxes, output_size=2).shape == (1, 1, 2, 2)
print("as without it")
""")
    assert result.stdout == "as without it\n", result.stderr


@pytest.mark.slow
def test_inputs_of_a_job_are_applied_where_some_were_staged(tmp_path: Path) -> None:
    result = run(f"""
import wandb
settings = {{"mode": "offline", "dir": {str(tmp_path)!r}}}
wandb.init(**settings).finish()
assert {STAGER!r} not in sys.modules

from wandb.sdk import launch
launch.manage_wandb_config(include=["seed"])
staged = sys.modules[{STAGER!r}].StagedLaunchInputs()
assert staged._staged_inputs
applied = []
staged.apply = applied.append
run = wandb.init(**settings)
run.finish()
assert applied == [run]
print("as without it")
""")
    assert result.stdout.endswith("as without it\n"), result.stderr


def test_garbage_is_looked_for_as_usual_once_the_work_begins() -> None:
    result = run("""
assert gc.get_threshold()[0] > usual[0]
lazy.work_begins()
assert gc.get_threshold() == usual and gc.get_freeze_count() > 0
gc.set_threshold(5, 6, 7)
lazy.work_begins()
assert gc.get_threshold() == (5, 6, 7)

import weakref
class Node: pass
node = Node(); node.itself = node
gone = weakref.ref(node)
del node
gc.collect()
assert gone() is None
print("as without it")
""")
    assert result.stdout == "as without it\n", result.stderr


@pytest.mark.slow
def test_bindings_that_tell_of_leaks_tell_of_none() -> None:
    result = run("import triton, triton._C.libtriton; lazy.work_begins(); print('as without it')")
    if "ModuleNotFoundError" in result.stderr:
        pytest.skip("there is no triton here")
    assert (result.stdout, result.stderr) == ("as without it\n", "")
