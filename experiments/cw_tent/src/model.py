"""The source model, the objectives, and the adapters: source, BatchNorm statistics, TENT and confidence-weighted TENT.

An adapter wraps a fresh copy of the source model. `predict` answers one batch of the stream and may change the adapter; `reset` takes it
back to the source model. Only what `freeze_except` names is ever changed (TENT: the weights and biases of BatchNorm), and all of it lives
in one flat fp32 vector of which the network's parameters are views: an update is one fused operation, and a reset one copy.

TENT: Wang et al., "Tent: Fully Test-Time Adaptation by Entropy Minimization", ICLR 2021.
"""

from __future__ import annotations

import copy
import ctypes
import fnmatch
import hashlib
import itertools
import math
import platform
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard
from weakref import WeakValueDictionary

import timm
import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
from omegaconf import DictConfig
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ModelError(Exception):
    """A model, a checkpoint or a setting that cannot be used; the message is one sentence for the user."""


# ---------------------------------------------------------------------------------------------------------------------------- networks

# model.name: the channels of the first stage (the others have 2, 4 and 8 times as many), and the stride of the stem.
WIDTHS = {"resnet18": (64, 1), "resnet18-narrow": (16, 2)}
# The first and last layers: the only ones whose misfit a training can mend. bn1 belongs to the stem: its statistics are those of conv1.
STEM, HEAD = ("conv1.", "bn1."), ("fc.",)
PICKLES = {".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".tar"}


def build_network(model: DictConfig) -> nn.Module:
    """The network that `cfg.run.model` describes, with random weights from torch's global generator, in eval mode.

    timm's ResNet-18 under its own key names, with the stem for 32x32 images: 3x3 convolution, stride 1 (narrow: 2), no max-pool (with
    ImageNet's
    stem the last stage would see 1x1 maps, on which BatchNorm has nothing to average over). Raises ModelError for an unknown name and for
    a `num_parameters_m` (in millions) that is more than 10 % off.
    """
    if model.name not in WIDTHS:
        raise ModelError(f"model.name {model.name!r} is unknown; known: {', '.join(WIDTHS)}.")
    if isinstance(model.num_classes, bool) or not isinstance(model.num_classes, int) or model.num_classes < 2:
        raise ModelError(f"model.num_classes must be a whole number of at least 2, not {model.num_classes!r}.")
    width, stride = WIDTHS[model.name]
    network = timm.create_model("resnet18", num_classes=model.num_classes, channels=tuple(width * factor for factor in (1, 2, 4, 8)))
    network.maxpool = nn.Identity()
    network.conv1 = _convolution(3, width, stride)
    if width != 64:  # timm's stem always has 64 channels; here it is as narrow as the first stage, which then needs no projection
        network.bn1 = nn.BatchNorm2d(width)
        network.layer1[0].conv1 = _convolution(width, width)
        network.layer1[0].downsample = None
    _check_size(network, model)
    return network.eval()


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution


def _check_size(network: nn.Module, model: DictConfig) -> None:
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    if model.num_parameters_m is not None and abs(millions - model.num_parameters_m) > 0.1 * model.num_parameters_m:
        raise ModelError(
            f"model.num_parameters_m is {model.num_parameters_m}, but {model.name} with {model.num_classes} classes has {millions:.2f} "
            f"million parameters: correct the number or the name."
        )


# ------------------------------------------------------------------------------------------------------------------------- checkpoints


@dataclass(frozen=True)
class Fit:
    """How a checkpoint's weights compare with a network: names, and for `mismatched` the two shapes as well."""

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    mismatched: tuple[str, ...]
    unexpected: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Everything the network has is there, and nothing else: the checkpoint is a source model as it stands."""
        return not (self.missing or self.mismatched or self.unexpected)

    @property
    def body(self) -> bool:
        """All but the first and the last layer fit: the checkpoint can start a training, and must not be used without one."""
        misfits = [*self.missing, *(entry.split(" ")[0] for entry in self.mismatched), *self.unexpected]
        return bool(self.matched) and all(name.startswith(STEM + HEAD) for name in misfits)

    def __str__(self) -> str:
        """What does not fit, in words."""
        kinds = {"of another shape": self.mismatched, "missing": self.missing, "not part of the network": self.unexpected}
        parts = [f"{title}: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}" for title, names in kinds.items() if names]
        return "; ".join(parts) or "everything fits"


def read_checkpoint(name: str, cache_dir: str | Path) -> dict[str, Tensor]:
    """The weights that `model.pretrained_checkpoint` names: a local .safetensors file, a timm id or a Hugging Face hub id.

    Hub files are kept under `cache_dir`/huggingface. Only safetensors are read: unpickling a checkpoint can run any code that its author
    put into it. Raises ModelError for everything that is not a readable set of finite weights.
    """
    path = Path(name).expanduser()
    if path.suffix in PICKLES:
        raise ModelError(
            f"The checkpoint {name} is a pickle, which can run code when it is read; convert it to .safetensors "
            f"(safetensors.torch.save_file of a state dict read with torch.load(…, weights_only=True))."
        )
    if path.suffix != ".safetensors":
        if path.exists():
            raise ModelError(f"The checkpoint {name} is not a .safetensors file, the only format that is read.")
        path = _download(name, Path(cache_dir) / "huggingface")
    elif not path.is_file():
        raise ModelError(f"The checkpoint {name} does not exist (looked in {path.absolute().parent}); correct model.pretrained_checkpoint.")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"The checkpoint {name} cannot be read as safetensors ({error}); it may be cut short: fetch it again.") from error
    _check_weights(weights, name)
    return weights


def _download(name: str, folder: Path) -> Path:
    """The model.safetensors of a hub id ("timm/resnet18.a1_in1k") or of a timm id ("resnet18.a1_in1k"), from the cache or the network."""
    repository = name.removeprefix("hf_hub:").removeprefix("hf-hub:")
    if "/" not in repository:
        known = timm.models.get_pretrained_cfg(repository)
        if known is None or not known.hf_hub_id:
            raise ModelError(f"The checkpoint {name!r} is neither a .safetensors file nor a timm id nor a hub id (owner/name).")
        repository = known.hf_hub_id + repository if known.hf_hub_id.endswith("/") else known.hf_hub_id
    try:
        return Path(hf_hub_download(repository, "model.safetensors", cache_dir=folder))
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"The checkpoint {name} is not in {folder} and the Hugging Face hub cannot be reached: connect once, or set "
            f"run.model.pretrained_checkpoint to a local .safetensors file, or to null to train the source model here."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"The Hugging Face hub has no (public) model {repository}; correct run.model.pretrained_checkpoint.") from error
    except EntryNotFoundError as error:
        raise ModelError(f"The hub model {repository} has no model.safetensors, and its pickles are not read; name another one.") from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelError(f"The checkpoint {name} could not be downloaded ({str(error).splitlines()[0]}).") from error


def _check_weights(weights: Mapping[str, Tensor], name: str) -> None:
    for key, tensor in weights.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"The checkpoint {name} holds NaN or infinite values in {key}; it cannot be a working model.")
        if key.endswith("running_var") and bool((tensor < 0).any()):
            raise ModelError(f"The checkpoint {name} holds negative variances in {key}; it cannot be a working model.")


def fit(network: nn.Module, weights: Mapping[str, Tensor]) -> Fit:
    """What of `weights` the network can take; BatchNorm's batch counters do not matter."""
    wanted = {key: tensor.shape for key, tensor in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    offered = {key: tensor.shape for key, tensor in weights.items() if not key.endswith("num_batches_tracked")}
    both = [key for key in wanted if key in offered]
    return Fit(
        matched=tuple(key for key in both if wanted[key] == offered[key]),
        missing=tuple(key for key in wanted if key not in offered),
        mismatched=tuple(f"{key} {tuple(offered[key])} for {tuple(wanted[key])}" for key in both if wanted[key] != offered[key]),
        unexpected=tuple(key for key in offered if key not in wanted),
    )


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], name: str) -> None:
    """Make the network the checkpoint's model. Raises ModelError unless everything fits: nothing is left out or made up."""
    found = fit(network, weights)
    if not found.complete:
        raise ModelError(f"The checkpoint {name} does not fit the network: {found}.")
    _check_weights(weights, name)
    _copy(network, weights, found.matched)


