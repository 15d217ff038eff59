"""What the interpreter says of a value is what Python and OmegaConf say of it: each expression is evaluated by both."""

from __future__ import annotations

import pytest
from omegaconf import DictConfig, ListConfig, OmegaConf
from walked import RUN, absent, trace_of

from gonogo.compose.client import Composer

BEFORE = """
from omegaconf import ListConfig

class Base:
    limit = 3

    def __init__(self, size=2):
        self.size = size

    @staticmethod
    def doubled(number):
        return 2 * number

    @classmethod
    def named(cls, name):
        return name + "!"

    @property
    def area(self):
        return self.size * self.size

    def grow(self, by):
        return self.size + by

class Derived(Base):
    limit = 4

def several(first, *rest, last=9, **named):
    return [first, list(rest), last, sorted(named)]
"""
EXPRESSIONS = [
    # texts
    "'b' in 'abc'", "'x' in 'abc'", "'x' not in 'abc'", "'abc'[1]", "'abc'[-1]", "'abc'[1:]", "'a-b'.split('-')", "'a_b'.replace('_', '-')",
    "'Ab'.lower()", "'ab'.upper()", "'ab'.startswith('a')", "'ab'.endswith('a')", "'{}-{}'.format('a', 1)", "f'{1}-{2:03d}'", "'-'.join(['a', 'b'])",
    "'a' + 'b'", "'a' * 3", "len('abc')", "'a' < 'b'", "' a '.strip()", "'a.b'.partition('.')[2]", "str(1.5)", "'%s-%d' % ('a', 3)",
    # numbers
    "-3", "+3", "not 3", "~3", "7 // 2", "7 % 4", "2 ** 3", "7 / 2", "1 < 2 <= 2", "3 != 3", "int('4')", "float('1.5')", "bool(0)", "abs(-2)",
    "min(3, 1)", "max([1, 5, 2])", "round(2.6)", "True + True", "1 if [] else 2", "0 or 'a'", "0 and 'a'", "None is None", "1e-3",
    # sequences
    "[1, 2, 3][0]", "[1, 2, 3][-1]", "[1, 2, 3][2]", "[1, 2, 3][1:]", "(1, 2)[1]", "2 in [1, 2]", "5 in (1, 2)", "len([1, 2])", "[1] + [2]", "[0] * 3",
    "list(range(3))", "[number * 2 for number in [1, 2]]", "[number for number in [1, 2, 3] if number > 1]", "sorted([3, 1])", "sum([1, 2])",
    "list(zip([1, 2], ['a', 'b']))", "list(enumerate(['a', 'b']))", "list(reversed([1, 2]))", "any([0, 1])", "all([0, 1])", "[[1, 2], [3]][0][1]",
    # tables
    "{'a': 1}['a']", "{'a': 1}.get('b', 2)", "{'a': 1}.get('a', 2)", "'a' in {'a': 1}", "'b' in {'a': 1}", "list({'a': 1, 'b': 2})", "len({'a': 1})",
    "{**{'a': 1}, 'b': 2}['b']", "({'a': 1} | {'a': 2})['a']", "dict(a=1)['a']", "{key: value for key, value in [('a', 1)]}['a']",
    "list({'a': 1}.items())", "list({'a': 1, 'b': 2}.values())",
    # types
    "isinstance({}, dict)", "isinstance({}, list)", "isinstance([], list)", "isinstance([], (str, dict))", "isinstance('a', str)", "isinstance(1, (int, float))",
    "isinstance(1.0, int)", "isinstance(True, int)", "isinstance(None, str)", "isinstance((), tuple)", "hasattr('a', 'lower')", "hasattr('a', 'keys')",
    "callable(several)",
    # the project's own
    "Base.doubled(4)", "Base().doubled(4)", "Derived.doubled(1)", "Base.named('a')", "Derived().named('a')", "Base(5).area", "Derived().grow(1)", "Base.limit",
    "Derived.limit", "Derived().limit", "several(1, 2, 3, last=4, other=5)", "several(1)", "isinstance(Derived(), Base)", "isinstance(Base(), Derived)",
    "getattr(Base(), 'size')", "getattr(Base(), 'none', 7)", "hasattr(Base(), 'size')", "hasattr(Base(), 'none')",
    # the config
    "cfg.run.model.name", "cfg['run']['model']['width'] + 1", "cfg.run.dataset.sizes[0]", "cfg.run.dataset.sizes[-1]", "len(cfg.run.dataset.sizes)",
    "list(cfg.run.dataset.sizes)", "cfg.run.model.get('depth', 5)", "cfg.run.get('model').width", "'name' in cfg.run.model", "'depth' in cfg.run.model",
    "isinstance(cfg.run.model, dict)", "isinstance(cfg.run.model, DictConfig)", "isinstance(cfg.run.dataset.sizes, list)", "isinstance(cfg.run.model, list)",
    "isinstance(cfg.run.dataset.sizes, ListConfig)", "isinstance(cfg.run.dataset.sizes, (list, ListConfig))", "isinstance(cfg.run.dataset.sizes, tuple)",
    "sorted(cfg.run.model.keys())", "list(cfg.run.model)", "[value for value in cfg.run.dataset.sizes]", "cfg.run.training.lr * 10", "cfg.run.method == 'tent'",
    "OmegaConf.to_container(cfg.run.model)['width']", "isinstance(OmegaConf.to_container(cfg.run.model), dict)", "OmegaConf.is_config(cfg.run.model)",
    "OmegaConf.is_list(cfg.run.dataset.sizes)", "OmegaConf.select(cfg, 'run.model.width')", "OmegaConf.select(cfg, 'run.model.depth', default=3)",
    "dict(cfg.run.model)['name']", "{**cfg.run.model}['width']", "copy.deepcopy(cfg.run.model).width", "getattr(cfg.run.model, 'name')",
    "hasattr(cfg.run.model, 'name')", "hasattr(cfg.run.model, 'depth')", "cfg.run.model is cfg.run.model", "bool(cfg.run.model)", "not cfg.run.dataset.sizes",
]  # fmt: skip
#: Of these the interpreter says nothing, or not all: less than reality is allowed, anything else is not.
UNSAID = {
    "f'{1}-{2:03d}'",
    "'a' * 3",
    "'%s-%d' % ('a', 3)",
    "~3",
    "2 ** 3",
    "round(2.6)",
    "[1, 2, 3][1:]",
    "[1] + [2]",
    "[0] * 3",
    "list(range(3))",
    "[number * 2 for number in [1, 2]]",
    "[number for number in [1, 2, 3] if number > 1]",
    "sorted([3, 1])",
    "sum([1, 2])",
    "list(zip([1, 2], ['a', 'b']))",
    "list(enumerate(['a', 'b']))",
    "list(reversed([1, 2]))",
    "list({'a': 1}.items())",
    "list({'a': 1, 'b': 2}.values())",
    "callable(several)",
    "several(1, 2, 3, last=4, other=5)",
    "several(1)",
    "isinstance(Derived(), Base)",
    "isinstance(Base(), Derived)",
    "hasattr(Base(), 'none')",
    "list(cfg.run.dataset.sizes)",
    "[value for value in cfg.run.dataset.sizes]",
    "OmegaConf.is_list(cfg.run.dataset.sizes)",
}


