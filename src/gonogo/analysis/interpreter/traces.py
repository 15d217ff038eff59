"""From what the walk of several runs saw to the trace of each."""

from __future__ import annotations

from gonogo.analysis.interpreter.base import Process as WalkedProcess
from gonogo.analysis.interpreter.processes import Composed, GaveUp, LoadedUnnamed, LostRun, Refused, Rewrote, Started
from gonogo.analysis.interpreter.state import Event, State
from gonogo.analysis.interpreter.trace import Access, Process, Trace


def trace_of(state: State, run: int, run_id: str, command: str) -> Trace:
    """The trace of one of the runs that were walked together, by its number."""
    bit = 1 << run
    trace = Trace(run_id, command)
    processes: dict[WalkedProcess, Process] = {}
    for runs, event in state.events.entries:
        if runs & bit and not _is_of_process(event, trace, processes):
            trace.events.append(event)
    trace.used = {path for path, runs in state.used.items() if runs & bit}
    trace.used_whole = {path for path, runs in state.used_whole.items() if runs & bit}
    trace.written = {path for path, runs in state.written.items() if runs & bit}
    trace.executed = {node for node, runs in state.executed.items() if runs & bit}
    trace.unanswered = {node for node, runs in state.unanswered.items() if runs & bit}
    # Reads in functions that a library calls later, of keys that the program writes: they may be there by then.
    trace.keep(Access, lambda access: not (access.deferred and access.path in trace.written))
    return trace


def _is_of_process(event: Event, trace: Trace, processes: dict[WalkedProcess, Process]) -> bool:
    """Whether an event tells of a process, or of the walk itself; it is then kept in the trace."""
    if isinstance(event, Started):
        process = event.process
        processes[process] = Process(process.module, event.arguments, process.site, assumed=event.assumed, open=event.open)
        trace.processes.append(processes[process])
    elif isinstance(event, Composed):
        processes[event.process].compositions.append((event.site, event.composition))
    elif isinstance(event, Refused):
        processes[event.process].failing.append((event.override, event.composition))
    elif isinstance(event, LostRun):
        processes[event.process].run_lost = True
    elif isinstance(event, Rewrote):
        processes[event.process].rewrites_argv = True
    elif isinstance(event, GaveUp):
        trace.complete, trace.reason = False, event.reason
    elif isinstance(event, LoadedUnnamed):
        trace.loads_unknown = True
    else:
        return False
    return True