def load_body(network: nn.Module, weights: Mapping[str, Tensor], name: str) -> Fit:
    """Take what fits of a checkpoint whose first or last layer does not; those stay random, so a training must follow.

    A stem of another shape takes its BatchNorm with it: statistics of other features would be worse than none. Raises ModelError where
    more than these layers is wrong: it is another architecture then.
    """
    found = fit(network, weights)
    if not found.body:
        raise ModelError(f"The checkpoint {name} is of another architecture, not only of another first or last layer: {found}.")
    _check_weights(weights, name)
    stem_fits = "conv1.weight" in found.matched
    _copy(network, weights, tuple(key for key in found.matched if stem_fits or not key.startswith(STEM)))
    return found


@torch.no_grad()
def _copy(network: nn.Module, weights: Mapping[str, Tensor], names: tuple[str, ...]) -> None:
    targets = network.state_dict()
    for name in names:
        targets[name].copy_(weights[name])


def looks_random(accuracy: float, mean_entropy: float, classes: int) -> bool:
    """Whether a source model behaves as one whose head was never trained: accuracy (0 to 1) near chance, entropy (nats) near ln C."""
    return accuracy < 1.7 / classes and mean_entropy > 0.95 * math.log(classes)


# -------------------------------------------------------------------------------------------------------------------------- objectives

# Below this much weight in a whole batch (a thousandth of one image) there is nothing to learn from it: the update is skipped.
LEAST_WEIGHT = 1e-3


class Loss(NamedTuple):
    """An objective of one batch: the loss (nats), the sum of its images' weights, and their mean entropy (nats); scalars."""

    loss: Tensor
    weight_sum: Tensor
    entropy: Tensor


def entropy(logits: Tensor) -> Tensor:
    """Entropy (nats) of the softmax of each row of logits (N, C), in fp32 or better from the log-softmax: exact where p log p is NaN."""
    log_p = _not_halved(logits).log_softmax(1)
    return -(log_p.exp() * log_p).sum(1)


def _not_halved(logits: Tensor) -> Tensor:
    """In fp32, or in fp64 if they are."""
    return logits if logits.dtype == torch.float64 else logits.float()


def confidence(entropies: Tensor, classes: int) -> Tensor:
    """w = 1 - H / ln C for entropies (N,), C from the head's output; never below 0, where rounding would take a uniform prediction."""
    return (1 - entropies / math.log(classes)).clamp_min(0)


def mean_entropy(logits: Tensor) -> Loss:
    """TENT's objective, L = mean of H: every image counts 1."""
    entropies = entropy(logits)
    loss = entropies.mean()
    return Loss(loss, torch.full_like(loss, len(logits)), loss.detach())


def confidence_weighted_entropy(logits: Tensor) -> Loss:
    """CW-TENT's objective, L = sum(w H) / sum(w), the weights as constants: gradient w_i / sum(w) for H_i, never negative."""
    return _weighted(logits, detach=True)


def confidence_weighted_entropy_undetached(logits: Tensor) -> Loss:
    """The same loss with the gradient through the weights as well: (1 - 2 H_i/ln C + L/ln C) / sum(w), negative for unsure images.

    It *raises* the entropy of images with H_i > (ln C + L) / 2: another algorithm, kept for comparison.
    """
    return _weighted(logits, detach=False)


def _weighted(logits: Tensor, *, detach: bool) -> Loss:
    entropies = entropy(logits)
    weights = confidence(entropies, logits.shape[1])
    if detach:
        weights = weights.detach()
    total = weights.sum()
    return Loss((weights * entropies).sum() / total.clamp_min(LEAST_WEIGHT), total.detach(), entropies.mean().detach())


