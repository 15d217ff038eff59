"""The gate for agents that write experiments, as tools of the Model Context Protocol.

They are served over stdin and stdout.

Each tool runs the command line in a process of its own. So a tool answers what the command answers, a check that is cancelled ends with
all that it started, and nothing that an experiment prints gets into the protocol.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from gonogo.system import children
from gonogo.system.version import __version__

EVERY = 5.0  # seconds between two notes of progress
USAGE = 2  # the exit code, as `gonogo.cli.main` has it, which imports every command
INSTRUCTIONS = (
    "gonogo decides whether machine-learning experiment code is ready to run. Call `check` after each edit; mend what it reports, first "
    "`fix` where it says that it can be fixed. When the static stages say GO, call `check` with to='trial', then to='rehearsal'."
)
To = Literal["compose", "trial", "rehearsal", "challenge"]


def serve() -> int:
    """Serve until stdin ends."""
    server = MCPServer("gonogo", instructions=INSTRUCTIONS, version=__version__, log_level="ERROR")
    for tool in (check, fix, explain, rules):
        server.tool()(tool)
    server.run("stdio")
    return 0


async def check(
    context: Context,
    path: str = "",
    bundle: dict[str, str] | None = None,
    plan: str | None = None,
    to: To = "compose",
    runs: list[str] | None = None,
    verdict: bool = False,
) -> dict[str, Any]:
    """Judge an experiment: GO, NO-GO or UNDECIDED, with what to mend and where.

    Args:
        context: of the request.
        path: the experiment's folder, a bundle file (JSON), or one Python program.
        bundle: in place of a path, the generated files: main_py, train_py, config_yaml and so on, with their texts.
        plan: file of the research plan; found by itself where it is beside the experiment.
        to: the last stage: compose runs nothing, trial and rehearsal run the experiment in a sandbox, challenge alters it on purpose.
        runs: run only these runs, by id or pattern.
        verdict: give the whole verdict too, as `gonogo schema` describes it.
    """
    if bool(path) == (bundle is not None):
        raise _refused("Give either path or bundle.")
    options = ["--to", to]
    if plan is not None:
        options += ["--plan", plan]
    for run in runs or []:
        options += ["--runs", run]
    with tempfile.TemporaryDirectory(prefix="gonogo-mcp-") as folder:
        written = Path(folder, "verdict.json")
        options += ["--output", f"json={written}", "--output", f"agent={folder}/report"]
        given = None if bundle is None else json.dumps(bundle)
        done = await _gonogo(context, ["check", *options, "--", path or "-"], given)
        if not written.is_file():
            raise _refused(done.stderr)
        whole: dict[str, Any] = json.loads(written.read_text("utf-8"))
        answer = {key: whole[key] for key in ("is_code_ready", "code_issue", "outcome")}
        answer["report"] = Path(folder, "report").read_text("utf-8")
    return answer | ({"verdict": whole} if verdict else {})


async def fix(context: Context, path: str, plan: str | None = None, write: bool = False, unsafe: bool = False) -> str:
    """Mend what plain edits can mend, and say what the verdict is then.

    Args:
        context: of the request.
        path: the experiment's folder.
        plan: file of the research plan.
        write: change the files; else the edits are only shown, as a diff.
        unsafe: make also edits that may change what the code does.
    """
    options = [*([] if write else ["--diff"]), *(["--unsafe"] if unsafe else []), *(["--plan", plan] if plan is not None else [])]
    done = await _gonogo(context, ["fix", *options, "--", path])
    if done.returncode == USAGE:
        raise _refused(done.stderr)
    return done.stdout + done.stderr


async def explain(context: Context, rule: str) -> str:
    """Explain a rule, with an example that breaks it and one that obeys it.

    Args:
        context: of the request.
        rule: its id (HYD104) or name.
    """
    return await _text(context, ["explain", "--", rule])


async def rules(context: Context) -> str:
    """List all rules, one a line."""
    return await _text(context, ["rules"])


async def _text(context: Context, arguments: list[str]) -> str:
    done = await _gonogo(context, arguments)
    if done.returncode:
        raise _refused(done.stderr)
    return done.stdout


def _refused(message: str) -> ToolError:
    return ToolError(message.strip().removeprefix("gonogo: "))


async def _gonogo(context: Context, arguments: list[str], given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line and report its progress.

    When the request is cancelled, it ends together with all that it started.
    """
    command = children.command("gonogo.cli.main", *arguments, ends_with_us=True)
    process = await anyio.open_process(command, env=os.environ | {"NO_COLOR": "1"}, start_new_session=True)
    texts = {"out": "", "err": ""}

    async def read(name: str, stream: Any) -> None:
        parts = [part async for part in stream]
        texts[name] = b"".join(parts).decode("utf-8", "replace")

    async def write() -> None:
        assert process.stdin is not None
        try:
            await process.stdin.send((given or "").encode())
        except (BrokenPipeError, anyio.BrokenResourceError):
            return  # it has ended, and its exit code and its words say why
        finally:
            await process.stdin.aclose()

    async def tell() -> None:
        begun = time.monotonic()
        while True:
            await anyio.sleep(EVERY)
            passed = time.monotonic() - begun
            await context.report_progress(passed, None, f"gonogo {arguments[0]}: {passed:.0f} s")

    try:
        async with anyio.create_task_group() as telling:
            telling.start_soon(tell)
            async with anyio.create_task_group() as group:
                group.start_soon(read, "out", process.stdout)
                group.start_soon(read, "err", process.stderr)
                group.start_soon(write)
            code = await process.wait()
            telling.cancel_scope.cancel()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGTERM)  # gonogo ends its own children, and removes its temporary files
            with anyio.CancelScope(shield=True):
                await process.wait()
        await process.aclose()
    return subprocess.CompletedProcess(arguments, code, texts["out"], texts["err"])
