"""Failures that may not be the experiment's fault.

What it needs is not on this machine, or no bounded run could have succeeded.
"""

from __future__ import annotations

import ast
import re
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name
from gonogo.execution import accelerators
from gonogo.execution.observations import RunSeen, SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Logged, Raised

_CONNECTION = re.compile(
    r"connection|connect|urlerror|httperror|timeout|gaierror|maxretry|newconnection|nameresolution|offline|localentrynotfound|sslerror|"
    r"proxyerror|reposit\w*notfound|hubhttp",
    re.IGNORECASE,
)
_NAMES = re.compile(
    r"name resolution|getaddrinfo|connection error|max retries|offline mode|couldn't connect|cannot connect|no network", re.IGNORECASE
)
_PATH = re.compile(r"(?<![\w.:/])(/[\w .+@(),=-]+(?:/[\w .+@(),=-]+)+)")
# A place for data below the tree: whoever starts the experiment puts them there, or it downloads them.
_DATA = re.compile(r"(?<![\w./])((?:\./)?(?:\.cache|data|datasets?|inputs?)/[\w.+@=/-]+)", re.IGNORECASE)
_FRAME = re.compile(r'File "[^"]*"?')  # of a worker's traceback, the last of which may be cut off
_ENVIRONMENT = re.compile(r"/(site|dist)-packages/|/lib/python\d|/bin/python[\d.]*$")  # the sandbox shows the experiment's own
_SYSTEM = ("/proc/", "/dev/", "/sys/", "/usr/", "/lib", "/bin/", "/etc/")  # a path in these is no data
_FIXED = re.compile(r"(?:Read-only file system|Device or resource busy): ['\"]([^'\"]+)['\"]")
_REFUSED = re.compile(
    r"\[Errno \d+\] (Operation not permitted|Function not implemented|Address family not supported[\w ]*|Protocol not supported)(?!: )"
)
# No data lead to these, and no number of a config.
_WHATEVER_THE_DATA = {"ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError", "NameError"}
_WHATEVER_THE_NUMBERS = {
    *_WHATEVER_THE_DATA,
    *("ConfigAttributeError", "ConfigKeyError", "ConfigCompositionException", "MissingMandatoryValue", "InterpolationKeyError"),
}
_NO_PACKAGE = ("ImportError", "ModuleNotFoundError")
_ABSENT = re.compile(r"No module named '([\w.]+)'")
# What libraries say, whatever they raise, of an optional package that is not there.
_INSTALL = re.compile(r"\b(?:pip3?|conda|uv) (?:install|add)\b|\b(?:to be|please|not been|isn't|not) install(?:ed)?\b", re.IGNORECASE)
_SIGNATURE = re.compile(r"\(\) (?:got an unexpected keyword|missing \d+ required|takes \d+ positional|got multiple values)")
_MISSING = ("KeyError", "AttributeError", "IndexError")
_COLUMN = re.compile(r"\b(column|feature|split|config)s?\b", re.IGNORECASE)
_UNFOUND = re.compile(r"No such file or directory: ['\"]([^'\"]+)['\"]")
_ARITHMETIC = ("ZeroDivisionError", "FloatingPointError", "LinAlgError")
# What SciPy, scikit-learn, statsmodels and NumPy say of too few values, classes or folds.
_TOO_FEW = re.compile(
    r"\bat least (?:two|three|four|\d+) (?:sample|value|observation|point|element|row|data|class|group|non-)|length at least \d|"
    r"not enough (?:data|values|samples|observations)|too few|sample size|more than one (?:sample|observation|class)|degrees of freedom|"
    r"n_(?:splits|samples|neighbors|components)=\d+ (?:cannot|should|must)|least populated class|only one class present",
    re.IGNORECASE,
)
# What Python, NumPy, pandas and SciPy say of arrays that do not fit together.
_LENGTHS = re.compile(
    r"zip\(\) argument \d|\bsame (?:length|size|shape)\b|(?:un|not )equal length|lengths? (?:must|do not) match|length mismatch|"
    r"different lengths?|inconsistent numbers? of samples|could not be broadcast",
    re.IGNORECASE,
)
_SIZES = re.compile(r"must match the size of tensor|size mismatch|shape mismatch|does not match|boolean index did not match", re.IGNORECASE)
FEWEST_VALUES = 8  # of a list, or of a text with one character a sample
_PRETENDED = "it ran on a pretended accelerator, which is not all that a real one is"
_FILE_TESTS = {"exists", "lexists", "isfile", "isdir", "is_file", "is_dir", "glob", "listdir"}
_NUMERIC_TESTS = {"isfinite", "isnan", "isinf", "allclose"}