OBJECTIVES: dict[str, Callable[[Tensor], Loss]] = {
    "entropy": mean_entropy,
    "confidence_weighted_entropy": confidence_weighted_entropy,
    "confidence_weighted_entropy_undetached": confidence_weighted_entropy_undetached,
}
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp64": torch.float64}
# A method and its objective; every config names both, and both must agree.
METHODS = {
    "source": "none",
    "bn": "none",
    "tent": "entropy",
    "cw-tent": "confidence_weighted_entropy",
    "cw-tent-undetached": "confidence_weighted_entropy_undetached",
}


# ---------------------------------------------------------------------------------------------------------------------------- settings


@dataclass(frozen=True)
class Settings:
    """All that makes up an adapter besides its source model; what is contradictory, unknown or out of range is a ModelError."""

    method: str
    objective: str
    adaptation: bool
    inner_steps: int
    optimizer: str
    learning_rate: float
    momentum: float  # of SGD; beta1 of Adam and AdamW
    weight_decay: float
    scheduler: str
    gradient_clip: float | None  # largest norm of the gradient of all adapted parameters together
    freeze_except: tuple[str, ...]
    predict: str  # before | last | after: see Adapter
    precision: str  # fp32 | bf16 (of the convolutions alone) | fp64 (of everything: slow, to see what is rounding and what is not)

    def __post_init__(self) -> None:
        self._check_method()
        _one_of("training.optimizer", self.optimizer, OPTIMIZERS)
        _one_of("training.scheduler", self.scheduler, SCHEDULERS)
        _one_of("stream.predict", self.predict, ("before", "last", "after"))
        _one_of("the precision", self.precision, PRECISIONS)
        _number("training.learning_rate", self.learning_rate, above=0)
        _number("training.momentum", self.momentum, least=0, below=1)
        _number("training.weight_decay", self.weight_decay, least=0)
        if self.gradient_clip is not None:
            _number("training.gradient_clip", self.gradient_clip, above=0)

    def _check_method(self) -> None:
        _one_of("method", self.method, METHODS)
        _one_of("training.objective", self.objective, ("none", *OBJECTIVES))
        if METHODS[self.method] != self.objective:
            raise ModelError(
                f"method {self.method!r} and training.objective {self.objective!r} contradict each other: "
                f"{self.method} goes with {METHODS[self.method]!r}."
            )
        if self.adaptation != (self.method != "source"):
            raise ModelError(f"method {self.method!r} and training.adaptation {self.adaptation} contradict each other.")
        if isinstance(self.inner_steps, bool) or not isinstance(self.inner_steps, int) or self.inner_steps < 0:
            raise ModelError(f"training.inner_steps must be a whole number, not {self.inner_steps!r}.")
        if (self.inner_steps > 0) != (self.objective != "none"):
            wanted = "0, since it updates nothing" if self.objective == "none" else "at least 1"
            raise ModelError(f"training.inner_steps is {self.inner_steps}, but for method {self.method!r} it must be {wanted}.")


def _one_of(what: str, value: object, known: object) -> None:
    if value not in known:
        raise ModelError(f"{what} {value!r} is unknown; known: {', '.join(known)}.")


def _number(what: str, value: object, *, least: float = -math.inf, above: float = -math.inf, below: float = math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ModelError(f"{what} must be a number, not {value!r}.")
    if value < least or value <= above or value >= below:
        wanted = f"above {above:g}" if above > -math.inf else f"at least {least:g}"
        raise ModelError(f"{what} is {value:g}, but must be {wanted}{f' and below {below:g}' if below < math.inf else ''}.")


# What a search may vary: the keys of training.* that are settings of an adapter.
SEARCHABLE = ("learning_rate", "momentum", "weight_decay", "inner_steps", "optimizer", "scheduler", "gradient_clip")


def settings(cfg: DictConfig, overrides: Mapping[str, Any], precision: str) -> Settings:
    """The settings of a composed config, with `overrides` (names from SEARCHABLE: a trial's or the best parameters) in their place."""
    training = cfg.run.training
    found = Settings(
        method=cfg.run.method,
        objective=training.objective,
        adaptation=training.adaptation,
        inner_steps=training.inner_steps,
        optimizer=training.optimizer,
        learning_rate=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        scheduler=training.scheduler,
        gradient_clip=training.gradient_clip,
        freeze_except=tuple(cfg.run.model.freeze_except),
        predict=cfg.stream.predict,
        precision=precision,
    )
    unknown = sorted(set(overrides) - set(SEARCHABLE))
    if unknown:
        raise ModelError(
            f"optuna.search_space varies {', '.join(unknown)}, which is no setting of an adapter; known: {', '.join(SEARCHABLE)}."
        )
    return replace(found, **overrides)


# -------------------------------------------------------------------------------------------------------------------------- parameters


def adapted_parameters(network: nn.Module, patterns: tuple[str, ...]) -> dict[str, nn.Parameter]:
    """The parameters that `freeze_except` names, by name, in the network's order.

    A pattern is a type of module and one of its parameters ("BatchNorm.weight": BatchNorm1d, 2d and 3d), or a parameter's own name, with
    * and ? if wanted ("layer1.*.weight"). Raises ModelError for one that names nothing.
    """
    kinds = {
        f"{prefix}{'.' if prefix else ''}{leaf}": (type(module).__name__, leaf)
        for prefix, module in network.named_modules()
        for leaf, _ in module.named_parameters(recurse=False)
    }
    chosen: set[str] = set()
    for pattern in patterns:
        kind, _, leaf = pattern.rpartition(".")
        names = {
            name
            for name, (module_kind, module_leaf) in kinds.items()
            if fnmatch.fnmatchcase(name, pattern) or (leaf == module_leaf and module_kind in (kind, f"{kind}1d", f"{kind}2d", f"{kind}3d"))
        }
        if not names:
            raise ModelError(f"model.freeze_except names {pattern!r}, but the network has no such parameters.")
        chosen |= names
    return {name: parameter for name, parameter in network.named_parameters() if name in chosen}


class FlatParameters:
    """The adapted parameters of a network as one flat vector `values` of their type; the network's own become views of it."""

    def __init__(self, network: nn.Module, patterns: tuple[str, ...]) -> None:
        """Replace the parameters in place; all others are frozen."""
        network.requires_grad_(False)
        chosen = adapted_parameters(network, patterns)
        if not chosen:
            raise ModelError("model.freeze_except names nothing, so that there is nothing to adapt.")
        wrong = [name for name, parameter in chosen.items() if parameter.dtype not in (torch.float32, torch.float64)]
        if wrong:
            raise ModelError(
                f"{wrong[0]} is to be adapted (model.freeze_except): bf16 has too few digits for that; set stream.precision to fp32."
            )
        self.values = torch.cat([parameter.detach().reshape(-1) for parameter in chosen.values()])
        self._source = self.values.clone()
        self.tensors: list[nn.Parameter] = []
        start = 0
        for name, parameter in chosen.items():
            module, _, leaf = name.rpartition(".")
            view = nn.Parameter(self.values[start : start + parameter.numel()].view(parameter.shape))
            network.get_submodule(module).register_parameter(leaf, view)
            self.tensors.append(view)
            start += parameter.numel()

    def gradient(self, loss: Tensor) -> Tensor:
        """d loss / d values, flat: nothing is accumulated anywhere."""
        return torch.cat([gradient.reshape(-1) for gradient in torch.autograd.grad(loss, self.tensors)])

    def drift(self) -> float:
        """How far the parameters went from the source model's, relative to their size: ||Δθ|| / ||θ||."""
        return float(torch.linalg.vector_norm(self.values - self._source) / torch.linalg.vector_norm(self._source).clamp_min(1e-12))

    def reset(self) -> None:
        """Back to the source model's values, bit for bit."""
        self.values.copy_(self._source)


# ------------------------------------------------------------------------------------------------------------------------ convolutions

# Winograd's minimal filtering F(4x4, 3x3), Lavin & Gray 2016, equation (14): a tile of 6x6 gives 4x4 outputs with 36 products, not 144.
_FILTER = torch.tensor(
    [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]],
    dtype=torch.float64,
)
LEAST_CHANNELS = 128  # with fewer, adding up the tiles takes longer than the products that are saved
LEAST_IMAGES = 16  # with fewer, reading kernels that are four times as large does


