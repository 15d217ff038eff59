"""The process itself: its children, what it opens to write, whom it calls, how it ends."""

from __future__ import annotations

import atexit
import functools
import os
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from .. import channel, events, hooks, places, settings
from ..watchers import stacks

MOST_FILES, MOST_HOSTS, MOST_OWN, CHAIN = 300, 50, 2000, 4
_PROBE = ("PYTHONPATH", settings.VARIABLE, channel.PIPE, "GONOGO_LABEL", stacks.FOLDER)
_ORIGINAL = "Original Traceback (most recent call last):"  # torch, of what a loader's worker raised
_REMOTE = ("RemoteTraceback", "_RemoteTraceback")  # multiprocessing, concurrent.futures and joblib, of what theirs raised
_FRAME = re.compile(r'^ *File "([^"\n]+)", line (\d+), in (\S+)', re.MULTILINE)
_PROBES = __file__.rpartition("watchers")[0]
_PRETENDS = f"{_PROBES}accelerator"  # what fails in there may be for the pretended device
_written: dict[str, None] = {}
_hosts: dict[str, None] = {}
_said_exception: BaseException | None = None


def start() -> None:
    """Watch this process."""
    channel.emit(events.Started([str(part)[:300] for part in sys.orig_argv[:40]], os.getppid(), settings.mode))
    _watch_children()
    _watch_ends()
    sys.addaudithook(_audit)
    channel.on_flush(_report)


def _watch_children() -> None:
    original = subprocess.Popen.__init__

    def __init__(self: Any, args: Any, *more: Any, **named: Any) -> None:
        environment = _watched(os.environ if named.get("env") is None else named["env"])
        if len(more) < 10:  # `env` by position, which nobody does
            named["env"] = environment
        shown = [str(part)[:300] for part in args[:40]] if isinstance(args, (list, tuple)) else str(args)[:1000]
        channel.emit(events.Child(shown, places.caller(sys._getframe(1))))
        original(self, args, *more, **named)

    subprocess.Popen.__init__ = __init__  # type: ignore[method-assign]
    hooks.when_imported("multiprocessing.util", _watch_spawned)
    for name in ("system", "execv"):
        setattr(os, name, _with_key(getattr(os, name)))
    for name in ("execve", "posix_spawn", "posix_spawnp"):
        setattr(os, name, _with_environment(getattr(os, name)))


def _watched(given: Mapping[Any, Any]) -> dict[Any, Any]:
    """An environment in which a Python is watched, also where it is none of ours."""
    environment = dict(given)
    environment.update({name: os.environ[name] for name in _PROBE if name in os.environ and name != "PYTHONPATH"})
    ours, theirs = os.environ.get("PYTHONPATH", ""), environment.get("PYTHONPATH", "")
    probe = ours.partition(os.pathsep)[0]
    if probe and probe not in theirs.split(os.pathsep):
        environment["PYTHONPATH"] = os.pathsep.join(part for part in (probe, theirs) if part)
    environment[channel.KEY] = channel.key()
    return environment


def _with_key(original: Callable[..., Any]) -> Callable[..., Any]:
    """Give the key to what takes the environment as it is: a program in this one's place, a shell."""

    @functools.wraps(original)
    def call(*arguments: Any) -> Any:
        channel.flush()
        with channel.key_in_environment():
            return original(*arguments)

    return call


def _with_environment(original: Callable[..., Any]) -> Callable[..., Any]:
    """Have what is started with an environment of its own (the third argument) watched."""

    @functools.wraps(original)
    def call(path: Any, argv: Any, env: Any, **named: Any) -> Any:
        channel.flush()
        return original(path, argv, _watched(env), **named)

    return call


def _watch_spawned(module: Any) -> None:
    """Give the key to what multiprocessing starts: it takes the environment as it is."""
    original = module.spawnv_passfds

    def spawnv_passfds(*arguments: Any) -> Any:
        with channel.key_in_environment():
            return original(*arguments)

    module.spawnv_passfds = spawnv_passfds


def _watch_ends() -> None:
    hook, thread_hook = sys.excepthook, threading.excepthook

    def excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        say_exception(error)
        hook(kind, error, traceback)

    def thread_excepthook(arguments: Any) -> None:
        if arguments.exc_value is not None:
            say_exception(arguments.exc_value, thread=True)
        thread_hook(arguments)

    sys.excepthook, threading.excepthook = excepthook, thread_excepthook
    atexit.register(_end)


