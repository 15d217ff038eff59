"""REP121."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import ancestors, argument, functions, last_name, origin
from gonogo.analysis.python.pools import pool_of_processes
from gonogo.analysis.python.scopes import COMPREHENSIONS, Scopes
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

GENERATORS = frozenset({"numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.Generator", "random.Random"})
SEEDS = frozenset({"numpy.random.seed", "random.seed", "torch.manual_seed"})
HANDING = frozenset({"map", "imap", "imap_unordered", "starmap", "map_async", "starmap_async", "submit", "delayed"})
# Threads for all of a file, or generators that are seeded again in each child.
SHARED = re.compile(r"parallel_backend|parallel_config|register_at_fork")
ALIKE = frozenset({"allclose", "array_equal", "assert_allclose", "assert_array_equal", "assert_equal", "equal", "unique"})
OWN = frozenset({"jumped", "jump", "advance", "spawn", "bit_generator", "seed_seq"})
ASKING = frozenset(
    {"get", "get_nowait", "recv", "getpid", "current_process", "get_ident", "urandom", "time", "time_ns", "uuid4", "system_random"}
)
MAPPING = frozenset({"map", "imap", "imap_unordered", "starmap", "map_async", "starmap_async"})
DRAWS = frozenset(
    {
        "normal",
        "random",
        "integers",
        "choice",
        "permutation",
        "shuffle",
        "uniform",
        "standard_normal",
        "rand",
        "randn",
        "randint",
        "gauss",
        "sample",
    }
)


@dataclass(frozen=True)
class Task:
    """A function that worker processes are given many times.

    Attributes:
        call: that hands it over.
        function: of the module.
        given: what each task is given, where it is written out.
        over: what the tasks go through.
        turn: the names that differ from task to task, where they are written out.
    """

    call: ast.Call
    function: Function
    given: tuple[ast.expr, ...]
    over: ast.expr | None
    turn: frozenset[str]


@rule("REP121", "tasks-draw-alike", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def tasks_draw_alike(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """Repetitions in worker processes draw the same random numbers.

    What it does:
        Looks at functions that `multiprocessing.Pool`, `ProcessPoolExecutor` or joblib's `Parallel` with processes run many times. Speaks
        where each task is given one and the same generator, of which every process gets a copy in the same state; where a repetition over
        `range(…)` that nothing tells from the others seeds itself with one number, or draws from a generator of the module; and, as a
        warning, where a task of a pool draws from NumPy's global generator and nothing seeds it there. Threads are left alone.

    Why it matters:
        A thousand simulations, permutations or bootstrap samples are a few, many times over: the spread is too small and the p-value wrong
        (NumPy, "Parallel random number generation"; github.com/joblib/joblib issue 36; github.com/numpy/numpy issue 9650).

    Instead:
        Give each task a generator of its own: `np.random.SeedSequence(0).spawn(n)`, or `default_rng([seed, task])`.
    """
    for module in modules.values():
        if not any(last_name(call.func) in HANDING for call in module.of(ast.Call)) or SHARED.search(module.text):
            continue
        scopes = symbols.scopes(module)
        for task in _tasks(module, scopes):
            if not _is_used(module, scopes, task):
                continue
            found = _problem(module, scopes, task)
            if found is not None:
                node, problem = found
                yield Violation(
                    module.location(task.call),
                    f"the tasks draw the same numbers: {problem}",
                    "give each task a generator of its own, from `SeedSequence.spawn`",
                    related=(Related(location=module.location(node), label="made or seeded here"),),
                )
                continue
            drawn = _inherited(module, task)
            if drawn is not None:
                yield Violation(
                    module.location(drawn),
                    "worker processes that are forked draw the same numbers: each has a copy of NumPy's global generator",
                    "give each task a generator of its own, from `SeedSequence.spawn`",
                    severity=Severity.WARNING,
                    related=(Related(location=module.location(task.call), label="run in worker processes"),),
                )


def _tasks(module: Module, scopes: Scopes) -> Iterator[Task]:
    """What worker processes are given."""
    own = {entry.name: entry for entry in functions(module) if entry in (module.tree.body if module.tree else ())}
    for call in module.of(ast.Call):
        if origin(module, call.func) == "joblib.delayed" and call.args and last_name(call.args[0]) in own:
            yield from _delayed(module, own[last_name(call.args[0])], call)
        elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.attr in HANDING:
            if not _is_pool(module, scopes, call.func.value):
                continue
            name = last_name(call.args[0]) if call.args else ""
            if name in own and call.func.attr in MAPPING and len(call.args) > 1:
                yield Task(call, own[name], (), call.args[1], frozenset())
            elif name in own and call.func.attr == "submit" and (around := _comprehension(module, call)):
                yield Task(call, own[name], tuple(call.args[1:]), *around)


def _is_pool(module: Module, scopes: Scopes, name: ast.Name) -> bool:
    """Whether a name is a pool of processes that has no initializer and more than one worker."""
    made = pool_of_processes(module, scopes, name)
    workers = argument(made, 0, "processes", "max_workers") if made is not None else None
    return made is not None and argument(made, 1, "initializer") is None and not (isinstance(workers, ast.Constant) and workers.value == 1)


def _is_used(module: Module, scopes: Scopes, task: Task) -> bool:
    """Whether what the tasks give goes anywhere but into a test that it is alike.

    A measurement of time throws it away.
    """
    node: ast.AST = task.call
    for parent in ancestors(module, task.call):
        if isinstance(parent, ast.stmt):
            node = parent
            break
    if isinstance(node, (ast.Expr, ast.Assert)):
        return isinstance(node, ast.Expr) and node.value is not task.call and not _is_thrown_away(node.value)
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    if not isinstance(target, ast.Name):
        return True
    home = scopes.lookup(target.id, target)
    uses = [use for use in module.named.get(target.id, ()) if use is not target and scopes.lookup(use.id, use) == home]
    alike = [
        use
        for use in uses
        if any(
            isinstance(parent, ast.Assert)
            or (isinstance(parent, ast.Compare) and isinstance(parent.ops[0], (ast.Eq, ast.NotEq)))
            or last_name(getattr(parent, "func", parent)) in ALIKE
            for parent in ancestors(module, use)
        )
    ]
    return bool(uses) and not alike


def _is_thrown_away(node: ast.expr) -> bool:
    """`list(pool.map(…))` and `Parallel(…)(…)` as a whole statement."""
    return isinstance(node, ast.Call) and (last_name(node.func) == "list" or isinstance(node.func, ast.Call))


def _delayed(module: Module, function: Function, delayed: ast.Call) -> Iterator[Task]:
    """`Parallel(n_jobs=4)(delayed(f)(x, rng) for _ in range(n))`, with processes."""
    call = module.parents.get(delayed)
    if not (isinstance(call, ast.Call) and call.func is delayed):
        return
    around = _comprehension(module, call)
    outer = next((entry for entry in ancestors(module, call) if isinstance(entry, ast.Call)), None)
    made = outer.func if outer is not None else None
    if around is None or not isinstance(made, ast.Call) or origin(module, made.func) != "joblib.Parallel":
        return
    jobs = argument(made, 0, "n_jobs")
    if jobs is None or (isinstance(jobs, ast.Constant) and jobs.value in (1, None)):
        return
    if any(entry.arg in ("backend", "prefer", "require", None) for entry in made.keywords):
        return
    yield Task(call, function, (*call.args, *(entry.value for entry in call.keywords)), *around)


def _comprehension(module: Module, call: ast.Call) -> tuple[ast.expr, frozenset[str]] | None:
    around = module.parents.get(call)
    if isinstance(around, COMPREHENSIONS) and not isinstance(around, ast.DictComp) and len(around.generators) == 1:
        turn = around.generators[0]
        return turn.iter, frozenset(entry.id for entry in ast.walk(turn.target) if isinstance(entry, ast.Name))
    return None


def _problem(module: Module, scopes: Scopes, task: Task) -> tuple[ast.AST, str] | None:
    for entry in task.given:
        if isinstance(entry, ast.Name) and entry.id not in task.turn and (made := _generator(module, scopes, entry)) is not None:
            return (made, "each process gets a copy of one generator") if not _makes_its_own(task) else None
    if not _repeats(module, task):
        return None
    seeds = _seeds(module, task.function)
    if seeds:
        alike = all(len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and type(call.args[0].value) is int for call in seeds)
        return (seeds[0], "each seeds itself with the same number") if alike and not _asks(task.function) else None
    for draw in ast.walk(task.function):
        if (
            isinstance(draw, ast.Call)
            and isinstance(draw.func, ast.Attribute)
            and draw.func.attr in DRAWS
            and isinstance(draw.func.value, ast.Name)
        ):
            found = scopes.lookup(draw.func.value.id, draw.func.value)
            if found is not None and isinstance(found[0], ast.Module) and (made := _generator(module, scopes, draw.func.value)) is not None:
                return made, "each process has a copy of the module's generator"
    return None


def _inherited(module: Module, task: Task) -> ast.Call | None:
    """A draw from NumPy's global generator in a task of a pool.

    In the function itself or in one of the file that it calls.

    None where anything of it seeds, or where processes may be started afresh.
    """
    if "spawn" in module.text or "forkserver" in module.text or last_name(task.call.func) == "delayed":
        return None
    own = {entry.name: entry for entry in functions(module)}
    called = {last_name(call.func) for call in ast.walk(task.function) if isinstance(call, ast.Call)}
    bodies = [task.function, *(own[name] for name in sorted(called & set(own)) if own[name] is not task.function)]
    if any(_seeds(module, body) for body in bodies):
        return None
    for body in bodies:
        for call in ast.walk(body):
            if isinstance(call, ast.Call) and origin(module, call.func) in {f"numpy.random.{name}" for name in DRAWS}:
                return call
    return None


def _makes_its_own(task: Task) -> bool:
    """Whether a task makes a generator of its own out of what it is given.

    It jumps ahead, spawns, or binds the name anew.
    """
    names = {entry.arg for entry in (*task.function.args.posonlyargs, *task.function.args.args, *task.function.args.kwonlyargs)}
    return any(
        (isinstance(node, ast.Attribute) and node.attr in OWN)
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in names)
        for node in ast.walk(task.function)
    )


def _asks(function: Function) -> bool:
    """Whether a task learns elsewhere what it is to do: of a queue, or of who it is."""
    return any(isinstance(node, ast.Call) and last_name(node.func) in ASKING for node in ast.walk(function))


def _generator(module: Module, scopes: Scopes, name: ast.Name) -> ast.AST | None:
    """The assignment that makes a name a generator, if it is the only one."""
    found = scopes.lookup(name.id, name)
    if found is None or len(found[1]) != 1:
        return None
    made = module.parents.get(found[1][0])
    is_made = isinstance(made, ast.Assign) and isinstance(made.value, ast.Call) and origin(module, made.value.func) in GENERATORS
    return made if is_made else None


def _repeats(module: Module, task: Task) -> bool:
    """Whether the tasks are repetitions: they go through a range, and none of them asks which one it is."""
    if not (isinstance(task.over, ast.Call) and last_name(task.over.func) == "range"):
        return False
    if task.turn:
        return not any(isinstance(inner, ast.Name) and inner.id in task.turn for entry in task.given for inner in ast.walk(entry))
    given = task.function.args
    names = [entry.arg for entry in (*given.posonlyargs, *given.args)]
    used = {inner.id for inner in ast.walk(task.function) if isinstance(inner, ast.Name)}
    return len(names) == 1 and names[0] not in used


def _seeds(module: Module, function: Function) -> list[ast.Call]:
    calls = [inner for inner in ast.walk(function) if isinstance(inner, ast.Call)]
    return [call for call in calls if origin(module, call.func) in SEEDS | GENERATORS or "seed" in last_name(call.func).lower()]


PROGRAM = """import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from joblib import Parallel, delayed