class _Kernels:
    """The weights (O, C, 3, 3) of a convolution as products of tiles take them, (36, C, O); copies of the layer share them."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight

    def __deepcopy__(self, memo: dict[int, Any]) -> _Kernels:
        return self

    @cached_property
    def forward(self) -> Tensor:
        """For the convolution itself, (36, C, O)."""
        return self._transformed(self._weight.permute(2, 3, 1, 0))

    @cached_property
    def backward(self) -> Tensor:
        """For the gradient into the input, a convolution with the filters turned round, (36, O, C)."""
        return self._transformed(self._weight.flip(2, 3).permute(2, 3, 0, 1))

    @staticmethod
    def _transformed(filters: Tensor) -> Tensor:
        both = torch.kron(_FILTER, _FILTER).to(filters.dtype)
        return (both @ filters.reshape(9, -1)).view(36, *filters.shape[2:])


_known_kernels: WeakValueDictionary[bytes, _Kernels] = WeakValueDictionary()


def _kernels_of(weight: Tensor) -> _Kernels:
    """The kernels of frozen weights; adapters of one source model share them, for they are four times as large."""
    key = hashlib.blake2b(weight.detach().contiguous().numpy()).digest() + str((weight.shape, weight.dtype)).encode()
    found = _known_kernels.get(key)
    if found is None:
        found = _known_kernels[key] = _Kernels(weight.detach())
    return found


def _tile_rows(rows: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Six rows of tiles, transformed for the products: B^T d."""
    r0, r1, r2, r3, r4, r5 = rows
    even, odd = torch.sub(r4, r2, alpha=4), torch.sub(r3, r1, alpha=4)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.sub(r4, r2, out=even)
    torch.sub(r3, r1, out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])
    torch.add(r4, torch.sub(r0, r2, alpha=1.25, out=even), alpha=4, out=out[0])
    torch.add(r5, torch.sub(r1, r3, alpha=1.25, out=odd), alpha=4, out=out[5])


def _output_rows(rows: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Six rows of products, added up to four of the output: A^T m."""
    m0, m1, m2, m3, m4, m5 = rows
    near, near_odd, far, far_odd = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    torch.add(m0, near, out=out[0]).add_(far)
    torch.add(near_odd, far_odd, alpha=2, out=out[1])
    torch.add(near, far, alpha=4, out=out[2])
    torch.add(m5, near_odd, out=out[3]).add_(far_odd, alpha=8)


def _convolve(images: Tensor, kernels: Tensor) -> Tensor:
    """Images (N, C, H, W) with kernels (36, C, O) and a margin of one zero: (N, O, H, W), channels last; H and W are multiples of 4."""
    padded = nn.functional.pad(images.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    count, height, width, channels = (images.shape[place] for place in (0, 2, 3, 1))
    down, across, outputs = height // 4, width // 4, kernels.shape[2]
    rows = padded.new_empty(6, count, down, width + 2, channels)
    _tile_rows([padded[:, row : row + height - 3 : 4] for row in range(6)], rows.unbind())
    tiles = padded.new_empty(6, 6, count, down, across, channels)
    _tile_rows([rows[:, :, :, column : column + width - 3 : 4] for column in range(6)], tiles.unbind(1))
    products = torch.bmm(tiles.view(36, -1, channels), kernels).view(6, 6, count, down, across, outputs)
    halves = padded.new_empty(4, 6, count, down, across, outputs)
    _output_rows(products.unbind(), halves.unbind())
    result = padded.new_empty(count, down, 4, across, 4, outputs)
    _output_rows(halves.unbind(1), result.permute(4, 2, 0, 1, 3, 5).unbind())
    return result.view(count, height, width, outputs).permute(0, 3, 1, 2)


class _Winograd(torch.autograd.Function):
    """The convolution with frozen weights, and the gradient into its input: nothing is kept for it but the kernels."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, kernels: _Kernels) -> Tensor:
        ctx.kernels = kernels
        return _convolve(images, kernels.forward)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _convolve(gradient, ctx.kernels.backward), None


class WinogradConv2d(nn.Conv2d):
    """A frozen 3x3 convolution that is faster on a CPU: 1.0 to 2.0 times, the more channels the more (benchmarks/tta_speed.py).

    Its results differ from the plain one's by rounding: in fp32 by up to 5e-5 where outputs are of size 1, against 1e-5.
    """

    def __init__(self, plain: nn.Conv2d) -> None:
        """Take over a layer for which `can_be` holds, with its weights, which must not change any more."""
        super().__init__(plain.in_channels, plain.out_channels, 3, padding=1, bias=plain.bias is not None, device="meta")
        self.weight, self.bias = plain.weight, plain.bias
        self._kernels = _kernels_of(plain.weight)

    @staticmethod
    def can_be(layer: nn.Module) -> bool:
        """Whether it is such a convolution, and worth it."""
        return (
            isinstance(layer, nn.Conv2d)
            and (layer.kernel_size, layer.stride, layer.padding, layer.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1))
            and (layer.groups, layer.padding_mode) == (1, "zeros")
            and min(layer.in_channels, layer.out_channels) >= LEAST_CHANNELS
        )

    def forward(self, images: Tensor) -> Tensor:
        """Convolve images (N, C, H, W); few of them, and those whose sides are no multiples of 4, the plain way."""
        if len(images) < LEAST_IMAGES or images.shape[2] % 4 or images.shape[3] % 4:
            return super().forward(images)
        found: Tensor = _Winograd.apply(images, self._kernels)
        return found if self.bias is None else found + self.bias[:, None, None]


