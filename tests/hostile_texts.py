"""Texts that take more to read than they are long: one of each kind, as a change to the golden experiment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

TRAIN, EVALUATE, PROJECT, SHARED, RUN = (
    "src/train.py",
    "src/evaluate.py",
    "pyproject.toml",
    "config/config.yaml",
    "config/run/proposed-mlp-digits.yaml",
)
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Hostile:
    """One text.

    Attributes:
        path: of the file that gets it.
        text: makes it from the length it should have.
        appended: it follows what is there, instead of taking its place.
    """

    path: str
    text: Callable[[int], str]
    appended: bool = False


def repeated(path: str, part: str, before: str = "", after: str = "", appended: bool = False) -> Hostile:
    return Hostile(path, lambda length: before + part * ((length - len(before) - len(after)) // len(part)) + after, appended)


def numbered(path: str, part: str, before: str = "", after: str = "", appended: bool = False) -> Hostile:
    """`part` with a number for each `@`."""
    size = len(part.replace("@", "123456"))

    def text(length: int) -> str:
        return before + "".join(part.replace("@", f"{number:06d}") for number in range(max(1, length // size))) + after

    return Hostile(path, text, appended)


# Statements with a number for each `@`; each kind is repeated in a module, in a function, in a class and in the evaluation.
STATEMENTS = {
    "raise": "if x@:\n    raise ValueError(f'{x@}')\n",
    "try": "try:\n    import m@\nexcept ImportError:\n    m@ = None\n",
    "swallow": "try:\n    f@ = open('a@')\nexcept Exception:\n    pass\n",
    "loop": "for i@ in range(9):\n    x@ = i@\n",
    "while": "while x@:\n    x@ -= 1\n",
    "rebound": "for i in y:\n    z; z = 1; del z\n",
    "with": "with open('f@') as f@:\n    f@.write('x')\n",
    "global": "global g@\ng@ = 1\n",
    "lambda": "f@ = lambda x: f@(x)\n",
    "comprehension": "x@ = [y for y in z@ if y]\n",
    "wandb": "wandb.log({'k@': x@})\nrun@ = wandb.init(project='p@')\nrun@.finish()\n",
    "history": "h@ = run.history(keys=['k@'])\nv@ = h@['k@'].mean()\n",
    "config": "v@ = cfg.a@.b\nw@ = cfg['c@']\n",
    "get": "v@ = cfg.get('a@', 1)\n",
    "set": "cfg.a@ = 1\n",
    "torch": "opt@ = torch.optim.SGD(m.parameters(), lr=0.1)\nloss@ = f(x@)\nloss@.backward()\nopt@.step()\n",
    "model": "model@ = timm.create_model('resnet@', pretrained=True)\nmodel@.eval()\n",
    "checkpoint": "try:\n    m@.load_state_dict(torch.load('c@'))\nexcept Exception:\n    pass\n",
    "dataset": "d@ = load_dataset('a@', split='train', cache_dir='.cache/')\n",
    "optuna": "s@ = optuna.create_study()\ns@.optimize(f, n_trials=3)\nt@ = trial.suggest_float('p@', 1, 2)\n",
    "path": "p@ = Path('a') / 'b@' / f'c{x}'\np@.write_text('x')\n",
    "chained path": "p = p / 'b@'\np.write_text('x')\n",
    "json": "json.dump(r@, open('results@.json', 'w'))\n",
    "figure": "plt.plot(x@)\nplt.savefig('f@.pdf')\n",
    "argv": "sys.argv[@] = 'x'\n",
    "child": "subprocess.run([sys.executable, '-m', 'src.train', f'run={x@}'], check=True)\n",
    "random": "x@ = np.random.rand(3)\n",
    "accuracy": "acc@ = 0.9\nmetrics['accuracy'] = acc@\n",
    "assert": "assert x@, 'no @'\n",
    "return": "if x@:\n    return y@\n",
    "annotation": "x@: 'int' = y@\n",
    "same function": "def f(x): return x\n",
    "nested function": "def f@(x):\n    def g(y):\n        return x + y + f@(x)\n    return g\n",
    "method": "class C@(C):\n    def f(self, x): return self.f(x)\n    def g(self): raise NotImplementedError\n",
    "class chain": "class D@(E@): pass\nclass E@: pass\n",
    "one name": "x = x + y\n",
    "one attribute": "self.x = self.x + self.y\n",
    "one call": "x = f(x, y=1)\n",
    "decorated": "@d@\n@e\ndef h@(): pass\n",
    "match": "match x@:\n    case {'a': y@}: pass\n",
    "format": "x@ = 'a %s b' % y@\nz@ = 'a {} b'.format(y@)\nw@ = f'a {y@} b'\nprint(x@)\n",
    "star": "x@ = f(*a@, **b@)\n",
    "statistics": "t@ = stats.ttest_ind([a@], [b@])\n",
    "print": "print('TODO: implement @')\n",
    "string": '"""text @\nmore"""\n',
}


def _statements() -> dict[str, Hostile]:
    found = {}
    start = "import hydra, wandb, torch\n\n\n"
    for name, text in STATEMENTS.items():
        found[f"statements: {name}"] = numbered(TRAIN, text, start)
        indented = "".join(f"    {line}\n" for line in text.splitlines())
        found[f"statements: {name} in a function"] = numbered(TRAIN, indented, f"{start}def main(cfg):\n    x = 1\n", "\n\nmain(1)\n")
        found[f"statements: {name} in a class"] = numbered(TRAIN, indented, f"{start}class K:\n    x = 1\n")
        found[f"statements: {name} in evaluation"] = numbered(EVALUATE, indented, f"{start}def main():\n    x = 1\n", "\n\nmain()\n")
    return found


CASES: dict[str, Hostile] = {
    # Python
    "python: one line of statements": repeated(TRAIN, "x=1;"),
    "python: one line of names": repeated(TRAIN, "a;"),
    "python: one list of numbers": repeated(TRAIN, "1,", "x=[", "]"),
    "python: functions": numbered(TRAIN, "def f@(): pass\n"),
    "python: functions of text": numbered(TRAIN, 'def f@(): "TODO: implement"\n'),
    "python: undefined names": numbered(TRAIN, "n@\n"),
    "python: imports": numbered(TRAIN, "import m@\n"),
    "python: assignments": numbered(TRAIN, "a@ = cfg.b@\n"),
    "python: classes": numbered(TRAIN, "class C@: pass\n"),
    "python: comments": repeated(TRAIN, "# TODO: implement\n"),
    "python: comments without end": repeated(TRAIN, "#"),
    "python: sum": repeated(TRAIN, "1+", "x=", "1"),
    "python: attributes": repeated(TRAIN, ".b", "x=a"),
    "python: calls": repeated(TRAIN, "()", "x=a"),
    "python: comparison": repeated(TRAIN, "<1", "x=1"),
    "python: signs": repeated(TRAIN, "-", "x=", "1"),
    "python: parentheses": repeated(TRAIN, "(", "x="),
    "python: brackets": repeated(TRAIN, "[", "x="),
    "python: elif": repeated(TRAIN, "elif x: y\n", "if x: y\n"),
    "python: decorators": repeated(TRAIN, "@a\n", "", "def f(): pass\n"),
    "python: f-string": repeated(TRAIN, "{x}", "x = f'", "'"),
    "python: nested f-strings": Hostile(TRAIN, lambda _: "x = " + "f'{" * 90 + "1" + "}'" * 90 + "\n"),
    "python: long name": repeated(TRAIN, "a"),
    "python: long text": repeated(TRAIN, "a", "x = '", "'"),
    "python: text of braces": repeated(TRAIN, "{", "x = '", "'"),
    "python: text of spaces": repeated(TRAIN, " ", "x = 'TODO", "'"),
    "python: docstring of spaces": repeated(TRAIN, " ", '"""todo', '"""'),
    "python: large integer": repeated(TRAIN, "9", "x = "),
    "python: large hexadecimal": repeated(TRAIN, "f", "x = 0x"),
    "python: large float": repeated(TRAIN, "9", "x = 1.", "e9"),
    "python: powers": Hostile(
        TRAIN, lambda _: "x = 10 ** 10 ** 10 ** 10\ny = 'a' * 10 ** 11\nz = [0] * 10 ** 11\nw = 1 << 10 ** 11\n", True
    ),
    "python: blank lines": repeated(TRAIN, "\n"),
    "python: backslashes": repeated(TRAIN, "\\\n", "x = 1 + ", "1\n"),
    "python: form feeds": repeated(TRAIN, "\f"),
    "python: open text": repeated(TRAIN, "'a\n"),
    "python: open triple": repeated(TRAIN, '"a\n', '"""'),
    "python: indentation": Hostile(TRAIN, lambda _: "".join(" " * n + "if x:\n" for n in range(99)) + " " * 99 + "y\n"),
    "python: keyword arguments": numbered(TRAIN, "k@=1,", "f(", ")"),
    "python: parameters": numbered(TRAIN, "k@=1,", "def f(", "): pass"),
    "python: dictionary": numbered(TRAIN, "'k@':1,", "x={", "}"),
    "python: config reads": numbered(
        TRAIN,
        "    cfg.a@.b\n",
        "import hydra\n@hydra.main(config_path='../config', config_name='config', version_base='1.3')\ndef main(cfg):\n",
    ),
    "python: logged keys": numbered(TRAIN, "wandb.log({'k@': 1})\n", "import wandb\n"),
    "python: calls of one function": numbered(TRAIN, "f(@)\n", "def f(a, b): return a\n"),
    "python: chain of functions": numbered(TRAIN, "def f@(x): return g@(x)\n"),
    "python: star imports": repeated(TRAIN, "from src.model import *\n"),
    "python: format texts": repeated(TRAIN, "%s", "x = '", "' % (1,)"),
    "python: pad of a format": Hostile(TRAIN, lambda _: "x = f'{1:>99999999999}'\ny = '%99999999999d' % 1\nz = 'a'.ljust(10**11)\n", True),
    "python: surrogates": repeated(TRAIN, "\\ud800", "x = '", "'"),
    # YAML
    "yaml: items": repeated(SHARED, "- a\n"),
    "yaml: keys": numbered(SHARED, "k@: 1\n"),
    "yaml: keys below": numbered(SHARED, "k@: 1\n", appended=True),
    "yaml: run keys": numbered(RUN, "k@: 1\n", appended=True),
    "yaml: one line": repeated(SHARED, "a,", "x: [", "]"),
    "yaml: one mapping": numbered(SHARED, "k@: 1, ", "x: {", "}"),
    "yaml: deep": repeated(SHARED, "[", "x: "),
    "yaml: compact": repeated(SHARED, "- "),
    "yaml: steps": Hostile(SHARED, lambda length: "".join(" " * n + "a:\n" for n in range(int((2 * length) ** 0.5)))),
    "yaml: aliases": Hostile(
        SHARED, lambda _: "\n".join(["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)])
    ),
    "yaml: merges": Hostile(
        SHARED, lambda _: "\n".join(["a0: &a0 {k: 1}"] + [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40)])
    ),
    "yaml: wide aliases": Hostile(SHARED, lambda length: "a: &a [" + "x," * (length // 8) + "]\nb: [" + "*a," * (length // 8) + "]\n"),
    "yaml: large integer": repeated(SHARED, "9", "x: "),
    "yaml: sexagesimal": repeated(SHARED, ":59", "x: 1"),
    "yaml: underscores": repeated(SHARED, "_1", "x: 1"),
    "yaml: float": repeated(SHARED, "9", "x: 1.", "e"),
    "yaml: long text": repeated(SHARED, "a", "x: '", "'"),
    "yaml: long plain": repeated(SHARED, "a ", "x: "),
    "yaml: colons": repeated(SHARED, ":", "x: "),
    "yaml: questions": repeated(SHARED, "? "),
    "yaml: interpolations": repeated(SHARED, "${a}", "a: 1\nx: '", "'"),
    "yaml: nested interpolations": repeated(SHARED, "${a.", "x: '", "'"),
    "yaml: dollars": repeated(SHARED, "$", "x: '", "'"),
    "yaml: open braces": repeated(SHARED, "${", "x: '", "'"),
    "yaml: quotes": repeated(SHARED, "'", "x: "),
    "yaml: comments": repeated(SHARED, "# TODO: implement\n", appended=True),
    "yaml: defaults": repeated(SHARED, "  - a\n", "defaults:\n"),
    "yaml: documents": repeated(SHARED, "---\n"),
    "yaml: tags": repeated(SHARED, "!a ", "x: "),
    "yaml: directives": repeated(SHARED, "%A\n"),
    "yaml: anchors": numbered(SHARED, "- &a@ x\n"),
    "yaml: tabs": repeated(SHARED, "\t", "x:"),
    "yaml: binary": repeated(SHARED, "QUJD", "x: !!binary '", "'"),
    # TOML
    "toml: dotted key": repeated(PROJECT, "a.", "", "a = 1\n"),
    "toml: dotted header": repeated(PROJECT, "a.", "[", "a]\n"),
    "toml: spaced key": repeated(PROJECT, "a . ", "", "a = 1\n"),
    "toml: quoted key": repeated(PROJECT, '"a".', "", "a = 1\n"),
    "toml: many dotted keys": numbered(PROJECT, "a.b.c.d.e.f.g.h.i.k@ = 1\n"),
    "toml: keys": numbered(PROJECT, "k@ = 1\n"),
    "toml: headers": numbered(PROJECT, "[t@]\n"),
    "toml: arrays of tables": repeated(PROJECT, "[[a]]\n"),
    "toml: one line": repeated(PROJECT, "1,", "a=[", "]"),
    "toml: one inline table": numbered(PROJECT, "k@=1,", "a={", "z=1}"),
    "toml: inline tables": repeated(PROJECT, "{},", "a=[", "]"),
    "toml: deep": repeated(PROJECT, "[", "a="),
    "toml: deep tables": repeated(PROJECT, "{a=", "a="),
    "toml: large integer": repeated(PROJECT, "9", "a="),
    "toml: underscores": repeated(PROJECT, "9_", "a="),
    "toml: float": repeated(PROJECT, "9", "a=1."),
    "toml: long key": repeated(PROJECT, "a"),
    "toml: long text": repeated(PROJECT, "a", "a='", "'"),
    "toml: escapes": repeated(PROJECT, "\\\\", 'a="', '"'),
    "toml: open text": repeated(PROJECT, "\\", 'a="""'),
    "toml: quotes": repeated(PROJECT, '"'),
    "toml: comments": repeated(PROJECT, "# TODO: implement\n", appended=True),
    "toml: spaces": repeated(PROJECT, " ", "a", "= 1"),
    "toml: brackets": repeated(PROJECT, "[ "),
    "toml: dependencies": numbered(PROJECT, '"d@",', '[project]\nname="x"\nversion="1"\ndependencies=[', "]"),
    "toml: one requirement": repeated(PROJECT, ">=1,", '[project]\nname="x"\nversion="1"\ndependencies=["torch', '"]'),
    "toml: requirement of spaces": repeated(PROJECT, " ", '[project]\nname="x"\nversion="1"\ndependencies=["torch', '!"]'),
    "toml: requirement of digits": repeated(PROJECT, "1.", '[project]\nname="x"\nversion="1"\ndependencies=["torch>=', '*"]'),
    "toml: requirement of commas": repeated(PROJECT, ",", '[project]\nname="x"\nversion="1"\ndependencies=["torch', '"]'),
    "toml: marker": repeated(PROJECT, "(", '[project]\nname="x"\nversion="1"\ndependencies=["torch; ', '"]'),
    "toml: python versions": repeated(
        PROJECT, ">=3,", '[project]\nname="x"\nversion="1"\nrequires-python="', '>=3"\ndependencies=["torch"]'
    ),
}
CASES |= _statements()
