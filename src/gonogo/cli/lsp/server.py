"""The server: documents come in, findings go out, and questions about the config are answered."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from gonogo.cli.lsp import answers
from gonogo.cli.lsp.convert import Converter
from gonogo.cli.lsp.project import Project
from gonogo.model.check_options import CheckOptions
from gonogo.model.config_use import ConfigUse
from gonogo.model.experiment import is_skipped
from gonogo.model.finding import Finding, Fix, Location
from gonogo.model.program_file import as_given, project_root
from gonogo.pool.pool import Result
from gonogo.system.version import __version__

SIGNALLED = 128  # an exit code is this and the signal's number, as shells have it
WATCHED = "**/*.{py,ipynb,yaml,yml,toml,txt,sh,md}"


#: What is shown of an experiment: by URI, the diagnostics with their findings.
Shown = dict[str, list[tuple[types.Diagnostic, Finding]]]


def serve(options: CheckOptions, plan: str | None) -> int:
    """Serve until the client ends it, or is gone; the exit code."""
    protocol = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints must not get into the protocol
    gate = Gate(options, plan)

    def terminate(number: int, _: object) -> NoReturn:
        gate.close()
        os._exit(SIGNALLED + number)  # a thread is reading from the client, and would keep an ordinary end waiting

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, terminate)
    try:
        gate.server.start_io(stdout=protocol)
    finally:
        gate.close()
    return 0 if gate.is_asked_to_end else 1


class Gate:
    """The experiments whose files are open.

    Args:
        options: the caller's choices.
        plan: file of the plan.
    """

    def __init__(self, options: CheckOptions, plan: str | None) -> None:
        self.server = LanguageServer("gonogo", __version__)
        self.is_asked_to_end = False
        self._options = options
        self._plan = plan
        self._projects: dict[Path, Project] = {}
        self._roots: dict[str, Path] = {}  # of the experiments of the open documents, by URI
        self._shown: dict[Path, Shown] = {}
        for name, function in (
            (types.INITIALIZED, self._watch),
            (types.SHUTDOWN, self._end),
            (types.TEXT_DOCUMENT_DID_OPEN, self._changed),
            (types.TEXT_DOCUMENT_DID_CHANGE, self._changed),
            (types.TEXT_DOCUMENT_DID_SAVE, self._changed),
            (types.TEXT_DOCUMENT_DID_CLOSE, self._closed),
            (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, self._changed_on_disk),
            (types.TEXT_DOCUMENT_HOVER, self._hover),
            (types.TEXT_DOCUMENT_DEFINITION, self._definition),
            (types.TEXT_DOCUMENT_REFERENCES, self._references),
        ):
            self.server.feature(name)(partial(function))  # pygls notes something on the function, which a method does not take
        kinds = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
        self.server.feature(types.TEXT_DOCUMENT_CODE_ACTION, kinds)(partial(self._actions))

    def close(self) -> None:
        """End all that was started."""
        for project in self._projects.values():
            project.close()
        self._projects.clear()

    # -- documents ----------------------------------------------------------------------------------------------------

    def _watch(self, _: types.InitializedParams) -> None:
        """Ask to hear of files that change on the disk, of clients that can tell."""
        workspace = self.server.client_capabilities.workspace
        watched = workspace.did_change_watched_files if workspace is not None else None
        if watched is not None and watched.dynamic_registration:
            options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(glob_pattern=WATCHED)])
            wanted = types.Registration("watch", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
            self.server.client_register_capability(types.RegistrationParams([wanted]))

    def _end(self, _: object) -> None:
        self.is_asked_to_end = True

    def _changed(
        self, params: types.DidOpenTextDocumentParams | types.DidChangeTextDocumentParams | types.DidSaveTextDocumentParams
    ) -> None:
        uri = params.text_document.uri
        file = _file_of(uri)
        if file is None:
            return
        path = file.resolve()
        root = self._root_of(path)
        if root != self._roots.get(uri):
            self._leave(uri)
        if root is not None:
            self._roots[uri] = root
            if root not in self._projects:
                shown = Path(as_given(file, root))
                self._projects[root] = Project(root, shown, self._options, self._plan, self._open_texts, self._told)
        self._touch(path)

    def _closed(self, params: types.DidCloseTextDocumentParams) -> None:
        """What was not saved counts no more."""
        self._leave(params.text_document.uri)
        file = _file_of(params.text_document.uri)
        if file is not None:
            self._touch(file.resolve())

    def _leave(self, uri: str) -> None:
        """A document is no longer of its experiment, which is forgotten when none of its documents is open."""
        root = self._roots.pop(uri, None)
        if root is not None and root not in self._roots.values():
            project = self._projects.pop(root)
            project.close()
            self._publish(project, {})

    def _touch(self, path: Path) -> None:
        """A file has changed: judge the experiments that it is in."""
        for root, project in self._projects.items():
            if path.is_relative_to(root) and not is_skipped(path.relative_to(root).as_posix()):
                project.change()

    def _changed_on_disk(self, params: types.DidChangeWatchedFilesParams) -> None:
        for change in params.changes:
            file = _file_of(change.uri)
            if file is not None:
                self._touch(file.resolve())

    def _root_of(self, path: Path) -> Path | None:
        """Return the root as `gonogo check FILE` finds it.

        None for a file of no experiment, and for files that are never read, such as installed packages.

        A config or another file that is no program is no experiment alone.
        """
        if not self._is_in_workspace(path):
            return None
        known = [root for root in self._projects if path.is_relative_to(root)]
        root = project_root(path) or (max(known, key=lambda root: len(root.parts)) if known else None)
        if root is None and path.suffix in (".py", ".ipynb"):
            root = path.parent
        root = root or next((folder for folder in self._folders() if path.is_relative_to(folder)), None)
        return root if root is not None and not is_skipped(path.relative_to(root).as_posix()) else None

    def _project_of(self, uri: str) -> Project | None:
        """The experiment of an open document, if it is of one."""
        return self._projects.get(self._roots[uri]) if uri in self._roots else None

    def _is_in_workspace(self, path: Path) -> bool:
        folders = self._folders()
        return not folders or any(path.is_relative_to(folder) for folder in folders)

    def _folders(self) -> list[Path]:
        paths = [to_fs_path(folder.uri) for folder in self.server.workspace.folders.values()]
        return [Path(path).resolve() for path in (*paths, self.server.workspace.root_path) if path]

    def _open_texts(self, project: Project) -> dict[str, str]:
        documents = self.server.workspace.text_documents.values()
        return {path: document.source for document in documents if (path := _inside(document, project.root)) is not None}

    def _open_uris(self, project: Project) -> dict[str, str]:
        """Return the URIs of an experiment's open documents as the client writes them, by path.

        Documents of another experiment inside it are left out.
        """
        documents = self.server.workspace.text_documents.items()
        found = {path: uri for uri, document in documents if (path := _inside(document, project.root)) is not None}
        return {path: uri for path, uri in found.items() if self._owns(project, path)}

    def _owns(self, project: Project, path: str) -> bool:
        """Return whether findings in a file belong to this experiment.

        A file belongs to the nearest root that is open.
        """
        file = project.root / path
        return not any(root != project.root and root.is_relative_to(project.root) and file.is_relative_to(root) for root in self._projects)

    # -- findings -----------------------------------------------------------------------------------------------------

    def _told(self, project: Project, result: Result) -> None:
        """Show a verdict."""
        findings: Shown = {}
        convert = self._converter(project)
        for finding in result.verdict.findings:
            if self._owns(project, finding.location.path):
                diagnostic = convert.diagnostic(finding)
                findings.setdefault(convert.uri(finding.location.path), []).append((diagnostic, finding))
        self._publish(project, findings)
        kind = types.MessageType.Warning if result.usage or result.verdict.undecided else types.MessageType.Info
        words = [f"{project.root}: {result.verdict.outcome}", *result.verdict.undecided]
        self.server.window_log_message(types.LogMessageParams(kind, result.usage or "; ".join(words)))

    def _publish(self, project: Project, findings: Shown) -> None:
        """Show the diagnostics of all files of an experiment.

        The diagnostics of files that no longer have any are cleared.
        """
        before = self._shown.pop(project.root, {})
        documents = self.server.workspace.text_documents
        of_others = {uri for shown in self._shown.values() for uri in shown}
        of_others |= {uri for uri, root in self._roots.items() if root != project.root}
        for uri in sorted({*(before.keys() - of_others), *findings, *self._open_uris(project).values()}):
            version = documents[uri].version if uri in documents else None
            diagnostics = [diagnostic for diagnostic, _ in findings.get(uri, [])]
            self.server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, diagnostics, version))
        if project.root in self._projects:
            self._shown[project.root] = findings

    def _converter(self, project: Project) -> Converter:
        result = project.result
        sources = result.sources if result is not None else {}
        open_uris = self._open_uris(project)

        def uri(path: str) -> str:
            return open_uris.get(path) or (project.shown.absolute() / path).as_uri()

        def text(place: Location) -> str:
            if place.source in sources:
                return sources[place.source]
            try:
                return str(self.server.workspace.get_text_document(uri(place.path)).source)
            except (OSError, UnicodeDecodeError):
                return ""  # it has gone, or was never there

        return Converter(self.server.workspace.position_codec, uri, text, result.verdict.docs_url if result is not None else "")

    async def _actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """The fixes of the findings in a range."""
        project = self._project_of(params.text_document.uri)
        if project is None or not await project.settled() or project.root not in self._shown:
            return []
        convert = self._converter(project)
        made: dict[Fix, list[types.Diagnostic]] = {}
        for diagnostic, finding in self._shown[project.root].get(params.text_document.uri, []):
            if finding.fix is not None and _meet(diagnostic.range, params.range):
                made.setdefault(finding.fix, []).append(diagnostic)
        return [convert.action(fix, diagnostics) for fix, diagnostics in made.items()]

    # -- questions about the config -----------------------------------------------------------------------------------

    async def _hover(self, params: types.HoverParams) -> types.Hover | None:
        found = await self._asked(params)
        if found is None:
            return None
        text = answers.values_text(found.here) if found.here else answers.readers_text(found.readers) if found.readers else ""
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text)) if text else None

    async def _definition(self, params: types.DefinitionParams) -> list[types.Location]:
        """The lines of YAML that define what an access reads."""
        found = await self._asked(params)
        return [found.convert.location(place) for place in answers.definitions(found.here)] if found is not None else []

    async def _references(self, params: types.ReferenceParams) -> list[types.Location]:
        """The accesses that read a key, asked at the key or at one of them."""
        found = await self._asked(params)
        if found is None:
            return []
        uses = found.readers or answers.same_key(found.uses, found.here)
        places = [use.location for use in uses]
        if params.context.include_declaration:
            places += answers.definitions(uses)
        return [found.convert.location(place) for place in dict.fromkeys(places)]

    async def _asked(self, params: types.HoverParams | types.DefinitionParams | types.ReferenceParams) -> Asked | None:
        """What is known about a place, once the newest texts are judged; None if they are not."""
        uri = params.text_document.uri
        project = self._project_of(uri)
        if project is None or not await project.settled() or project.result is None:
            return None
        document = self.server.workspace.get_text_document(uri)
        path, convert, uses = _inside(document, project.root), self._converter(project), project.result.uses
        if path is None:
            return None
        at = convert.place_at(document.lines, params.position)
        return Asked(convert, uses, answers.uses_at(uses, path, at), answers.readers_of(uses, path, at))


@dataclass(frozen=True)
class Asked:
    """What is known about a place.

    Attributes:
        convert: for the experiment.
        uses: all accesses of the config in the experiment.
        here: those at the place.
        readers: those that read the key which is written there.
    """

    convert: Converter
    uses: tuple[ConfigUse, ...]
    here: list[ConfigUse]
    readers: list[ConfigUse]


def _file_of(uri: str) -> Path | None:
    """The file of a URI, None if it is of none."""
    path = to_fs_path(uri) if uri.startswith("file:") else None
    return Path(path) if path is not None else None


def _inside(document: TextDocument, root: Path) -> str | None:
    """A document's path in an experiment, None if it is not in it."""
    file = _file_of(document.uri)
    path = file.resolve() if file is not None else None
    return path.relative_to(root).as_posix() if path is not None and path.is_relative_to(root) else None


def _meet(one: types.Range, other: types.Range) -> bool:
    return one.start <= other.end and other.start <= one.end