def _use_winograd(network: nn.Module, adapted: Collection[str]) -> None:
    """Replace the convolutions that gain by it and whose weights stay as they are."""
    for name, layer in list(network.named_modules()):
        if WinogradConv2d.can_be(layer) and not {f"{name}.weight", f"{name}.bias"} & set(adapted):
            parent, _, leaf = name.rpartition(".")
            setattr(network.get_submodule(parent), leaf, WinogradConv2d(layer))


# -------------------------------------------------------------------------------------------------------------------------- optimisers


class Sgd:
    """torch.optim.SGD with momentum and coupled weight decay, for one flat vector."""

    def __init__(self, values: Tensor, chosen: Settings) -> None:
        self.momentum, self.weight_decay = chosen.momentum, chosen.weight_decay
        self.state = {"velocity": torch.zeros_like(values)}

    def step(self, values: Tensor, gradient: Tensor, rate: float, count: int) -> None:
        """Update `values` in place; `count` is the number of this update since the reset, from 1."""
        if self.weight_decay:
            gradient = gradient.add(values, alpha=self.weight_decay)
        velocity = self.state["velocity"].mul_(self.momentum).add_(gradient)
        values.add_(velocity, alpha=-rate)


class Adam:
    """torch.optim.Adam for one flat vector, with `momentum` as beta1; beta2 and epsilon are torch's defaults."""

    beta2, epsilon, decoupled = 0.999, 1e-8, False

    def __init__(self, values: Tensor, chosen: Settings) -> None:
        self.beta1, self.weight_decay = chosen.momentum, chosen.weight_decay
        self.state = {"mean": torch.zeros_like(values), "square": torch.zeros_like(values)}

    def step(self, values: Tensor, gradient: Tensor, rate: float, count: int) -> None:
        """Update `values` in place; `count` is the number of this update since the reset, from 1."""
        if self.decoupled:
            values.mul_(1 - rate * self.weight_decay)
        elif self.weight_decay:
            gradient = gradient.add(values, alpha=self.weight_decay)
        mean = self.state["mean"].lerp_(gradient, 1 - self.beta1)
        square = self.state["square"].mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        scale = square.sqrt().div_(math.sqrt(1 - self.beta2**count)).add_(self.epsilon)
        values.addcdiv_(mean, scale, value=-rate / (1 - self.beta1**count))


class AdamW(Adam):
    """torch.optim.AdamW: the weight decay acts on the parameters, not on the gradient."""

    decoupled = True


OPTIMIZERS = {"sgd": Sgd, "adam": Adam, "adamw": AdamW}
SCHEDULERS = ("none", "cosine")


def learning_rate(chosen: Settings, count: int, total: int | None) -> float:
    """The rate of update number `count` (from 1) of `total` between two resets; cosine goes from the full rate towards 0."""
    if chosen.scheduler == "none":
        return chosen.learning_rate
    if total is None or total < 1:
        raise ModelError("training.scheduler 'cosine' needs the number of updates between two resets, which this stream does not have.")
    return chosen.learning_rate * 0.5 * (1 + math.cos(math.pi * min(count - 1, total) / total))


# ---------------------------------------------------------------------------------------------------------------------------- adapters


@dataclass
class Counts:
    """What an adapter did since it was made; resets do not touch it: it is the bill, not a state. Passes are batches, not images.

    `updates` and `skipped` together are inner steps: skipped are those of batches that were not to be adapted to, and those with no weight
    (LEAST_WEIGHT) or without a finite loss and gradient.
    """

    forwards: int = 0
    backwards: int = 0
    updates: int = 0
    skipped: int = 0
    images: int = 0


@dataclass(frozen=True)
class Step:
    """The answer to one batch: the logits (N, C) that are scored, in fp32, and whether the adapter changed.

    `loss`, `weight_sum` and `entropy` (mean, nats) are those of the batch's first forward pass; None where the method has no objective.
    """

    logits: Tensor
    loss: float | None
    weight_sum: float | None
    entropy: float
    updated: bool


@dataclass(frozen=True)
class Forward:
    """An adapter asks for the logits of its batch."""

    with_gradient: bool


@dataclass(frozen=True)
class Backward:
    """An adapter asks for the gradient of a loss, flat, with respect to its parameters."""

    loss: Tensor


Work = Generator[Forward | Backward, Tensor, Step]