shared = np.random.default_rng(0)


def draw(number, rng):
    return rng.normal(size=number).mean()


def fixed(task):
    rng = np.random.default_rng(42)
    return rng.normal(size=100).mean()


def told(task):
    rng = np.random.default_rng([42, task])
    return rng.normal(size=100).mean()


def common(task):
    return shared.normal(size=100).mean()


def walk(task):
    return np.random.normal(size=task).sum()


def legacy(task):
    np.random.seed(1)
    return np.random.normal(size=100).mean()


if __name__ == "__main__":
    {run}
    print(np.std(means))
"""
HERE = "  # <- here"
POOL = "with multiprocessing.Pool(4) as pool:\n        means = pool.map({name}, {over})"
BAD = [
    program(PROGRAM.format(run=f"means = Parallel(n_jobs=4)(delayed(draw)(100, shared) for _ in range(50)){HERE}")),
    program(PROGRAM.format(run=POOL.format(name="fixed", over="range(50)") + HERE)),
    program(PROGRAM.format(run=POOL.format(name="legacy", over="range(50)") + HERE)),
    program(PROGRAM.format(run=POOL.format(name="common", over="range(50)") + HERE)),
    program(PROGRAM.format(run=POOL.format(name="walk", over="[100] * 50")).replace("size=task).sum()", f"size=task).sum(){HERE}")),
    program(PROGRAM.format(run=f"means = Parallel(n_jobs=-1, verbose=1)(delayed(common)(3) for _ in range(50)){HERE}")),
    program(
        PROGRAM.format(
            run="with ProcessPoolExecutor() as pool:\n"
            f"        futures = [pool.submit(draw, 100, shared) for _ in range(9)]{HERE}\n"
            "        means = [entry.result() for entry in futures]"
        )
    ),
]
GOOD = [
    program(PROGRAM.format(run=POOL.format(name="walk", over="[100] * 50")).replace("Pool(4)", 'get_context("spawn").Pool(4)')),
    program(PROGRAM.format(run="means = [walk(100) for _ in range(50)]")),
    program(PROGRAM.format(run="means = Parallel(n_jobs=4)(delayed(draw)(100, rng) for rng in shared.spawn(50))")),
    program(PROGRAM.format(run='means = Parallel(n_jobs=4, prefer="threads")(delayed(draw)(100, shared) for _ in range(50))')),
    program(PROGRAM.format(run="means = Parallel(n_jobs=1)(delayed(draw)(100, shared) for _ in range(50))")),
    program(PROGRAM.format(run=POOL.format(name="told", over="range(50)"))),
    program(PROGRAM.format(run=POOL.format(name="fixed", over='["a.npy", "b.npy"]'))),
    program(PROGRAM.format(run="means = [draw(100, shared) for _ in range(50)]")),
]
