"""Parts of networks that ran and learn nothing.

An optimizer holds them and they have no gradient, or none holds them.

Also tensors that two parts had in common until one of them got another one, and states that were loaded and fit nothing.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Mapping
from typing import Any

from .. import channel, clock, places
from ..watchers import odd

MOST_MODULES = 4000
MOST_LOOKS = 64  # at networks that predict
_looks = 0
_ran: weakref.WeakSet[Any] = weakref.WeakSet()  # modules that were called in train mode
_slots: dict[int, list[tuple[Any, str]]] = {}  # by the identity of a parameter: the modules that were given it, and under which name
_untied: list[tuple[Any, str, Any, str, Any, Any]] = []
_filled: weakref.WeakSet[Any] = weakref.WeakSet()  # modules that a state was loaded into
_loads: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def start() -> None:
    """Say from time to time what was seen."""
    channel.on_flush(_report)


def watch(torch: Any) -> None:
    """Watch how modules get their parameters.

    Args:
        torch: the library.
    """
    _watch_registering(torch.nn.Module)


def ran(module: Any) -> None:
    """A module is called: a network, or a part of one."""
    if module.training and len(_ran) < MOST_MODULES:
        _ran.add(module)


# -- shared tensors ------------------------------------------------------------------------------------------------------------------------


def _watch_registering(base: Any) -> None:
    original = base.register_parameter

    @functools.wraps(original)
    def register_parameter(self: Any, name: str, param: Any) -> None:
        former = self.__dict__.get("_parameters", {}).get(name)
        original(self, name, param)
        if param is not None and param is not former:
            if former is not None:
                _look_for_tie(self, name, former, param)
            _remember(self, name, param)

    base.register_parameter = register_parameter


def _remember(module: Any, name: str, parameter: Any) -> None:
    slots = _slots.setdefault(id(parameter), [])
    slots[:] = [(owner, key) for owner, key in slots if (held := owner()) is not None and held._parameters.get(key) is parameter]
    slots.append((weakref.ref(module), name))


def _look_for_tie(module: Any, name: str, former: Any, new: Any) -> None:
    """Whether another module still has the tensor that this one had."""
    for owner, key in _slots.get(id(former), ()):
        other = owner()
        if other is not None and other is not module and other._parameters.get(key) is former and new.shape == former.shape:
            _untied.append((weakref.ref(module), name, owner, key, places.caller(), tuple(new.shape)))
            return


def look_for_ties(held: set[int]) -> None:
    """An optimizer steps for the first time: tensors that two modules had in common, and have no more.

    Args:
        held: the identities of what the optimizer holds.
    """
    for one, name, other, key, place, shape in _untied:
        module, rest = one(), other()
        if module is None or rest is None or len(shape) < 2:
            continue
        mine, theirs = module._parameters.get(name), rest._parameters.get(key)
        if mine is None or theirs is None or not all(each.requires_grad and id(each) in held for each in (mine, theirs)):
            continue
        odd.note(
            "tie", f"{type(module).__name__}.{name} and {type(rest).__name__}.{key}", place, mine is not theirs, "x".join(map(str, shape))
        )
    _untied.clear()


# -- states --------------------------------------------------------------------------------------------------------------------------------


def loaded(module: Any, state: Any, strict: bool, result: Any) -> None:
    """A state was loaded into a module, as a whole.

    Args:
        module: the module.
        state: names and tensors; `strict`: whether all had to fit.
        result: what was missing, and what was not expected.
    """
    _filled.update(module.modules())
    own = len(list(module.parameters()))
    if strict or not own or not hasattr(state, "keys") or not len(state) or not hasattr(result, "unexpected_keys"):
        fits = True
    else:
        fits = len(state) > len(result.unexpected_keys)
    name = _loads.setdefault(module, f"{type(module).__name__} {len(_loads) + 1}")
    odd.tell(
        "load",
        name,
        places.caller(),
        not fits,
        "" if fits else f"{len(state)} names, such as `{next(iter(state))}`; its own are such as `{_first(module)}`",
    )


def _first(module: Any) -> str:
    return next((name for name, _ in module.named_parameters()), "")


# -- parts that learn nothing --------------------------------------------------------------------------------------------------------------


def look_at_parts(
    networks: dict[Any, int], held: dict[int, Any], graded: set[int], changed: set[int], unheld: dict[int, Any], place: Any
) -> None:
    """Say which parts of networks learned nothing so far.

    Args:
        networks: those that ran, with their numbers.
        held: by identity, what the optimizers hold that stepped twice or more.
        graded: what ever had a gradient at a step; `changed`: what has other values than at first.
        unheld: by identity, parameters that had a gradient at a step of an optimizer, and that no optimizer has ever had: its place.
        place: where the first optimizer was made.
    """
    all_graded = [each for network in networks for each in _traits(network, graded)]
    for network, index in networks.items():
        name = f"{type(network).__name__}|{index}"
        if not any(part in _filled for part in network.modules()):
            left = [(key, each) for key, each in network.named_parameters() if id(each) in unheld and id(each) not in changed]
            is_twin = bool(left) and _has_twins([(key.rpartition(".")[2], tuple(each.shape)) for key, each in left], all_graded)
            all_of_it = " (all of it)" if len(left) == len(list(network.parameters())) else ""
            detail = f"{', '.join(key for key, _ in left[:4])}{' and others' if len(left) > 4 else ''}{all_of_it}"
            where = unheld[id(left[0][1])] if left else None
            odd.tell("unheld", name, where, bool(left) and not is_twin, detail)
        trained = _traits(network, graded)
        if trained:
            _look_for_idle(network, name, place, held, graded | changed, all_graded)


def _traits(network: Any, chosen: set[int]) -> list[tuple[str, tuple[int, ...]]]:
    return [(name.rpartition(".")[2], tuple(each.shape)) for name, each in network.named_parameters() if id(each) in chosen]


def _look_for_idle(
    network: Any, key: str, place: Any, held: dict[int, Any], learned: set[int], trained: list[tuple[str, tuple[int, ...]]]
) -> None:
    """Parts that ran in train mode, are held by an optimizer as a whole, and never had a gradient."""
    told: list[str] = []
    numbers = 0
    for name, module in network.named_modules():
        if not name or module not in _ran or any(name.startswith(f"{each}.") for each in told):
            continue
        own = list(module.named_parameters())
        if not own or not all(id(each) in held and each.requires_grad and id(each) not in learned and each.grad is None for _, each in own):
            continue
        if _has_twins([(inner.rpartition(".")[2], tuple(each.shape)) for inner, each in own], trained):
            continue  # the target of an average or of copies that may come later
        told.append(name)
        numbers += sum(each.numel() for _, each in own)
    loaded_parts = any(module in _filled for name, module in network.named_modules() if name in told)
    values = ", with loaded values" if loaded_parts else ""
    detail = f"{', '.join(told[:4])}{' and others' if len(told) > 4 else ''}: {numbers:,} parameters{values}"
    odd.tell("idle", key, place, bool(told), detail)


def _has_twins(part: list[tuple[str, tuple[int, ...]]], trained: list[tuple[str, tuple[int, ...]]]) -> bool:
    rest = list(trained)
    for each in part:
        if each not in rest:
            return False
        rest.remove(each)
    return True


# -- statistics of normalisation -----------------------------------------------------------------------------------------------------------


def predicts(network: Any, networks: Mapping[Any, int]) -> None:
    """Whether a network that predicts has statistics of normalisation, as its twin has.

    Args:
        network: the network that is called.
        networks: all that ran, with their numbers.
    """
    global _looks
    if _looks >= MOST_LOOKS:
        return
    _looks += 1
    own = _core(network)
    layers = _normalisations(own)
    fresh = [name for name, layer in layers.items() if not layer.training and _is_fresh(layer)]
    if not layers:
        return
    cores = [_core(other) for other in list(networks)]
    others = [_normalisations(other) for other in cores if other is not own and type(other) is type(own)]
    wrong = bool(fresh) and any(all(name in other and int(other[name].num_batches_tracked) > 0 for name in fresh) for other in others)
    odd.note("statistics", f"{type(own).__name__}|{networks.get(network, -1)}", places.caller(), wrong, ", ".join(fresh[:4]))


def _core(network: Any) -> Any:
    """What a wrapper holds, such as one that averages."""
    return network.module if hasattr(getattr(network, "module", None), "named_modules") else network


def _normalisations(network: Any) -> dict[str, Any]:
    return {name: part for name, part in network.named_modules() if getattr(part, "num_batches_tracked", None) is not None}


def _is_fresh(layer: Any) -> bool:
    is_new = int(layer.num_batches_tracked) == 0
    return is_new and not bool(layer.running_mean.any()) and bool((layer.running_var == 1).all())


def _report() -> None:
    from ..watchers import optimizers

    with clock.aside():
        optimizers.look_at_parts()