class Adapter:
    """What all methods share: a fresh copy of the source model, a count of its work, and answers to batches.

    `predict` returns, of the forward passes of one batch, the logits of the one that `settings.predict` names: *before* any update by this
    batch (the first pass), of the *last* pass that had an update after it (what official TENT returns; with one step the same as before),
    or *after* all updates (one more forward pass).

    Attributes:
        records: Whether an inner step's passes are `Recorded`, for the shape of the first batch; set it before that.
    """

    records = False

    def __init__(self, model: nn.Module, chosen: Settings, device: torch.device) -> None:
        """Copy the model: the one given is never changed."""
        self.settings = chosen
        self.device = device
        self.counts = Counts()
        self.network = copy.deepcopy(model).eval().requires_grad_(False)  # eval: no dropout, no stochastic depth
        adapted = adapted_parameters(self.network, chosen.freeze_except)  # a wrong pattern is told whether or not the method needs it
        self._change_network()
        if chosen.precision == "bf16":
            _halve_convolutions(self.network)
        elif chosen.precision == "fp64":
            self.network.double()
        elif device.type == "cpu":
            _use_winograd(self.network, adapted)
        self.network = self.network.to(device, memory_format=torch.channels_last)

    def _change_network(self) -> None:
        """How the method's network differs from the source model's."""

    def predict(self, images: Tensor, update: bool = True) -> Step:
        """Answer one batch (N, 3, H, W), normalised; where `update` is false, without adapting to it."""
        return self._answer(self.take(images), update)

    def take(self, images: Tensor) -> Tensor:
        """A batch as the network takes it, and count it."""
        if images.ndim != 4 or images.shape[1] != 3 or not len(images):
            raise ModelError(f"A batch must have the shape (N, 3, H, W) with N >= 1, not {tuple(images.shape)}.")
        self.counts.images += len(images)
        return images.to(self.device, PRECISIONS[self.settings.precision], memory_format=torch.channels_last)

    def _answer(self, images: Tensor, update: bool) -> Step:
        """Without updates, an answer is one forward pass."""
        logits = self._forward(images)
        return Step(logits, None, None, float(entropy(logits).mean()), updated=False)

    @torch.inference_mode()
    def _forward(self, images: Tensor) -> Tensor:
        return self._logits(images)

    def _logits(self, images: Tensor) -> Tensor:
        self.counts.forwards += 1
        return _logits_of(self.network, images)

    @property
    def drift(self) -> float:
        """||Δθ|| / ||θ|| of the adapted parameters."""
        return 0.0

    def reset(self) -> None:
        """Back to the source model; `counts` goes on."""

    def state(self) -> dict[str, Tensor]:
        """Copies of all that changes, to go on from after an interruption."""
        return {"counts": torch.tensor(list(asdict(self.counts).values()))}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state()` of an adapter of the same settings."""
        self.counts = Counts(*(int(number) for number in state["counts"]))


def _logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """The network's answer, in fp32 or better."""
    try:
        return _not_halved(network(images))
    except ValueError as error:  # BatchNorm's, where it has but one value per channel
        raise ModelError(
            f"A batch of {len(images)} images of {images.shape[2]}x{images.shape[3]} pixels gives BatchNorm one value per channel, "
            f"which has no variance; use larger batches."
        ) from error


class Source(Adapter):
    """No adaptation: the source model with its training statistics. These are constants, so BatchNorm is folded into the convolutions."""

    def _change_network(self) -> None:
        _fold(self.network)


class BatchStatistics(Adapter):
    """BatchNorm with the statistics of the batch at hand, and nothing learned: the control that shows what the updates add."""

    def _change_network(self) -> None:
        _use_batch_statistics(self.network)


class Recorded:
    """A function of images of one shape, recorded once as a CUDA graph and then replayed: its hundreds of small kernels in one launch.

    What it does must not depend on values of tensors, and may read only tensors that stay where they are (FlatParameters' do). Without CUDA
    every call runs the function, on the same buffers: that much of it can be tested.
    """

    def __init__(self, function: Callable[[Tensor], tuple[Tensor, ...]], images: Tensor) -> None:
        """Record it for images like these. Raises ModelError where the replay does not give what the function itself does."""
        self._function = function
        self._images = images.clone()
        self._graph = self._record() if images.is_cuda else None
        if self._graph is not None:
            for replayed, wanted in zip(self(images), function(images), strict=True):
                if not torch.allclose(replayed, wanted, rtol=1e-3, atol=1e-4, equal_nan=True):
                    raise ModelError("A CUDA graph of the adaptation step gives other numbers than the step itself: set cuda_graphs=false.")

    def _record(self) -> torch.cuda.CUDAGraph:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # libraries prepare themselves in their first calls, which must not be recorded
            for _ in range(3):
                self._function(self._images)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._results = self._function(self._images)
        return graph

    def takes(self, images: Tensor) -> bool:
        """Whether images have the shape that was recorded: the last batch of a stream often has not."""
        return images.shape == self._images.shape

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """What the function returns for images."""
        self._images.copy_(images)
        if self._graph is None:
            self._results = self._function(self._images)
        else:
            self._graph.replay()
        return tuple(result.clone() for result in self._results)  # the next call writes over them


class EntropyMinimisation(BatchStatistics):
    """TENT and CW-TENT: batch statistics, and `inner_steps` updates of the adapted parameters for each batch, down the objective.

    What is to be done with a batch is said by a generator, `work`, which asks for passes and is given what comes of them: here by its own
    network, in `Together` by one that serves several adapters at once.
    """

    def __init__(self, model: nn.Module, chosen: Settings, device: torch.device, updates: int | None) -> None:
        """`updates`: how many there are between two resets, for a scheduler that must know."""
        super().__init__(model, chosen, device)
        self._recorded: Recorded | None = None
        self._total = updates
        learning_rate(chosen, 1, updates)  # a scheduler that cannot work is told now
        self._objective = OBJECTIVES[chosen.objective]
        self.parameters = FlatParameters(self.network, chosen.freeze_except)
        self._optimizer = OPTIMIZERS[chosen.optimizer](self.parameters.values, chosen)
        self._updates = 0  # since the reset

    def _answer(self, images: Tensor, update: bool) -> Step:
        if self.records and self._recorded is None:
            self._recorded = Recorded(self._both_passes, images)
        recorded = self._recorded if self._recorded is not None and self._recorded.takes(images) else None
        work, answer, gradient = self.work(update), None, None
        while True:
            try:
                asked = work.send(answer)
            except StopIteration as end:
                step: Step = end.value
                return step
            if isinstance(asked, Backward):
                answer = self.parameters.gradient(asked.loss) if gradient is None else gradient
            elif not asked.with_gradient:
                answer = self._forward(images)
            elif recorded is not None:
                self.counts.forwards += 1
                answer, gradient = recorded(images)
            else:
                with torch.enable_grad():
                    answer = self._logits(images)

    @torch.enable_grad()
    def _both_passes(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and the gradient of the objective: what an inner step asks for, one after the other."""
        logits = _logits_of(self.network, images)
        return logits.detach(), self.parameters.gradient(self._objective(logits).loss)

    def work(self, update: bool) -> Work:
        """What it takes to answer one batch."""
        steps = self.settings.inner_steps
        if not update:
            self.counts.skipped += steps
            logits = yield Forward(with_gradient=False)
            first = self._objective(logits)
            return Step(logits, float(first.loss), float(first.weight_sum), float(first.entropy), updated=False)
        logits, found, changed = yield from self._adapt()
        first, first_logits, made = found, logits, int(changed)
        while changed and made < steps:
            logits, _, changed = yield from self._adapt()
            made += int(changed)
        # Where a step changed nothing, those after it would not either: they are not computed.
        self.counts.skipped += steps - made
        if self.settings.predict == "before":
            logits = first_logits
        elif self.settings.predict == "after" and made:
            logits = yield Forward(with_gradient=False)
        return Step(logits, float(first.loss), float(first.weight_sum), float(first.entropy), updated=made > 0)

    def _adapt(self) -> Generator[Forward | Backward, Tensor, tuple[Tensor, Loss, bool]]:
        """One inner step: forward, backward, update; the logits from before it, and whether there was one."""
        logits = yield Forward(with_gradient=True)
        with torch.enable_grad():
            found = self._objective(logits)
        changed = bool((found.weight_sum >= LEAST_WEIGHT) & torch.isfinite(found.loss)) and (yield from self._descend(found.loss))
        return logits.detach(), Loss(found.loss.detach(), found.weight_sum, found.entropy), changed

    def _descend(self, loss: Tensor) -> Generator[Forward | Backward, Tensor, bool]:
        """One update; false if the gradient is not finite."""
        self.counts.backwards += 1
        gradient = yield Backward(loss)
        norm = float(torch.linalg.vector_norm(gradient))
        if not math.isfinite(norm):
            return False
        clip = self.settings.gradient_clip
        if clip is not None and norm > clip:
            gradient.mul_(clip / norm)
        self._updates += 1
        self.counts.updates += 1
        rate = learning_rate(self.settings, self._updates, self._total)
        self._optimizer.step(self.parameters.values, gradient, rate, self._updates)
        return True

    @property
    def drift(self) -> float:
        """||Δθ|| / ||θ|| of the adapted parameters."""
        return self.parameters.drift()

    def reset(self) -> None:
        """Parameters, the optimiser's state and the schedule: as if newly made."""
        self.parameters.reset()
        for tensor in self._optimizer.state.values():
            tensor.zero_()
        self._updates = 0

    def state(self) -> dict[str, Tensor]:
        """Copies of all that changes, to go on from after an interruption."""
        optimizer = {name: tensor.clone() for name, tensor in self._optimizer.state.items()}
        return {**super().state(), **optimizer, "values": self.parameters.values.clone(), "updates": torch.tensor(self._updates)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state()` of an adapter of the same settings."""
        super().restore(state)
        self.parameters.values.copy_(state["values"])
        for name, tensor in self._optimizer.state.items():
            tensor.copy_(state[name])
        self._updates = int(state["updates"])


def can_run_together(adapter: Adapter) -> TypeGuard[EntropyMinimisation]:
    """Whether streams of such adapters can run as one: those that update BatchNorm, and nothing else."""
    if not isinstance(adapter, EntropyMinimisation):
        return False
    norms = {name for name, module in adapter.network.named_modules() if isinstance(module, _BatchNorm)}
    return all(name.rpartition(".")[0] in norms for name, parameter in adapter.network.named_parameters() if parameter.requires_grad)


class Together:
    """Several adapters of one source model, each with a stream of its own, whose passes are made as one.

    The frozen convolutions see the images of all streams at once; BatchNorm, its parameters, the loss, the optimiser and the learning rate
    stay each stream's own. The answers are those of the adapters alone, but for rounding: a sum of another length is added up in another
    order.
    """

    def __init__(self, adapters: Sequence[Adapter]) -> None:
        """Take adapters that can run together and have one precision. They remain usable by themselves."""
        if len({adapter.settings.precision for adapter in adapters}) != 1:
            raise ModelError("Streams that run together must have one precision.")
        self.adapters = [adapter for adapter in adapters if can_run_together(adapter)]
        if len(self.adapters) != len(adapters):
            raise ModelError("Streams run together only where BatchNorm is adapted (model.freeze_except), and nothing else.")
        self._parts: list[tuple[int, int]] = []  # number of the adapter and of its images, in the batch that is under way
        first = self.adapters[0].network
        self.network = copy.deepcopy(first).requires_grad_(False)
        for name in [name for name, module in first.named_modules() if isinstance(module, _BatchNorm)]:
            parent, _, leaf = name.rpartition(".")
            layers = [adapter.network.get_submodule(name) for adapter in self.adapters]
            setattr(self.network.get_submodule(parent), leaf, _NormByStream(layers, self._parts))

    def predict(self, batches: Sequence[Tensor], updates: Sequence[bool]) -> list[Step]:
        """Answer a batch of each stream, (N, 3, H, W) with any N; `updates` says which streams adapt to theirs."""
        images = [adapter.take(batch) for adapter, batch in zip(self.adapters, batches, strict=True)]
        working = {place: adapter.work(update) for place, (adapter, update) in enumerate(zip(self.adapters, updates, strict=True))}
        answers: dict[int, Tensor] = {}
        steps: dict[int, Step] = {}
        while working:
            asked: dict[int, Forward | Backward] = {}
            for place, work in list(working.items()):
                try:
                    asked[place] = work.send(answers.get(place))  # type: ignore[arg-type]  # None begins it
                except StopIteration as end:
                    steps[place] = end.value
                    del working[place]
            answers = self._gradients({place: wanted.loss for place, wanted in asked.items() if isinstance(wanted, Backward)})
            for with_gradient in (True, False):
                places = [place for place, wanted in asked.items() if wanted == Forward(with_gradient)]
                answers |= self._forwards(places, images, with_gradient)
        return [steps[place] for place in range(len(self.adapters))]

    def _gradients(self, losses: dict[int, Tensor]) -> dict[int, Tensor]:
        """The gradient of each loss with respect to its own adapter's parameters, flat."""
        if not losses:
            return {}
        counts = [len(self.adapters[place].parameters.tensors) for place in losses]
        tensors = [tensor for place in losses for tensor in self.adapters[place].parameters.tensors]
        found = iter(torch.autograd.grad(torch.stack(list(losses.values())).sum(), tensors))
        return {
            place: torch.cat([gradient.reshape(-1) for gradient in itertools.islice(found, count)])
            for place, count in zip(losses, counts, strict=True)
        }

    def _forwards(self, places: list[int], images: list[Tensor], with_gradient: bool) -> dict[int, Tensor]:
        """The logits of some streams."""
        if not places:
            return {}
        sizes = [len(images[place]) for place in places]
        self._parts[:] = zip(places, sizes, strict=True)
        for place in places:
            self.adapters[place].counts.forwards += 1
        with torch.enable_grad() if with_gradient else torch.inference_mode():
            logits = _logits_of(self.network, torch.cat([images[place] for place in places]))
            return dict(zip(places, logits.split(sizes), strict=True))


