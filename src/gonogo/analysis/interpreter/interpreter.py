"""The interpreter: state, tables and strategies put together.

It walks the code as Python would run it, for all runs at once. What values do is in `values/`, what syntax does in `language/`, what
libraries do in `library/`. How configs come into being, how child processes are started and what counts as doubt are given to it.
"""

from __future__ import annotations

import ast
import builtins
import functools
from collections.abc import Callable, Mapping

from gonogo.analysis.interpreter.base import UNKNOWN, Children, Frame, FunctionNode, Hydra, Process, Value
from gonogo.analysis.interpreter.language.expressions import look_up, other
from gonogo.analysis.interpreter.language.functions import run_function
from gonogo.analysis.interpreter.language.tables import EXPRESSIONS
from gonogo.analysis.interpreter.library.registry import Library
from gonogo.analysis.interpreter.memory import Alternatives, Ledger, Memory
from gonogo.analysis.interpreter.modules import MAIN, LoadedModules, Program
from gonogo.analysis.interpreter.processes import Rewrote
from gonogo.analysis.interpreter.sentinels import ABSENT, Absent
from gonogo.analysis.interpreter.state import MAX_STEPS, ExhaustedError, State
from gonogo.analysis.interpreter.values.builtin import Builtin
from gonogo.analysis.interpreter.values.function import Function
from gonogo.analysis.interpreter.values.objects import Instance
from gonogo.analysis.interpreter.values.outside import Outside
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled, vary
from gonogo.analysis.python.modules import Module

PLAIN = (str, int, float, bool, type(None), bytes)


