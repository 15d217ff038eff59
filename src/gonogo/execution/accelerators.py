"""Failures for want of an accelerator, and failures that come only with one.

The first are no fault of the experiment, the second are; known messages of libraries show both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gonogo.execution.probe.gonogo_probe.events import Raised

# What torch, accelerate, transformers, bitsandbytes, flash-attn, triton, Lightning and CuPy say, each in its own words.
_SAYS = re.compile(
    r"not compiled with (?:cuda|xpu|hip|nccl|mps)|found no nvidia|no nvidia (?:driver|gpu)|no (?:cuda|hip|xpu) gpus?"
    r"|no cuda-?(?: ?capable)? devices?|cuda (?:is not|isn't|not) available|cuda\.is_available\(\) is false"
    r"|cuda (?:driver|initialization|error)"
    r"|invalid device (?:id|ordinal)|lib(?:cudart|cuda|cudnn|nccl|cublas)\b|gpu not found"
    r"|no gpus? (?:was |were )?(?:found|available|detected)|gpus? (?:is|are) (?:needed|required)"
    r"|(?:requires?|needs?|only (?:works|runs|supported|available) (?:on|with)) (?:an? )?(?:nvidia )?(?:cuda|gpu)"
    r"|(?:doesn't|does not) support bf16/gpu|not supported on cpu"
    r"|(?:fp16|bf16|half|mixed) precision.{0,60}(?:requires?|needs?|can ?not|can't|not supported)"
    r"|not implemented for '(?:half|bfloat16|float8\w*)'|flash[_ ]?attn|flash[_ ]?attention|bitsandbytes|nvml|mps backend"
    r"|(?:0|no) active drivers?|an active gpu|doesn't have nccl|nccl (?:is not|backend|error)|processgroupnccl",
    re.IGNORECASE,
)
_LIBRARY = re.compile(
    r"\b(?:flash_attn|bitsandbytes|triton|apex|xformers|deepspeed|cupy|pynvml|tensorrt|vllm|unsloth|auto_gptq|mamba_ssm|causal_conv1d)\b"
)
_IMPORTS = ("ImportError", "ModuleNotFoundError", "PackageNotFoundError", "OSError")
# What a program raises itself where it looks for an accelerator; another type tells of something else.
_OWN = ("RuntimeError", "AssertionError", "OSError", "EnvironmentError", "SystemExit", "ValueError")
# What PyTorch says where tensors are on different devices, or on one where they must not be; the probe's pretended device says the same.
_ONLY_THERE = re.compile(
    r"on the same device, but found at least two devices|input tensor at \S+ and hidden tensor at"
    r"|indices should be either on cpu or on the same"
    r"|can't convert cuda:\d+ device type tensor to numpy"
    r"|cannot pin 'torch\.cuda\.|should be a 1D CPU int64 tensor, but got"
    r"|Attempting to unscale FP16 gradients"
)
# What an experiment's own line raises whatever the device, unless it speaks of one: a pretended device is not all that a real one is.
_MISTAKES = {"ImportError", "ModuleNotFoundError", "NameError", "UnboundLocalError", "SyntaxError", "IndentationError"}
_MISTAKES |= {"AttributeError", "TypeError", "KeyError", "IndexError"}
# What PyTorch says of shapes and of the graph of gradients, which are the same on every device.
_SHAPES = re.compile(
    r"view size is not compatible|shapes cannot be multiplied|must match the size of tensor|size mismatch|sizes of tensors must match"
    r"|is invalid for input of size|expected input batch_size|channels, but got|variables needed for gradient computation"
    r"|backward through the graph a second time|does not require grad|loading state_dict for",
    re.IGNORECASE,
)
_OF_A_DEVICE = re.compile(r"cuda|gpu|device|namespace|_moment|stream", re.IGNORECASE)


def missing(chain: Iterable[Raised]) -> str:
    """Why a failure may be for want of an accelerator alone; empty if nothing says so.

    Args:
        chain: what was raised, the last first.
    """
    for raised in chain:
        if raised.own and raised.type not in _OWN:
            continue
        if _SAYS.search(raised.message) or (raised.type in _IMPORTS and _LIBRARY.search(raised.message)):
            where = f" ({raised.place[0]}:{raised.place[1]})" if raised.place is not None else ""
            return f"it needs an accelerator{where}, which the sandbox does not have"
    return ""


def comes_with_one(chain: Iterable[Raised]) -> bool:
    """Whether a failure comes only where there is an accelerator: tensors are on the wrong device.

    Args:
        chain: what was raised, the last first.
    """
    return any(_ONLY_THERE.search(raised.message) for raised in chain)


def comes_anyway(chain: Iterable[Raised]) -> bool:
    """Whether a failure on a pretended accelerator has nothing to do with accelerators.

    Args:
        chain: what was raised, the last first.
    """
    last = next(iter(chain), None)
    if last is None:
        return False
    if last.type == "RuntimeError" and _SHAPES.search(last.message):
        return True
    return last.own and last.type in _MISTAKES and not _OF_A_DEVICE.search(last.message)


def fails_there(chain: list[Raised]) -> bool:
    """Whether what failed on a pretended accelerator fails on a real one, too.

    Args:
        chain: what was raised, the last first.
    """
    return comes_with_one(chain) or comes_anyway(chain)