def _end() -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    scale = 1 if sys.platform == "darwin" else 1024
    channel.flush()
    channel.emit(events.Ended(usage.ru_maxrss * scale, round(usage.ru_utime + usage.ru_stime, 3)))


def say_exception(error: BaseException, thread: bool = False) -> None:
    """Say how something failed: what was raised, through which lines of the experiment, and from what."""
    global _said_exception
    if error is _said_exception:
        return
    _said_exception = error
    chain: list[events.Raised] = []
    current: BaseException | None = error
    while current is not None and len(chain) < CHAIN:
        message = str(current.code) if isinstance(current, SystemExit) else str(current)
        frames, raised = places.frames(current.__traceback__), _raised_in(current.__traceback__)
        cause = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if cause is not None and type(cause).__name__ in _REMOTE:  # it was raised in another process, and its text came with it
            found = _of_worker(str(cause))
            frames, raised = frames + found[0], found[2]
            cause = cause.__cause__
        elif _ORIGINAL in message:
            found = _of_worker(message.partition(_ORIGINAL)[2])
            frames, message, raised = frames + found[0], found[1], found[2]
        own = raised == "own"
        kind = type(current)
        chain.append(events.Raised(kind.__name__, kind.__module__, message[:700], frames[-8:], own, "" if own else raised))
        current = cause
    channel.flush()
    channel.emit(events.Failed(chain, thread))


def _of_worker(text: str) -> tuple[list[tuple[str, int, str]], str, str]:
    """Parse a traceback given as text.

    Returns the experiment's own frames, what was raised last, and where, as `_raised_in` has it.
    """
    found = [(match[1], int(match[2]), match[3]) for match in _FRAME.finditer(text)]
    frames = [(path, line, function) for file, line, function in found if (path := places.relative(file)) is not None]
    after = text[[match.end() for match in _FRAME.finditer(text)][-1] :] if found else text
    told = [line for line in after.strip().strip('"').splitlines() if line and not line.startswith(" ")]
    own = bool(found) and places.relative(found[-1][0]) is not None
    message = "\n".join(told).partition(": ")[2]
    return frames, message, "own" if own or not found else f"{found[-1][0][-120:]}:{found[-1][2]}"


def _raised_in(traceback: TracebackType | None) -> str:
    """`own` where the experiment's own line raised it, else the file and the function that did.

    What the probe only passes on, such as an attribute that is not there, was raised by whoever called it.
    """
    last = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if last is None or not code.co_filename.startswith(_PROBES) or code.co_filename.startswith(_PRETENDS):
            last = code
        traceback = traceback.tb_next
    if last is None:
        return ""
    return "own" if places.relative(last.co_filename) is not None else f"{last.co_filename[-120:]}:{last.co_name}"


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, str) and isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR) and len(_written) < MOST_FILES:
            full = path if path.startswith("/") else os.path.join(os.getcwd(), path)
            if not full.startswith(("/proc/", "/dev/")):
                _written.setdefault(full, None)
    elif event in ("socket.connect", "socket.getaddrinfo") and len(_hosts) < MOST_HOSTS:
        address = arguments[1] if event == "socket.connect" else arguments[:2]
        if isinstance(address, tuple) and len(address) >= 2:
            host = address[0].decode() if isinstance(address[0], bytes) else str(address[0])
            if host not in ("localhost", "::1", "", "None", "0.0.0.0") and not host.startswith("127."):
                _hosts.setdefault(host, None)


_told_files = _told_hosts = _modules = 0
_own: set[str] = set()


def _say_own_files() -> None:
    """The experiment's own files among the modules that are loaded, each once."""
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    found = {path for file in files if isinstance(file, str) and (path := places.relative(file)) is not None}
    new = sorted(found - _own)[: max(0, MOST_OWN - len(_own))]
    _own.update(new)
    channel.emit_items(events.OwnFiles(new), "paths")


def _report() -> None:
    global _told_files, _told_hosts, _modules
    if settings.mode == settings.PROGRAM and len(sys.modules) != _modules:
        _modules = len(sys.modules)
        _say_own_files()
    files, hosts = list(_written), list(_hosts)
    if len(files) > _told_files:
        channel.emit_items(events.Written([path[:600] for path in files[_told_files:]]), "paths")
        _told_files = len(files)
    if len(hosts) > _told_hosts:
        channel.emit_items(events.Hosts([host[:200] for host in hosts[_told_hosts:]]), "hosts")
        _told_hosts = len(hosts)
