"""What a call does, under one name for all the ways of writing it.

Examples: `torch.softmax(x, 1)`, `x.softmax(1)`, `nn.Softmax(1)(x)`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.values import Attribute, Call, Ref, Value, plain
from gonogo.analysis.dataflow.wrapping import base

# Layers and losses of torch.nn whose function has another name than theirs in small letters with underscores.
_LAYERS = {
    "CrossEntropyLoss": "cross_entropy", "NLLLoss": "nll_loss", "BCELoss": "binary_cross_entropy", "MSELoss": "mse_loss",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits", "L1Loss": "l1_loss", "SmoothL1Loss": "smooth_l1_loss",
    "HuberLoss": "huber_loss", "KLDivLoss": "kl_div", "GaussianNLLLoss": "gaussian_nll_loss", "PoissonNLLLoss": "poisson_nll_loss",
    "LogSoftmax": "log_softmax", "Softmax2d": "softmax", "LogSigmoid": "logsigmoid", "SiLU": "silu", "GELU": "gelu", "ELU": "elu",
    "MultiLabelSoftMarginLoss": "multilabel_soft_margin_loss", "CTCLoss": "ctc_loss", "ReLU": "relu", "ReLU6": "relu6",
}  # fmt: skip
_SAME = {
    "expit": "sigmoid", "log_expit": "logsigmoid", "log_sigmoid": "logsigmoid", "absolute": "abs", "multiply": "mul", "divide": "div",
    "true_divide": "div", "subtract": "sub", "clamp": "clip", "clamp_": "clip", "clamp_min": "clip", "amax": "max", "amin": "min",
    "concatenate": "cat", "concat": "cat", "swapaxes": "transpose", "permute": "transpose", "nanmean": "mean", "nansum": "sum",
    "nanstd": "std", "softmax_": "softmax", "sigmoid_": "sigmoid",
}  # fmt: skip
NUMERIC = frozenset(
    {"torch", "numpy", "jax", "scipy", "tensorflow", "keras", "flax", "optax", "cupy", "math", "mxnet", "paddle", "functorch"} | {"pandas"}
)


@dataclass(frozen=True)
class Op:
    """What a call does.

    Attributes:
        name: `softmax`, `cross_entropy`, `mean`; the last part of the name of a function that is none of the known libraries'.
        library: the first part of the function's name, empty for a method.
        operands: what it is given by place, for a method with what it is called on before.
        call: the call.
        maker: the call that made the layer or loss that is applied, where the options are.
    """

    name: str
    library: str
    operands: tuple[Value, ...]
    call: Call
    maker: Call | None = None

    def option(self, index: int | None, *names: str) -> Value | None:
        """Return an option such as `dim`.

        It is that of the layer where one is applied, otherwise that of the call. `index` counts after the first operand.
        """
        if self.maker is not None:
            return self.maker.argument(index, *names)
        for name in names:
            if name in self.call.keywords:
                return self.call.keywords[name]
        return self.operands[index + 1] if index is not None and index + 1 < len(self.operands) else None

    def operand(self, index: int, *names: str) -> Value | None:
        """What the function works on, by place or name."""
        for name in names:
            if name in self.call.keywords:
                return self.call.keywords[name]
        return self.operands[index] if index < len(self.operands) else None


def op_of(value: Value | None) -> Op | None:
    """What a value was computed by, None where it is no call."""
    value = plain(value) if value is not None else None
    if not isinstance(value, Call):
        return None
    callee = plain(value.callee)
    if isinstance(callee, Ref):
        library = callee.name.partition(".")[0]
        return Op(_canonical(callee.name.rpartition(".")[2]), library, value.arguments, value)
    if isinstance(callee, Attribute):
        owner = plain(callee.owner)
        given = value.arguments if isinstance(owner, Ref) else (callee.owner, *value.arguments)
        return Op(_canonical(callee.name), "", given, value)
    if isinstance(callee, Call):
        maker = base(callee)
        if isinstance(maker, Call) and maker.name:
            return Op(layer_name(maker.short), maker.name.partition(".")[0], value.arguments, value, maker)
    if isinstance(callee, Instance):
        bases = [name.rpartition(".")[2] for name in callee.cls.library_bases()]
        known = next((name for name in bases if name in _LAYERS), None)
        return Op(layer_name(known), "torch", value.arguments, value, callee.made) if known else None
    return None


@lru_cache(maxsize=4096)
def layer_name(name: str) -> str:
    """Return the function name of a layer or loss class.

    `BatchNorm1d` is `batch_norm1d`, `CrossEntropyLoss` is `cross_entropy`.
    """
    return _LAYERS.get(name) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@lru_cache(maxsize=4096)
def _canonical(name: str) -> str:
    return _SAME.get(name, name)


def unwrapped(value: Value, names: Collection[str], most: int = 6) -> Value:
    """What a value was before functions and methods of some names were applied to it; layers are left.

    Args:
        value: the value.
        names: as `Op.name` has them.
        most: how many are looked behind.
    """
    value = plain(value)
    for _ in range(most):
        op = op_of(value)
        if op is None or op.maker is not None or op.name not in names or not op.operands:
            break
        value = plain(op.operands[0])
    return value