class Interpreter:
    """Walks runs of an experiment, all of them at once.

    Args:
        program: the experiment's code and files.
        library: what is known of libraries.
        runs: how many there are.
        hydra: makes what says how configs come into being.
        children: makes what says how child processes are started.
        doubts_branches: whether code that a condition may skip is code for other runs than these.
        uploaded: by id, the run configs of the runs that an evaluation may fetch from the tracker.
        meets_cases: see `State`.
        reads_data: JSON and TOML files of the experiment are read as they are.
    """

    process: Process

    def __init__(
        self,
        program: Program,
        library: Library,
        runs: int,
        hydra: Callable[[Interpreter], Hydra],
        children: Callable[[Interpreter], Children],
        doubts_branches: bool = False,
        uploaded: Mapping[str, object] | None = None,
        meets_cases: bool = False,
        reads_data: bool = False,
    ) -> None:
        self.memory = Memory(runs, vary)
        self.state = State(self.memory, doubts_branches, meets_cases)
        self.uploaded = uploaded or {}
        self.reads_data = reads_data
        self.program = program
        self.library = library
        self.modules = LoadedModules(self, program)
        self.hydra = hydra(self)
        self.children = children(self)
        self.growing = program.growing
        self.file_text = program.file_text
        self._instances: Ledger[tuple[Process, Instance]] = Ledger(self.memory)
        self._constants: dict[ast.Constant, Value] = {}
        self._outside: dict[str, Value] = {}
        self._builtins: dict[str, Value] = {}

    # -- language -----------------------------------------------------------------------------------------------------

    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        """The value of an expression."""
        kind = node.__class__
        if kind is ast.Name:  # these three are nine in ten of all expressions: not worth a detour
            name: str = node.id  # type: ignore[attr-defined]
            value = frame.locals.get(name)
            return look_up(self, name, frame) if value is None or isinstance(value, Alternatives) else value
        state = self.state
        state.steps += 1
        if state.steps > MAX_STEPS:
            raise ExhaustedError
        if kind is ast.Constant:
            found = self._constants.get(node)  # type: ignore[call-overload]
            return self._constant(node) if found is None else found  # type: ignore[arg-type]
        if kind is ast.Attribute:
            return self.evaluate(node.value, frame).member(self, node.attr, node)  # type: ignore[attr-defined]
        return EXPRESSIONS.get(kind, other)(self, node, frame)

    def _constant(self, node: ast.Constant) -> Value:
        value = node.value
        found = self._constants[node] = Scalar(value) if isinstance(value, PLAIN) else UNKNOWN
        return found

    def run_function(self, node: FunctionNode, frame: Frame) -> Value:
        """Walk a function's body and give what it returns."""
        process, state, key = self.process, self.state, id(node)
        process.active[key] = process.active.get(key, 0) + 1
        process.depth += 1
        outer, state.module = state.module, frame.module
        left = state.kept_left()
        try:
            return run_function(self, node, frame)
        finally:
            state.module = outer
            state.leave(left)
            process.depth -= 1
            process.active[key] -= 1

    def may_call_back(self, node: FunctionNode, most: int) -> bool:
        """Whether a library may call the function once more; it then counts as called."""
        called, key = self.process.called_back, id(node)
        if self.process.active.get(key, 0):
            return False
        before = called.look(key)
        times = 0 if before is ABSENT else before
        if times >= most:
            return False
        self.memory.put(called, key, times + 1)
        return True

    # -- names --------------------------------------------------------------------------------------------------------

    def builtin(self, name: str) -> Value:
        """What Python itself calls by a name, something unknown if nothing."""
        if name not in self._builtins:
            known = self.library.known(name if name == "open" else f"builtins.{name}")
            is_there = hasattr(builtins, name) and not name.startswith("_")
            self._builtins[name] = UNKNOWN if not is_there else Outside(name, known) if name == "open" else Builtin(name, known)
        return self._builtins[name]

    def outside(self, name: str) -> Value:
        """Something outside the experiment, by its dotted name."""
        if name not in self._outside:
            self._outside[name] = Outside(name, self.library.known(name))
        return self._outside[name]

    def expected(self, parameter: str) -> Value:
        """What a library gives for a parameter of this name when it calls a function of the experiment's."""
        name = self.library.parameters.get(parameter)
        return UNKNOWN if name is None else self.outside(name)

    # -- processes ----------------------------------------------------------------------------------------------------

    def set_argv(self, value: Value) -> None:
        """The program sets its own command line."""
        value = settled(value)
        self.state.record(Rewrote(self.process))
        self.memory.set(self.process, "rewrites_argv", True)
        self.memory.set(self.process, "argv", value if isinstance(value, Sequence) else Sequence(open=True))

    def made(self, instance: Value) -> None:
        """An object of a class of the experiment was made: its methods are walked at the end."""
        assert isinstance(instance, Instance)
        self._instances.add((self.process, instance))

    def run_process(self, module: Module, process: Process, then: Callable[[], None] | None = None) -> None:
        """Walk a process from its module's first line to the methods that only a framework calls.

        `then` is called between the two.
        """
        outer = getattr(self, "process", process)
        self.process = process
        try:
            with self.state.apart(), self.state.within(module):
                self.modules.load(module, MAIN)
                if then is not None:
                    then()
                self.finish_objects()
        finally:
            self.process = outer

    def finish_objects(self) -> None:
        """Walk the methods nobody was seen to call of every object made: a framework may call them."""
        memory, entries, index = self.memory, self._instances.entries, 0
        with self.state.maybe():
            while index < len(entries):  # the methods may make more
                first, alike = index, entries[index][0]
                while index < len(entries) and entries[index][0] == alike:
                    index += 1
                made = [instance for _, (process, instance) in entries[first:index] if process is self.process]
                if alike & memory.now and made:
                    memory.each([alike & memory.now], functools.partial(self._finish_all, made))

    def _finish_all(self, instances: list[Instance]) -> None:
        for instance in instances:
            for cls in instance.cls.lineage() if instance.cls is not None else ():
                for name, member in list(cls.attributes.items()):
                    if not isinstance(member, Function) or self.memory.now & ~self.state.entered.get(id(member.node), 0):
                        look = functools.partial(cls.attributes.look, name)
                        self.memory.apart(lambda look=look, instance=instance: self._finish(look(), instance))  # type: ignore[misc]

    def _finish(self, member: Value | Absent, instance: Instance) -> None:
        member = settled(member)
        if isinstance(member, Function) and "staticmethod" not in member.decorators:
            entered = self.state.entered.get(id(member.node), 0)
            if not self.memory.agree(entered):
                member.bind(instance).call_back(self)
