"""Random small programs that read and write a config, and random configs for them.

A program is the body of `def main(cfg)`; what it reads of the config it appends to `out`. Values of the config's leaves are unique
numbers, so that a value tells which key it came from. Nothing makes sure that a program is right: the real OmegaConf says what fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

KEYS = ("a", "b", "c", "lr", "items", "x y")
NAMES = ("a", "b", "c", "lr", "items", "absent")  # keys that programs ask for
FIRST = 1000  # the first of the unique numbers

HELPERS = """
import copy, dataclasses, functools, operator, time
from collections import ChainMap, OrderedDict
from operator import attrgetter, itemgetter
from types import SimpleNamespace

import hydra
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict


def identity(value):
    return value


def pick(node, key):
    return node[key]


def deep(node):
    return node.a.b


def fallback(node, key, default=None):
    if key in node:
        return node[key]
    return default


def spread(a=None, b=None, **rest):
    return a


def twice(function, node):
    return function(node)


class Holder:
    def __init__(self, node):
        self.node = node

    def read(self, key):
        return self.node[key]

    @property
    def first(self):
        return self.node.a


@dataclasses.dataclass
class Settings:
    a: object = None
    b: object = None
    c: object = None
"""


@dataclass
class Program:
    """A program and its config.

    Attributes:
        config: the run config's content.
        statements: of the body of `main`, each with its lines.
    """

    config: dict[str, Any]
    statements: list[list[str]] = field(default_factory=list)

    def without(self, line: int) -> Program:
        """The program without the statement that has a line of the module."""
        first = self.source().splitlines().index("    c = cfg.run") + 2
        kept, number = [], first
        for statement in self.statements:
            if not number <= line < number + len(statement):
                kept.append(statement)
            number += len(statement)
        return Program(self.config, kept)

    def whole_config(self) -> dict[str, Any]:
        """The config as Hydra composes it."""
        return {"trial_mode": False, "results_dir": "results", "wandb": {"entity": "e", "project": "p"}, "run": self.config}

    def source(self) -> str:
        """The text of the module."""
        body = "\n".join(
            f"    {line}"
            for line in ["out = []", "c = cfg.run", *(line for statement in self.statements for line in statement), "return out"]
        )
        head = '\n\n@hydra.main(version_base="1.3", config_path="../config", config_name="config")\ndef main(cfg):\n'
        return f'{HELPERS}{head}{body}\n\n\nif __name__ == "__main__":\n    main()\n'


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """A config of up to three levels; every leaf number is there once."""
    numbers = iter(range(FIRST, FIRST + 200))

    def leaf(depth: int) -> Any:
        kind = draw(st.integers(0, 11))
        if kind == 0:
            return None
        if kind == 1:
            return "???"
        if kind == 2:
            return [next(numbers), next(numbers)]
        if kind == 3:
            return f"text-{next(numbers)}"
        if kind == 4:
            return "${run.a}"
        if kind == 5:
            return draw(st.booleans())
        return next(numbers)

    def mapping(depth: int) -> dict[str, Any]:
        names = draw(st.lists(st.sampled_from(KEYS), min_size=0 if depth else 2, max_size=4, unique=True))
        return {name: mapping(depth + 1) if depth < 2 and draw(st.integers(0, 2)) == 0 else leaf(depth) for name in names}

    config = mapping(0)
    if isinstance(config.get("a"), str) and "${" in config["a"]:
        config["a"] = next(numbers)
    return {"run_id": "a", **config}


class _Writer:
    """Writes statements.

    Args:
        draw: of hypothesis.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.names = ["c"]
        self.count = 0

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def key(self) -> str:
        return self.one_of(*NAMES)

    def fresh(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def literal(self) -> str:
        key = self.key()
        return self.one_of("1", "2.5", "'text'", "None", "True", "{}", f"{{'{key}': 3}}", f"{{'{key}': {{'b': 4}}}}", "[1, 2]")

    def condition(self) -> str:
        node, key = self.expression(1), self.key()
        return self.one_of(
            f"'{key}' in {node}",
            f"'{key}' not in {node}",
            f"hasattr({node}, '{key}')",
            f"{node}.get('{key}') is None",
            f"{node}.get('{key}')",
            f"isinstance({node}, dict)",
            f"isinstance({node}, DictConfig)",
            f"isinstance({node}, (dict, DictConfig))",
            f"isinstance({node}, str)",
            f"OmegaConf.is_config({node})",
            f"OmegaConf.is_missing({node}, '{key}')",
            f"{node}",
            f"not {node}",
            "time.time() > 0",
            "time.time() < 0",
            f"getattr({node}, '{key}', None) is not None",
            f"len({node}) > 1",
        )

    def expression(self, depth: int = 0) -> str:
        """An expression that may give a mapping, or anything."""
        if depth > 2 or self.draw(st.integers(0, 2)) == 0:
            return self.one_of(*self.names)
        node, key, other = self.expression(depth + 1), self.key(), self.key()
        forms: tuple[Callable[[], str], ...] = (
            lambda: f"{node}.{key}",
            lambda: f"{node}.{key}",
            lambda: f"{node}['{key}']",
            lambda: f"{node}['{key}']",
            lambda: f"{node}.get('{key}')",
            lambda: f"{node}.get('{key}', {self.literal()})",
            lambda: f"getattr({node}, '{key}')",
            lambda: f"getattr({node}, '{key}', {self.literal()})",
            lambda: f"OmegaConf.select({node}, '{key}')",
            lambda: f"OmegaConf.select({node}, '{key}.{other}', default={self.literal()})",
            lambda: f"OmegaConf.to_container({node})",
            lambda: f"OmegaConf.to_container({node}, resolve=True)",
            lambda: f"dict({node})",
            lambda: f"dict({node}, {other if other != 'items' else 'b'}=5)",
            lambda: f"{{**{node}}}",
            lambda: f"{{**{node}, '{key}': 6}}",
            lambda: f"{{'{key}': 7, **{node}}}",
            lambda: f"({node} or {{}})",
            lambda: f"({node} or {{'{key}': 8}})",
            lambda: f"({node} and {node}.{key})",
            lambda: f"(dict({node}) | {{'{key}': 9}})",
            lambda: f"({{'{key}': 10}} | dict({node}))",
            lambda: f"OmegaConf.merge({node}, {{'{key}': 11}})",
            lambda: f"OmegaConf.merge({{'{key}': 12}}, {node})",
            lambda: f"OmegaConf.merge({node}, {self.one_of(*self.names)})",
            lambda: f"OmegaConf.create({node})",
            lambda: f"OmegaConf.create({{'{key}': {node}}})",
            lambda: f"copy.copy({node})",
            lambda: f"copy.deepcopy({node})",
            lambda: f"{node}.copy()",
            lambda: f"{{k: v for k, v in {node}.items()}}",
            lambda: f"{{k: v for k, v in {node}.items() if k != '{key}'}}",
            lambda: f"{{k: {node}[k] for k in {node}}}",
            lambda: f"{{k: {node}[k] for k in ('{key}', '{other}') if k in {node}}}",
            lambda: f"vars(SimpleNamespace(**{node}))",
            lambda: f"SimpleNamespace(**{node})",
            lambda: f"ChainMap({{'{key}': 13}}, {node})",
            lambda: f"OrderedDict({node})",
            lambda: f"identity({node})",
            lambda: f"pick({node}, '{key}')",
            lambda: f"deep({node})",
            lambda: f"fallback({node}, '{key}', {self.literal()})",
            lambda: f"twice(lambda n: n.{key}, {node})",
            lambda: f"functools.partial(pick, {node})('{key}')",
            lambda: f"functools.partial(pick, key='{key}')({node})",
            lambda: f"attrgetter('{key}')({node})",
            lambda: f"attrgetter('{key}.{other}')({node})",
            lambda: f"itemgetter('{key}')({node})",
            lambda: f"Holder({node}).read('{key}')",
            lambda: f"Holder({node}).first",
            lambda: f"Settings(**{{k: v for k, v in {node}.items() if k in ('a', 'b', 'c')}}).a",
            lambda: f"spread(**{node})",
            lambda: f"({node} if {self.condition()} else {self.expression(depth + 1)})",
            lambda: f"[{node}, {self.expression(depth + 1)}][{self.one_of(0, 1, -1)}]",
            lambda: f"list({node}.values())[0]",
            lambda: f"next(iter({node}.values()), None)",
            lambda: f"sorted({node})[0]",
            lambda: f"[v for v in {node}.values()]",
            lambda: f"({self.fresh_walrus()} := {node})",
        )
        return self.draw(st.sampled_from(forms))()

    def fresh_walrus(self) -> str:
        name = self.fresh()
        self.names.append(name)
        return name

    def statement(self, depth: int = 0) -> list[str]:
        node, key = self.expression(1), self.key()
        name = self.one_of(*self.names)
        simple: tuple[Callable[[], list[str]], ...] = (
            self.assignment,
            self.assignment,
            lambda: [f"out.append({self.expression()})"],
            lambda: [f"out.append({self.expression()})"],
            lambda: [f"out.append({node}.{key})"],
            lambda: [f"out.append({node}['{key}'])"],
            lambda: [f"out.append({name}.{key})"],
            lambda: [f"{name}.{key if key != 'items' else 'lr'} = {self.literal()}"],
            lambda: [f"{name}['{key}'] = {self.literal()}"],
            lambda: [f"{name}.{key if key != 'items' else 'lr'} = {node}"],
            lambda: [f"setattr({name}, '{key}', {self.literal()})"],
            lambda: [f"OmegaConf.update({name}, '{key}', {self.literal()})"],
            lambda: [f"OmegaConf.update({name}, '{key}.{self.key()}', {self.literal()}, force_add={self.one_of(True, False)})"],
            lambda: [f"OmegaConf.set_struct({name}, {self.one_of(True, False)})"],
            lambda: [f"with open_dict({name}):", f"    {name}.{key if key != 'items' else 'lr'} = {self.literal()}"],
            lambda: [f"{name}.update({{'{key}': {self.literal()}}})"],
            lambda: [f"{name}.setdefault('{key}', {self.literal()})"],
            lambda: [f"{name}.pop('{key}')"],
            lambda: [f"{name}.pop('{key}', None)"],
            lambda: [f"del {name}['{key}']"],
            lambda: [f"{name}.merge_with({{'{key}': {self.literal()}}})"],
            lambda: [f"{name} |= {{'{key}': 14}}"],
        )
        if depth >= 2 or self.draw(st.integers(0, 3)):
            return self.draw(st.sampled_from(simple))()
        blocks: tuple[Callable[[], list[str]], ...] = (
            lambda: [f"if {self.condition()}:", *self.block(depth)],
            lambda: [f"if {self.condition()}:", *self.block(depth), "else:", *self.block(depth)],
            lambda: [f"for k in {node}:", "    out.append(k)", *self.block(depth)],
            lambda: [f"for k in ('{key}', '{self.key()}'):", f"    out.append({name}[k])"],
            lambda: [f"for k in ('{key}', '{self.key()}'):", f"    out.append(getattr({name}, k))"],
            lambda: [f"for k, v in {node}.items():", "    out.append(v)"],
            lambda: [
                "try:",
                *self.block(depth),
                f"except {self.one_of('Exception', 'AttributeError', '(AttributeError, KeyError)')}:",
                "    out.append('lost')",
            ],
            lambda: [f"for _ in range({self.one_of(1, 2, 3)}):", *self.block(depth)],
            lambda: ["while True:", *self.block(depth), "    break"],
        )
        return self.draw(st.sampled_from(blocks))()

    def assignment(self) -> list[str]:
        value = self.expression()
        name = self.one_of(self.fresh(), *self.names[1:]) if len(self.names) > 1 else self.fresh()
        if name not in self.names:
            self.names.append(name)
        return [f"{name} = {value}"]

    def block(self, depth: int) -> list[str]:
        known = list(self.names)
        lines = [f"    {line}" for _ in range(self.draw(st.integers(1, 2))) for line in self.statement(depth + 1)]
        self.names = known  # what a block binds may not be bound after it
        return lines


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A program with its config."""
    writer = _Writer(draw)
    program = Program(draw(configs()))
    for _ in range(draw(st.integers(2, 7))):
        program.statements.append(writer.statement())
    try:
        compile(program.source(), "<program>", "exec")
    except SyntaxError:
        reject()  # `:=` may not stand everywhere
    return program