class _NormByStream(nn.Module):
    """BatchNorm layers side by side, each for the images of its own stream; `parts` is shared by all layers of the network."""

    def __init__(self, layers: list[nn.Module], parts: list[tuple[int, int]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self._parts = parts

    def forward(self, images: Tensor) -> Tensor:
        places, sizes = zip(*self._parts, strict=True)
        return torch.cat([self.layers[place](part) for place, part in zip(places, images.split(sizes), strict=True)])


def make_adapter(
    cfg: DictConfig,
    model: nn.Module,
    overrides: Mapping[str, Any],
    *,
    precision: str,
    device: torch.device | str = "cpu",
    updates: int | None = None,
) -> Adapter:
    """A new adapter of a fresh copy of the source model, with the settings of a composed config and `overrides` from a search.

    `precision` is what `stream.precision` came to, fp32 or bf16; `updates` the number of updates between two resets, for the scheduler.
    """
    return adapter(model, settings(cfg, overrides, precision), device, updates)


def adapter(model: nn.Module, chosen: Settings, device: torch.device | str = "cpu", updates: int | None = None) -> Adapter:
    """A new adapter of a fresh copy of the source model."""
    device = torch.device(device)
    if chosen.method == "source":
        return Source(model, chosen, device)
    if chosen.method == "bn":
        return BatchStatistics(model, chosen, device)
    return EntropyMinimisation(model, chosen, device, updates)


def _use_batch_statistics(network: nn.Module) -> None:
    """Without running statistics BatchNorm takes those of the batch in eval mode too; this cannot be undone, hence the copy."""
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if not layers:
        raise ModelError("The network has no BatchNorm, so that there are no batch statistics to adapt.")
    for layer in layers:
        layer.track_running_stats = False
        layer.running_mean = layer.running_var = layer.num_batches_tracked = None


def _fold(network: nn.Module) -> None:
    """Fold each BatchNorm into the convolution right before it, as timm's ResNets have them."""
    for parent in list(network.modules()):
        children = list(parent.named_children())
        for (name, convolution), (norm_name, norm) in itertools.pairwise(children):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(convolution, norm))
                setattr(parent, norm_name, nn.Identity())


def _halve_convolutions(network: nn.Module) -> None:
    """bf16 convolutions and activations; BatchNorm's statistics and parameters, the head, the loss and the updates stay fp32.

    In bf16 logits an image's entropy would be off by up to 0.016 nats.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(torch.bfloat16)
        elif isinstance(module, nn.Linear):
            module.register_forward_pre_hook(_to_fp32)


def _to_fp32(module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
    return (arguments[0].float(),)


# ----------------------------------------------------------------------------------------------------------------------------- machine


def has_fast_bf16(device: torch.device | str) -> bool:
    """Whether the device multiplies bf16 itself; elsewhere it is emulated, and slower than fp32."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:  # not Linux: cannot tell
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def keep_memory() -> bool:
    """Tell glibc's malloc to keep what it has: else it returns each large tensor to the system, and every step pays for the page faults.

    What it keeps is taken in huge pages where the system has them on request. The process then never shrinks. Returns whether it was
    possible (glibc only). Call it once, before any work.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD, M_MMAP_MAX of malloc.h
    if not (libc.mallopt(mmap_max, 0) and libc.mallopt(trim_threshold, -1)):
        return False
    _ask_for_huge_pages(libc)
    return True


def _ask_for_huge_pages(libc: ctypes.CDLL) -> None:
    """Grow the heap once (addresses, not memory: nothing is touched), mark it, and give it back to malloc, which keeps it."""
    size, page, huge = 2**32 - 2**21, 2**12, 14  # MADV_HUGEPAGE of mman.h
    libc.malloc.restype = ctypes.c_void_p
    start = libc.malloc(ctypes.c_size_t(size))
    if start is None:  # less address space than that: no huge pages then
        return
    first = -(-start // page) * page
    libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t((start + size - first) // page * page), huge)
    libc.free(ctypes.c_void_p(start))