def excuse(chain: list[Raised] | None, run: RunSeen, modules: Mapping[str, Module]) -> str:
    """Why a failure does not show that the experiment is at fault; empty if nothing speaks for it.

    Args:
        chain: what was raised, None where no probe saw it.
        run: the run that failed.
        modules: the experiment's modules by path.
    """
    if run.late or run.unsettled:
        if run.starved:
            return f"{run.unsettled}{_where(run)}{_held(run)}{' (smaller batches or less data take less)' if run.is_any_program else ''}"
        more = " (--run-timeout gives it more; smaller batches or less data take less)" if run.is_any_program else ""
        return run.unsettled or f"its time was up{_where(run)}{more}"
    if run.is_any_program and (refused := _usage(run) or _terminal(chain or [], run)):
        return refused
    pretended = _PRETENDED if run.pretended and not accelerators.fails_there(chain or []) else ""
    if not chain:
        return (_own_exit(run) if run.is_any_program else "") or pretended
    absent = _absent(chain, modules) if run.is_any_program else ""
    return absent or _lent(chain, run, modules) or _lacking(chain, run) or _numbers(chain, modules) or _uneven(chain, run) or pretended


def _uneven(chain: list[Raised], run: RunSeen) -> str:
    """Describe lengths that do not fit, one of which is that of a pass that was cut after a few batches."""
    for raised in chain:
        if not (_LENGTHS.search(raised.message) or _SIZES.search(raised.message) or raised.type == "AssertionError"):
            continue
        numbers = set(map(int, re.findall(r"\d{2,}", raised.message)))
        for process in run.processes.values():
            for place, rows, whole in process.cut():
                if rows in numbers:
                    what = f"{rows} is what the pass at {place[0]}:{place[1]} had of {whole}"
                    return (
                        f"lengths do not fit ({' '.join(raised.message.split())[:120]}), and {what}: the trial cut it after a few batches"
                    )
    return ""


def _usage(run: RunSeen) -> str:
    """What a program says of arguments that it does not take: whoever typed them knows better ones."""
    lines = [text.strip() for stream, text in run.output if stream == "stderr"]
    if run.code != 2 or not lines or not any(line.lower().startswith("usage:") for line in lines):
        return ""
    return f"it does not take these arguments: {lines[-1][:200]}"


def _own_exit(run: RunSeen) -> str:
    """Describe a program that exits with a code and raised nothing, or that is killed.

    Whoever started it has to deal with that.
    """
    if run.signal == signal.SIGKILL:
        return "something killed it, as the kernel does where memory runs out"
    if not run.code:
        return ""
    last = " ".join(run.last_lines(1).split())[-200:]
    return f"it ends itself with exit code {run.code}{f', and says last: {last}' if last else ''}"


def _absent(chain: list[Raised], modules: Mapping[str, Module]) -> str:
    """A program's own check that files are there, which may be data that are elsewhere."""
    for raised in chain:
        if raised.own and raised.place is not None:
            test = _guard(modules.get(raised.place[0]), raised.place[1], _asks_for_files)
            if test is not None:
                return f"its own check `{test}` ({raised.place[0]}:{raised.place[1]}) did not hold: put there what it asks for"
    return ""


