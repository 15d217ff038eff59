"""The language server, asked by pygls' own client over stdin and stdout."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from experiments_of_texts import GOLDEN

pygls = pytest.importorskip("pygls", reason="pygls is not installed")

from lsprotocol import types  # noqa: E402
from pygls.lsp.client import BaseLanguageClient  # noqa: E402
from pygls.workspace import TextDocument  # noqa: E402

LIMIT = 60.0  # seconds until a verdict must be there, on however busy a machine
COMMAND = [sys.executable, "-m", "gonogo", "lsp"]
RIGHT, WRONG = "cfg.run.training.learning_rate", "cfg.training.learning_rate"

pytestmark = pytest.mark.slow


class Editor:
    """A client with an experiment of its own, that keeps what it is shown."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.runner = asyncio.Runner()
        self.client = BaseLanguageClient("editor", "1")
        self.shown: dict[str, types.PublishDiagnosticsParams] = {}
        self.published: list[types.PublishDiagnosticsParams] = []
        self.versions: dict[str, int] = {}
        self.texts: dict[str, str] = {}
        self.verdicts: asyncio.Queue[str] = asyncio.Queue()
        self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(partial(self._show))  # pygls notes something on it
        self.client.feature(types.WINDOW_LOG_MESSAGE)(lambda params: self.verdicts.put_nowait(params.message))
        self.run(self._start())

    def run(self, action: Coroutine[Any, Any, Any]) -> Any:
        async def limited() -> Any:
            return await asyncio.wait_for(action, LIMIT)

        return self.runner.run(limited())

    async def _start(self) -> None:
        await self.client.start_io(*COMMAND)
        await self.client.initialize_async(types.InitializeParams(types.ClientCapabilities(), root_uri=self.tree.as_uri()))
        self.client.initialized(types.InitializedParams())

    def _show(self, params: types.PublishDiagnosticsParams) -> None:
        self.published.append(params)
        self.shown[params.uri] = params

    def uri(self, path: str) -> str:
        return (self.tree / path).as_uri()

    def send(self, path: str, text: str) -> int:
        """Open a document or change it; its version."""
        uri = self.uri(path)
        version = self.versions[uri] = self.versions.get(uri, 0) + 1
        if uri not in self.texts:
            item = types.TextDocumentItem(uri, "python" if path.endswith(".py") else "yaml", version, text)
            self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        else:
            change = types.TextDocumentContentChangeWholeDocument(text)
            name = types.VersionedTextDocumentIdentifier(version, uri)
            self.client.text_document_did_change(types.DidChangeTextDocumentParams(name, [change]))
        self.texts[uri] = text
        return version

    def close(self, path: str) -> None:
        del self.texts[self.uri(path)]
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(self.uri(path))))

    def write(self, path: str, text: str) -> dict[str, list[types.Diagnostic]]:
        """Open a document or change it, and wait for the verdict on that; what is shown then, by path."""
        version = self.send(path, text)
        return self.run(self._judged(self.uri(path), version))

    async def _judged(self, uri: str, version: int) -> dict[str, list[types.Diagnostic]]:
        while True:
            await self.verdicts.get()
            if uri in self.shown and self.shown[uri].version == version:
                return self.now()

    def now(self) -> dict[str, list[types.Diagnostic]]:
        root = f"{self.tree.as_uri()}/"
        return {uri.removeprefix(root): list(params.diagnostics) for uri, params in self.shown.items() if params.diagnostics}

    def ask(self, kind: type[Any], path: str, needle: str, offset: int = 0, **more: Any) -> Any:
        """Parameters of a question about where a text stands in a document."""
        before = self.texts[self.uri(path)].split(needle)[0]
        line = before.count("\n")
        column = len(before.rpartition("\n")[2].encode("utf-16-le")) // 2 + offset
        return kind(text_document=types.TextDocumentIdentifier(self.uri(path)), position=types.Position(line, column), **more)

    def end(self) -> int | None:
        async def act() -> None:
            await self.client.shutdown_async(None)
            self.client.exit(None)
            await self.client.stop()

        self.run(act())
        process = self.process
        process._transport.close()  # type: ignore[attr-defined]
        self.runner.close()
        return process.returncode

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self.client._server is not None
        return self.client._server