def real(expression: str) -> object:
    """What Python and OmegaConf say."""
    import copy

    names: dict[str, object] = {"OmegaConf": OmegaConf, "DictConfig": DictConfig, "ListConfig": ListConfig, "copy": copy}
    exec(BEFORE, names)
    config = OmegaConf.create({"run": OmegaConf.create(RUN)})
    OmegaConf.set_struct(config, True)
    return eval(expression, names | {"cfg": config})


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_value_is_what_it_is_in_reality(composer: Composer, expression: str) -> None:
    expected = real(expression)
    entries = expected if isinstance(expected, (list, tuple)) else [expected]
    loop = "for each in found" if entries is expected else "for each in [found]"
    trace = trace_of(composer, f"found = {expression}\n{loop}:\n    print(cfg.run.model['is ' + str(each)])", before=BEFORE)
    said = [path.rpartition(".is ")[2] for path in absent(trace) if ".is " in path]
    if expression in UNSAID:
        assert set(said) < {str(entry) for entry in entries}
    else:
        assert said == [str(entry) for entry in entries]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("[0]", ["1"]),
        ("[1]", ["2"]),
        ("[-1]", []),
        ("[-2]", []),
        ("[2]", []),
        ("[7]", []),
        ("[-1:][0]", []),
        ("[:-1][0]", []),
        ("[1:][0]", ["2"]),
    ],
)
def test_of_a_list_with_more_in_it_only_the_front_is_known(composer: Composer, place: str, said: list[str]) -> None:
    made = "import json\nmany = [1, 2, *json.load(open('more.json'))]"
    trace = trace_of(composer, f"{made}\nprint(cfg.run.model['is ' + str(many{place})])", before=BEFORE)
    assert [path.rpartition(".is ")[2] for path in absent(trace) if ".is " in path] == said


@pytest.mark.parametrize("wrong", ["1 / 0", "'a' + 1", "int('a')", "[1][3]", "{}['a']", "-'a'", "None.a"])
def test_what_raises_is_no_value(composer: Composer, wrong: str) -> None:
    trace = trace_of(composer, f"try:\n    found = {wrong}\nexcept Exception:\n    found = 1\nprint(cfg.run.model['is ' + str(found)])")
    assert [path.rpartition(".is ")[2] for path in absent(trace) if ".is " in path] in ([], ["1"])