def _terminal(chain: list[Raised], run: RunSeen) -> str:
    """A terminal that a program asks for, or a keyboard: it has them where it is started by hand."""
    said = [*(raised.message for raised in chain), *(text for stream, text in run.output if stream == "stderr")]
    if any("Inappropriate ioctl for device" in text for text in said):
        return "it asks for a terminal, which the sandbox does not have"
    if any(raised.type == "EOFError" and "reading a line" in raised.message for raised in chain):
        return "it reads from the keyboard, which the sandbox does not have"
    return ""


def _held(run: RunSeen) -> str:
    """Tell the largest things that a run held: its networks, and batches of its loaders."""
    networks = sorted(
        (net for process in run.processes.values() for net in process.networks if not net.part), key=lambda net: -net.parameters
    )
    loaders = (loader for process in run.processes.values() for loader in process.loaders.values() if loader.batch_size)
    largest = max((loader.batch_size or 0 for loader in loaders), default=0)
    told = [f"`{network.name}` with {network.parameters:,} parameters" for network in networks[:2]]
    told += [f"batches of {largest:,} rows"] if largest else []
    return f", with {' and '.join(told)}" if told else ", before any network ran"


def _where(run: RunSeen) -> str:
    """Where a run was when its time was up, in words; empty where nobody knows."""
    frames, place = run.was_at(), run.last_place()
    if place is None:
        return ""
    function = next(frame[2] for frame in frames if frame[:2] == place)
    path, _, inner = frames[0]
    inside = "" if frames[0][:2] == place else f", inside `{inner}` of {'/'.join(Path(path).parts[-2:])}"
    return f" at {place[0]}:{place[1]} in `{function}`{inside}"


def no_number(run: RunSeen) -> str:
    """Return why NaN in a run's numbers does not show that the experiment is at fault.

    Empty where there is no NaN, or where it does show a fault.
    """
    seen = list(run.processes.values())
    losses = [f"its loss is {value} ({path}:{line})" for process in seen for value, path, line in process.losses if isinstance(value, str)]
    metrics = [_as_nan(entry) for process in seen for entry in process.logged.values() if entry.is_no_number]
    if run.made_up and (losses or metrics):
        return f"{[*losses, *metrics][0]}, which may be for the made-up data or weights"
    if metrics and not losses and not any(process.puts_out_no_numbers for process in seen):
        return f"{metrics[0]}, which may be for the few rows of a bounded run"
    return ""


def _as_nan(entry: Logged) -> str:
    return f"it logs `{entry.key}` as NaN{f' ({entry.place[0]}:{entry.place[1]})' if entry.place else ''}"


def may_be_for_bounds(run: RunSeen) -> bool:
    """Return whether a failed run may end differently with its config as it is.

    Something was lowered, or a pass of any program cut, and the failure may come from that.
    """
    if run.ok or run.late or run.starved:
        return False
    if not any(process.bounded or (run.is_any_program and process.cut()) for process in run.processes.values()):
        return False
    chain = run.failure() or []
    if run.is_any_program and (_usage(run) or _terminal(run.failure() or [], run)):
        return False
    if any(raised.type in _WHATEVER_THE_NUMBERS or _SIGNATURE.search(raised.message) for raised in chain):
        return False
    return not _lacking(chain, run)


def _lacking(chain: list[Raised], run: RunSeen) -> str:
    """What is not in the sandbox and made a run fail; empty if nothing says so."""
    wants = accelerators.missing(chain) or _network(chain, run) or _own_code(chain, run)
    return wants or _filtered(chain) or _data(chain, run) or _assumed(chain, run)