@pytest.fixture
def editor(session: Editor) -> Editor:
    """The editor with nothing open but the training program, as it is on the disk."""
    for uri in list(session.texts):
        path = uri.removeprefix(f"{session.tree.as_uri()}/")
        if path != "src/train.py":
            session.close(path)
    assert session.write("src/train.py", train()) == {}
    return session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor on a copy of the golden experiment, whose training program is open."""
    tree = tmp_path_factory.mktemp("project") / "experiment"
    shutil.copytree(GOLDEN, tree, ignore=shutil.ignore_patterns("__pycache__"))
    editor = Editor(tree)
    assert editor.write("src/train.py", train()) == {}
    yield editor
    started = psutil.Process(editor.process.pid).children(recursive=True)
    assert len(started) == 2  # what judges, and what composes
    editor.send("src/train.py", train().replace(RIGHT, WRONG))  # it ends in the middle of a check
    assert editor.end() == 0
    assert psutil.wait_procs(started, timeout=LIMIT)[1] == []


def train() -> str:
    return (GOLDEN / "src/train.py").read_text("utf-8")


def codes(diagnostics: list[types.Diagnostic]) -> set[str]:
    return {str(diagnostic.code) for diagnostic in diagnostics}


def test_what_is_not_saved_is_judged_and_what_is_gone_is_cleared(editor: Editor) -> None:
    shown = editor.write("src/train.py", train().replace(RIGHT, WRONG))
    (found,) = [diagnostic for diagnostic in shown["src/train.py"] if diagnostic.code == "HYD104"]
    line = train().split(RIGHT)[0].count("\n")
    assert found.range.start.line == line and found.severity is types.DiagnosticSeverity.Error
    assert found.source == "gonogo" and "run.training" in found.message
    assert (editor.tree / "src/train.py").read_text("utf-8") == train()
    assert editor.write("src/train.py", train()) == {}


def test_keys_that_nothing_reads_are_greyed(editor: Editor) -> None:
    path = "config/run/proposed-mlp-digits.yaml"
    text = (GOLDEN / path).read_text("utf-8")
    shown = editor.write(path, text.replace("training:\n", "training:\n  warmup: 3\n"))
    (found,) = [diagnostic for diagnostic in shown[path] if diagnostic.code == "HYD105"]
    assert list(found.tags or ()) == [types.DiagnosticTag.Unnecessary]
    line = text.split("training:\n")[0].count("\n") + 1
    assert (found.range.start, found.range.end) == (types.Position(line, 2), types.Position(line, 8))
    editor.close(path)  # not saved, so the key is gone
    assert editor.write("src/train.py", train()) == {}


def test_a_text_that_cannot_be_parsed_is_no_end(editor: Editor) -> None:
    shown = editor.write("src/train.py", train() + "def half(:\n")
    assert [each.severity for each in shown["src/train.py"]].count(types.DiagnosticSeverity.Error) == 1
    assert shown["src/train.py"][0].range.start.line == train().count("\n")
    path = "config/config.yaml"
    assert path in editor.write(path, "a: [1\nb: }\n")
    assert "src/train.py" in editor.now()


def test_positions_count_utf_16(editor: Editor) -> None:
    text = train().replace(RIGHT, f"('\N{GRINNING FACE}\N{GRINNING FACE}', {WRONG})[1]")
    (found,) = editor.write("src/train.py", text)["src/train.py"]
    before = train().split(RIGHT)[0].rpartition("\n")[2] + "('....', "  # each face counts two
    assert found.code == "HYD104" and found.range.start.character == len(before)
    asked = editor.ask(types.HoverParams, "src/train.py", WRONG, len("cfg.t"))
    assert "**`training`**" in editor.run(editor.client.text_document_hover_async(asked)).contents.value
    assert editor.write("src/train.py", train()) == {}


def test_the_newest_text_wins(editor: Editor) -> None:
    for number in range(10):
        editor.send("src/train.py", train().replace(RIGHT, WRONG) + f"# {number}\n")
    editor.published.clear()
    last = editor.send("src/train.py", train())
    assert editor.run(editor._judged(editor.uri("src/train.py"), last)) == {}
    versions = [params.version for params in editor.published if params.uri == editor.uri("src/train.py")]
    assert versions[-1] == last and versions == sorted(versions)


def test_the_fix_of_a_finding_is_an_action(editor: Editor) -> None:
    wrong = train().replace(RIGHT, WRONG)
    editor.write("src/train.py", wrong)
    at = editor.ask(types.HoverParams, "src/train.py", WRONG).position
    asked = types.CodeActionParams(
        types.TextDocumentIdentifier(editor.uri("src/train.py")), types.Range(at, at), types.CodeActionContext([])
    )
    (action,) = editor.run(editor.client.text_document_code_action_async(asked))
    assert action.kind == types.CodeActionKind.QuickFix and action.is_preferred and action.diagnostics[0].code == "HYD104"
    ((uri, (edit,)),) = action.edit.changes.items()
    document = TextDocument(uri, wrong)
    document.apply_change(types.TextDocumentContentChangePartial(edit.range, edit.new_text))
    assert document.source == train()
    assert editor.write("src/train.py", document.source) == {}


def test_an_access_tells_its_values_and_where_they_are_written(editor: Editor) -> None:
    asked = editor.ask(types.HoverParams, "src/train.py", RIGHT, len("cfg.run.training.l"))
    hover = editor.run(editor.client.text_document_hover_async(asked))
    assert "run.training.learning_rate" in hover.contents.value and "`0.05` — in every run" in hover.contents.value
    asked = editor.ask(types.DefinitionParams, "src/train.py", RIGHT, len("cfg.run.training.l"))
    places = editor.run(editor.client.text_document_definition_async(asked))
    paths = [f"config/run/{name}-mlp-digits.yaml" for name in ("comparative-1", "proposed")]
    assert sorted(place.uri for place in places) == [editor.uri(path) for path in paths]
    for place in places:
        line = Path(place.uri.removeprefix("file://")).read_text("utf-8").splitlines()[place.range.start.line]
        assert line[place.range.start.character : place.range.end.character] == "learning_rate"

    editor.write(paths[1], (GOLDEN / paths[1]).read_text("utf-8"))
    asked = editor.ask(types.ReferenceParams, paths[1], "learning_rate: 0.05", 2, context=types.ReferenceContext(include_declaration=False))
    readers = editor.run(editor.client.text_document_references_async(asked))
    here = editor.ask(types.HoverParams, "src/train.py", RIGHT, len("cfg.run.training.")).position
    assert (editor.uri("src/train.py"), here) in [(place.uri, place.range.start) for place in readers]


def test_an_access_tells_values_that_differ_and_runs_without_one(editor: Editor) -> None:
    path = "config/run/proposed-mlp-digits.yaml"
    text = (GOLDEN / path).read_text("utf-8")
    without = text.replace("  learning_rate: 0.05\n", "")
    assert without != text
    shown = editor.write(path, without)
    assert "HYD104" in codes(shown["src/train.py"])
    asked = editor.ask(types.HoverParams, "src/train.py", RIGHT, len("cfg.run.training.l"))
    words = editor.run(editor.client.text_document_hover_async(asked)).contents.value
    assert "- absent — `proposed-mlp-digits`" in words and "- `0.05` — `comparative-1-mlp-digits`" in words
    asked = editor.ask(types.HoverParams, "src/train.py", "import", 1)
    assert editor.run(editor.client.text_document_hover_async(asked)) is None


def test_a_folder_that_is_gone_is_cleared(editor: Editor, tmp_path: Path) -> None:
    assert "src/train.py" in editor.write("src/train.py", train().replace(RIGHT, WRONG))
    moved = tmp_path / "moved"
    editor.tree.rename(moved)
    version = editor.send("src/train.py", train().replace(RIGHT, WRONG))
    assert editor.run(editor._judged(editor.uri("src/train.py"), version)) == {}
    moved.rename(editor.tree)
    assert editor.write("src/train.py", train()) == {}


def test_a_file_that_changes_on_the_disk_is_judged(editor: Editor) -> None:
    config = editor.tree / "config/config.yaml"
    before = config.read_text("utf-8")
    for text, expected in ((f"{before}other: [1\n", True), (before, False)):
        config.write_text(text, "utf-8")
        event = types.FileEvent(config.as_uri(), types.FileChangeType.Changed)
        editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))
        editor.run(editor.verdicts.get())
        assert ("config/config.yaml" in editor.now()) is expected


def test_an_experiment_in_another_shows_its_own(editor: Editor) -> None:
    inner = {
        "inner/pyproject.toml": "[project]\nname = 'inner'\nversion = '1'\n",
        "inner/train.py": "import os\n\nprint(os.nothing_here)\n",
    }
    for path, text in inner.items():
        (editor.tree / path).parent.mkdir(exist_ok=True)
        (editor.tree / path).write_text(text, "utf-8")
    try:
        shown = editor.write("inner/train.py", "def half(:\n")
        count = len(shown["inner/train.py"])
        assert count
        shown = editor.write("src/train.py", train().replace(RIGHT, WRONG))
        assert codes(shown["src/train.py"]) >= {"HYD104"} and len(shown["inner/train.py"]) == count
    finally:
        shutil.rmtree(editor.tree / "inner")
        editor.close("inner/train.py")
    assert editor.write("src/train.py", train()) == {}


@pytest.mark.parametrize("how", ["client is gone", "server is killed", "server is terminated"])
def test_nothing_is_left_running(tmp_path: Path, how: str) -> None:
    tree = tmp_path / "experiment"
    shutil.copytree(GOLDEN, tree)
    server = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None and server.stdout is not None
    document = {"uri": (tree / "src/train.py").as_uri(), "languageId": "python", "version": 1, "text": train()}
    for message in (
        {"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": tree.as_uri(), "capabilities": {}}},
        {"method": "initialized", "params": {}},
        {"method": "textDocument/didOpen", "params": {"textDocument": document}},
    ):
        text = json.dumps({"jsonrpc": "2.0", **message}).encode()
        server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
    server.stdin.flush()
    heard = b""
    while b"publishDiagnostics" not in heard:
        heard += server.stdout.read1()
    started = psutil.Process(server.pid).children(recursive=True)
    assert len(started) == 2
    if how == "server is killed":
        server.kill()
    elif how == "server is terminated":
        server.terminate()
    else:
        server.stdin.close()
    assert server.wait(LIMIT) == {"client is gone": 1, "server is killed": -9, "server is terminated": 143}[how]
    assert psutil.wait_procs(started, timeout=LIMIT)[1] == []
    for stream in (server.stdin, server.stdout):
        stream.close()