def cut_unevenly(session: SessionSeen) -> str:
    """Return why an evaluation that fails on lengths may not be at fault.

    Loaders were cut, and arrays that no loader gives were not.
    """
    chain = session.evaluation.failure() if session.evaluation is not None and not session.evaluation.ok else None
    if not chain or not any(_LENGTHS.search(raised.message) for raised in chain):
        return ""
    lengths: dict[str, set[int]] = {}
    for tracked in session.tracked or ():
        for key, value in tracked.summary.items():
            if isinstance(value, (list, str)) and len(value) >= FEWEST_VALUES and not key.startswith("_"):
                lengths.setdefault(key, set()).add(len(value))
    uneven = next(((key, sorted(found)) for key, found in lengths.items() if len(found) > 1), None)
    if uneven is None:
        return ""
    key, found = uneven
    return f"runs logged {' and '.join(map(str, found))} values of `{key}`, which may be for loaders that were cut after a few batches"


def fails_for_any_runs(chain: list[Raised] | None) -> bool:
    """Return whether an evaluation fails in the same way for any runs.

    The cause is a name, module or argument that is not there, or wrong usage.
    """
    if not chain:
        return False
    raised = chain[0]
    usage = raised.type == "SystemExit" and raised.message == "2"
    missing = raised.type == "AttributeError" and raised.message.startswith("module '")
    return usage or missing or raised.type in _WHATEVER_THE_DATA or (raised.type == "TypeError" and bool(_SIGNATURE.search(raised.message)))


def refuses(chain: list[Raised] | None, modules: Mapping[str, Module]) -> bool:
    """Return whether a program ended by an error that its own code raises on purpose.

    It is a `raise`, or an exit with a message.
    """
    place = chain[0].place if chain else None
    if not chain or place is None or place[0] not in modules or not (chain[0].own or chain[0].type == "SystemExit"):
        return False
    lines = modules[place[0]].text.split("\n")
    line = lines[place[1] - 1].strip() if place[1] <= len(lines) else ""
    return line.startswith("raise ") or "sys.exit(" in line


def _network(chain: list[Raised], run: RunSeen) -> str:
    wanted = [host for process in run.processes.values() for host in process.hosts]
    unreachable = [asked.source for process in run.processes.values() for asked in process.unreachable]
    if not wanted and not unreachable:
        return ""
    if not any(_CONNECTION.search(raised.type) or _NAMES.search(raised.message) for raised in chain):
        return ""
    return f"it needs the network ({', '.join(dict.fromkeys([*unreachable, *wanted]))[:200]}), which the sandbox does not have"


def _lent(chain: list[Raised], run: RunSeen, modules: Mapping[str, Module]) -> str:
    """Describe a package that is missing in the environment that the caller gave.

    Other rules say whether the experiment declares it.
    """
    for raised in chain if run.lent else ():
        found = _ABSENT.match(raised.message) if raised.type == "ModuleNotFoundError" else None
        name = found[1].partition(".")[0] if found is not None else ""
        if not name and ((raised.type in _NO_PACKAGE and "install" in raised.message) or _INSTALL.search(raised.message)):
            return f"the environment that was given lacks what it asks for: {' '.join(raised.message.split())[:200]}"
        if name and not any(name in path.removesuffix(".py").split("/") for path in modules):
            return f"the environment that was given lacks `{name}`"
    return ""


def _assumed(chain: list[Raised], run: RunSeen) -> str:
    """A name that is missing in what was only taken for a copy of a well-known data set."""
    taken = [asked for process in run.processes.values() for asked in process.unreachable if asked.assumed]
    if not taken or not any(raised.type in _MISSING or _COLUMN.search(raised.message) for raised in chain):
        return ""
    return f"{taken[0].name} was only taken for a copy of {taken[0].assumed}, and may have other columns"


def _own_code(chain: list[Raised], run: RunSeen) -> str:
    """A write to a file of the experiment itself, which the sandbox keeps as it is for all runs."""
    tree = f"{_common_folder(run)}/tree/"
    for raised in chain:
        for found in _FIXED.finditer(raised.message):
            path = found[1].removeprefix(tree)
            if not path.startswith("/"):
                return f"it writes {path}, which is part of the code under review and stays as it is for every run"
    return ""


def _filtered(chain: list[Raised]) -> str:
    """A system call that the sandbox refuses, as far as its message names no file."""
    for raised in chain:
        if found := _REFUSED.search(raised.message):
            return f"the sandbox may refuse what it asks of the kernel ({found[0]})"
    return ""


def _data(chain: list[Raised], run: RunSeen) -> str:
    """Describe a path outside the tree that does not exist.

    It stands for data on the machine where the experiment will run.
    """
    inside = _common_folder(run)
    for raised in chain:
        for found in _PATH.finditer(_FRAME.sub("", raised.message)):
            path = found[1].strip().rstrip(".,:;'\")")
            if (inside and path.startswith(inside)) or path.startswith(_SYSTEM) or _ENVIRONMENT.search(path):
                continue
            if Path(path).exists():
                return f"it needs {path}, which the sandbox shows only with --data-root"
            if not path.startswith("/tmp/"):
                return f"it needs {path}, which is not on this machine (--data-root)"
        message = raised.message.replace(f"{inside}/tree/", "") if inside else raised.message
        below = _DATA.search(message) if raised.type in ("FileNotFoundError", "NotADirectoryError") else None
        if below is not None:
            return f"it needs {below[1].rstrip('.')}, which is not in the experiment's folder"
        named = _UNFOUND.search(message) if run.is_any_program and raised.type == "FileNotFoundError" else None
        if named is not None:
            return f"it needs {named[1]}, which is not in the program's folder (put it there, or show its folder with --data-root)"
    return ""


def _common_folder(run: RunSeen) -> str:
    """The folder of the sandbox."""
    return run.tree.rpartition("/")[0]


def _numbers(chain: list[Raised], modules: Mapping[str, Module]) -> str:
    """Describe a failure of the experiment's own check of a number.

    After two batches, or on made-up data, numbers differ from those of a full run.
    """
    for raised in chain:
        if raised.type in _ARITHMETIC and raised.place is not None:
            where = f"{raised.place[0]}:{raised.place[1]}"
            return f"its arithmetic has no result ({raised.type} at {where}), which may be for the numbers of a bounded run"
        if not raised.own and raised.type == "ValueError" and raised.place is not None and _TOO_FEW.search(raised.message):
            where = f"{raised.place[0]}:{raised.place[1]}"
            return f"a library refuses so few values ({where}: {raised.message[:120]}), and a bounded run has hardly any"
        test = _guard(modules.get(raised.place[0]), raised.place[1], _compares_quantities) if raised.own and raised.place else None
        if test is not None and raised.place is not None:
            return f"its own check `{test}` ({raised.place[0]}:{raised.place[1]}) did not hold, which no bounded run may be able to fulfil"
    return ""


def _guard(module: Module | None, line: int, is_meant: Callable[[ast.expr], bool]) -> str | None:
    """Return the test of the `if` or `assert` that led to the `raise` at a line.

    It is returned only where it is one of those that `is_meant` accepts.
    """
    if module is None or module.tree is None:
        return None
    best: ast.If | ast.Assert | None = None
    tests: list[ast.If | ast.Assert] = [*module.of(ast.If), *module.of(ast.Assert)]
    for node in tests:
        if node.lineno <= line <= (node.end_lineno or node.lineno) and (best is None or node.lineno >= best.lineno):
            best = node
    return ast.unparse(best.test)[:120] if best is not None and is_meant(best.test) else None


def _asks_for_files(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Call) and last_name(node.func) in _FILE_TESTS for node in ast.walk(test))


def _compares_quantities(test: ast.expr) -> bool:
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for op in node.ops):
            return True
        if isinstance(node, ast.Call) and last_name(node.func) in _NUMERIC_TESTS:
            return True
    return False
