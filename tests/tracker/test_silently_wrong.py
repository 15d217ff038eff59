"""Ways in which a tracker once answered as if all were well, and was wrong: each kind has a test that fails without its cure."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import logging
import math
import os
import signal
import socket
import sqlite3
import stat
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urljoin

import pytest
import uvicorn
import wandb
from faults import kills, raw
from hypothesis import given
from hypothesis import strategies as st
from test_faults import small_disk, wait_for
from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry

from gonogo.tracker import Tracker, running
from gonogo.tracker.api.context import Context
from gonogo.tracker.api.run import RunNode
from gonogo.tracker.app import application
from gonogo.tracker.connection import PatientProtocol, protocol
from gonogo.tracker.logs import OneLine
from gonogo.tracker.pages.curves import Curves
from gonogo.tracker.service import Service
from gonogo.tracker.settings import Settings
from gonogo.tracker.store import Store, ids
from gonogo.tracker.store.artifacts import Draft, digest_of
from gonogo.tracker.store.database import Database
from gonogo.tracker.store.history import Chunk, History, lookup
from gonogo.tracker.store.tables import TABLES


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(Settings(tmp_path / "data"))
    yield opened
    opened.close()


def new_run(store: Store, name: str = "r") -> int:
    project = store.runs.make_project("local", "p")["id"]
    return store.runs.upsert(project, name, {})[0]


async def pieces(content: bytes, size: int = 1 << 16) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), size):
        yield content[begin : begin + size]


def upload(store: Store, file: int, content: bytes) -> None:
    asyncio.run(store.files.receive(file, pieces(content), len(content), 1 << 30))


# (1) uploads on a nearly full disk


@pytest.mark.slow
def test_an_upload_that_does_not_fit_is_not_said_to_be_stored(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as fill, running(tmp_path / "disk" / "data") as tracker:
        raw.make_run(tracker, "r")
        links = [raw.upload_path(tracker, "r", f"{number}.bin") for number in range(30)]
        fill(True)
        filler = tmp_path / "disk" / "filler"
        outcomes = []
        for number, link in enumerate(links):
            content = os.urandom(200_000 + number)
            os.truncate(filler, filler.stat().st_size - 4096 * (number % 7))  # some pages are free, never enough
            status = raw.request(tracker, "PUT", link, content)[0]
            outcomes.append((status, raw.files(tracker, "r").get(f"{number}.bin") == content))
            fill(True)
        assert {*outcomes} <= {(200, True), (503, False)}
        assert (503, False) in outcomes


def test_short_writes_are_gone_on_with(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Reluctant(io.FileIO):
        def write(self, data: Any) -> int:
            return super().write(bytes(data)[: max(1, len(data) // 3)])

    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", *rest, **more: Reluctant(self, "x") if mode == "xb" else real(self, mode, *rest, **more)
    )
    content = os.urandom(100_000)
    file = store.files.expect(run=new_run(store), name="a", md5=base64.b64encode(hashlib.md5(content).digest()).decode())
    upload(store, file, content)
    row = store.files.get(file)
    assert row is not None and row["size"] == len(content)
    monkeypatch.undo()
    assert store.files.path(row).read_bytes() == content


def test_an_uploads_folder_entry_is_on_the_disk_before_it_is_said_to_be_stored(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode)), real(descriptor))[1])
    upload(store, store.files.expect(run=new_run(store), name="a", md5=None), b"x")
    assert synced == [False, True]


def test_size_and_digest_are_those_of_what_is_on_the_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lossy(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(bytes(data)[:-1])
            return len(data)

    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", *rest, **more: Lossy(self, "x") if mode == "xb" else real(self, mode, *rest, **more)
    )
    file = store.files.expect(run=new_run(store), name="a", md5=None)
    with pytest.raises(Exception, match="3 bytes came, 4 were announced"):
        upload(store, file, b"abcd")
    row = store.files.get(file)
    assert row is not None and row["content"] is None


# (2) no entity


@pytest.mark.slow
@pytest.mark.parametrize("entity", ["", None])
def test_an_artifact_without_an_entity_goes_to_the_trackers_own(tmp_path: Path, entity: str | None) -> None:
    with running(tmp_path / "data") as tracker:
        answer = raw.graphql(tracker, raw.UPSERT, input={"entityName": entity, "modelName": "p", "name": "r"})
        assert answer[0] == 200
        body = {
            "entityName": entity or "",
            "projectName": "p",
            "runName": "r",
            "artifactTypeName": "t",
            "artifactCollectionName": "a",
            "digest": "d",
        }
        create = "mutation A($input: CreateArtifactInput!) { createArtifact(input: $input) { artifact { id createdBy { name } } } }"
        status, found = raw.graphql(tracker, create, input=body)
        assert (status, found["data"]["createArtifact"]["artifact"]["createdBy"]) == (200, {"name": "r"})
        files = "mutation F($input: CreateRunFilesInput!) { createRunFiles(input: $input) { runID } }"
        assert raw.graphql(tracker, files, input={"entityName": entity or "", "projectName": "p", "runName": "r", "files": ["a"]})[0] == 200
        used = "mutation U($input: UseArtifactInput!) { useArtifact(input: $input) { artifact { id } } }"
        number = found["data"]["createArtifact"]["artifact"]["id"]
        assert raw.graphql(tracker, used, input={"entityName": "", "projectName": "p", "runName": "r", "artifactID": number})[0] == 200
        body_of_stream = json.dumps(raw.history('{"_step": 0}')).encode()
        assert raw.request(tracker, "POST", "/files//p/r/file_stream", body_of_stream)[0] == 200


# (3) rows with some keys

KEYS = [
    "plain",
    "ключ",
    "lr=0.1/loss",
    "val,loss",
    "Loss (%)",
    "acc",
    "a&b",
    "a<b>c",
    'say "x"',
    "back\\slash",
    "tab\tkey",
    "a.b",
    " ",
    "",
    "é\u2028",
    "nest.acc",
]


def dumped(values: dict[str, Any], how: int) -> str:
    """JSON as different writers write it."""
    text = json.dumps(values, ensure_ascii=bool(how & 1), separators=((",", ":"), (", ", ": "))[how >> 1 & 1])
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e") if how & 4 else text


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("how", range(8))
def test_rows_with_a_key_are_all_found_whatever_it_is_called(store: Store, key: str, how: int) -> None:
    run = new_run(store)
    rows = []
    for step in range(400):
        row = {"_step": step, "every": step, "nest": {"acc": step, "plain": 1}, "text": f'"{key}":1'}
        rows.append(dumped(row | ({key: step} if step % 40 == 20 else {}), how))
    store.history.store(run, Chunk(rows=rows))
    found = store.history.sample_keys(run, [key], -10, 1000, 500)
    assert [row[key] for row in found] == [*range(400)] if key == "nest.acc" else [*range(20, 400, 40)]
    both = store.history.sample_keys(run, [key, "every"], -10, 1000, 500)
    assert [row["every"] for row in both] == [row[key] for row in found]
    assert [row[key] for row in store.history.sample_keys(run, [key], 100, 200, 500)] == [
        step for step in (row[key] for row in found) if 100 <= step <= 200
    ]


names = st.sampled_from(["a", "b", "a.b", "b.a", "x&y", "ж", "_step"]) | st.text(max_size=3)
logged = st.dictionaries(names, st.integers(0, 3) | st.dictionaries(names, st.integers(0, 3), max_size=2) | names, max_size=4)


@pytest.mark.slow
@given(
    st.lists(logged, min_size=1, max_size=12),
    st.lists(names, min_size=1, max_size=3),
    st.integers(0, 7),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_rows_with_keys_are_those_that_hold_them(rows: list[dict[str, Any]], keys: list[str], how: int, first: int, last: int) -> None:
    history, run = _in_memory()
    texts = [dumped(row | {"_step": step}, how) for step, row in enumerate(rows)]
    history.store(run, Chunk(rows=texts))
    wanted = [
        step for step, text in enumerate(texts) if first <= step <= last and all(not _is_missing(json.loads(text), key) for key in keys)
    ]
    assert [step for step, _ in history.places_with(run, keys, first, last)] == wanted
    everywhere = [step for step, text in enumerate(texts) if all(not _is_missing(json.loads(text), key) for key in keys)]
    assert [step for step, _ in history.places_with(run, keys)] == everywhere
    assert [step for step, _ in history.places_with(run, keys[:1])] == [
        step for step, text in enumerate(texts) if not _is_missing(json.loads(text), keys[0])
    ]


def _is_missing(row: dict[str, Any], key: str) -> bool:
    from gonogo.tracker.store.history import MISSING

    return lookup(row, key) is MISSING


class _Memory(Database):
    """A database in memory, for tests that make hundreds."""

    def __init__(self) -> None:
        self._writer = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._writer.row_factory = sqlite3.Row
        self._writer.executescript(TABLES)
        self._write_lock = threading.Lock()
        self.commits = 0

    def read(self) -> sqlite3.Connection:
        return self._writer

    def __del__(self) -> None:
        self._writer.close()  # since Python 3.13 a connection warns that nobody closed it


def _in_memory() -> tuple[History, int]:
    database = _Memory()
    with database.write() as connection:
        connection.execute("INSERT INTO project (entity, name, created_at) VALUES ('e', 'p', 0)")
        connection.execute("INSERT INTO run (project, name, created_at, heartbeat_at) VALUES (1, 'r', 0, 0)")
    return History(database), 1


# (4) a filter that hangs the server: see also test_filters


@pytest.mark.slow
def test_a_hanging_filter_is_ended_and_the_server_ends_when_asked(tmp_path: Path) -> None:
    count = 'query($f: JSONString) { project(name: "faults", entityName: "lab") { runCount(filters: $f) } }'
    with running(tmp_path / "data") as tracker:
        raw.make_run(tracker, "a" * 200 + "!")
        asked = json.dumps({"name": {"$regex": "(a|aa)+$"}})
        status, answer = raw.graphql(tracker, count, f=asked)
        assert status == 400 and "takes longer" in answer["errors"][0]["message"]
        threads = [threading.Thread(target=raw.graphql, args=(tracker, count), kwargs={"f": asked}) for _ in range(3)]
        for thread in threads:
            thread.start()
        tracker.process.terminate()
        assert tracker.process.wait(30) in (0, -signal.SIGTERM)
        for thread in threads:
            thread.join()


# (5) files of artifacts by their digest


@pytest.mark.slow
def test_a_file_of_an_artifact_is_had_by_its_digest(tmp_path: Path) -> None:
    contents = {"a.txt": b"one", "deep/b.txt": b"two"}
    with running(tmp_path / "data") as tracker:
        id = make_artifact(tracker, "weights", contents)
        for content in contents.values():
            digest = hashlib.md5(content).hexdigest()
            for path in (
                f"/artifactsV2/default/lab/p/weights/{quote(id)}/{digest}/a.txt",
                f"/artifactsV2/default/lab/p/weights/{quote(id)}/{quote(id)}/{digest}/a.txt",
                f"/artifactsV2/default/lab/{quote(id)}/{digest}",
                f"/artifactsV2/default/lab/p/weights//{digest}/a.txt",
                f"/artifacts/lab/{digest}",
            ):
                assert raw.request(tracker, "GET", path) == (200, content), path
                assert raw.request(tracker, "GET", path, headers={"Authorization": "Bearer wrong"})[0] == 401
        nothing = hashlib.md5(b"nothing").hexdigest()
        for path in (
            f"/artifactsV2/default/lab/p/weights/{quote(id)}/{nothing}/a.txt",
            "/artifactsV2/default",
            "/artifacts/x/y",
            "/artifacts/",
        ):
            assert raw.request(tracker, "GET", path)[0] == 404, path


DIRECT = """query D($id: ID!) { artifact(id: $id) { files { edges { node { name directUrl } } } } }"""


@pytest.mark.slow
def test_a_link_to_a_file_ends_with_its_name_and_stays_where_it_is(tmp_path: Path) -> None:
    names = ["a.txt", "deep/b c.txt", "../../up.txt", "./.", "q?x#y%2e", "ünï/日本.bin", "//x", "n" * 3000, "a/" * 300 + "end"]
    contents = {name: name.encode() for name in names}
    with running(tmp_path / "data") as tracker:
        id = make_artifact(tracker, "weights", contents)
        edges = raw.graphql(tracker, DIRECT, id=id)[1]["data"]["artifact"]["files"]["edges"]
        links = {edge["node"]["name"]: edge["node"]["directUrl"] for edge in edges}
        assert {*links} == {*names}
        for name, link in links.items():
            resolved = urljoin(tracker.url, link)
            assert resolved == link and len(link) < 1000, name
            assert raw.request(tracker, "GET", raw.path_of(link), headers={"Authorization": ""}) == (200, contents[name])
        assert links["deep/b c.txt"].endswith("/wandb_artifacts/deep/b%20c.txt")
        stem, _, end = raw.path_of(links["a.txt"]).partition("/wandb_artifacts/")
        assert raw.request(tracker, "GET", stem, headers={"Authorization": ""}) == (200, b"a.txt")
        place = len(stem) - 6  # the last letter of a base64 text has bits that mean nothing
        forged = f"{stem[:place]}{'A' if stem[place] != 'A' else 'B'}{stem[place + 1 :]}"
        assert raw.request(tracker, "GET", f"{forged}/wandb_artifacts/{end}", headers={"Authorization": ""})[0] == 403
        assert raw.request(tracker, "PUT", raw.path_of(links["a.txt"]), b"other")[0] >= 400


DESCRIBE = """mutation D($id: ID!, $text: String) { updateArtifactSequence(input: {artifactSequenceID: $id, description: $text}) {
    artifactCollection { id description } } }"""


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", None, "what it is", "ünï\n<b>"])
def test_a_collections_description_comes_back_as_it_was_given(tmp_path: Path, text: str | None) -> None:
    with running(tmp_path / "data") as tracker:
        id = make_artifact(tracker, "weights", {"a": b"1"})
        asked = "query Q($id: ID!) { artifact(id: $id) { artifactSequence { id description } } }"
        sequence = raw.graphql(tracker, asked, id=id)[1]["data"]["artifact"]["artifactSequence"]
        assert sequence["description"] is None
        for given in ("before", text):
            answer = raw.graphql(tracker, DESCRIBE, id=sequence["id"], text=given)[1]
            assert answer["data"]["updateArtifactSequence"]["artifactCollection"]["description"] == given
        assert raw.graphql(tracker, asked, id=id)[1]["data"]["artifact"]["artifactSequence"]["description"] == text


CREATE = "mutation A($input: CreateArtifactInput!) { createArtifact(input: $input) { artifact { id } } }"
MANIFEST = """mutation M($id: ID!) { createArtifactManifest(input: {artifactID: $id, name: "wandb_manifest.json", digest: "", entityName: "lab",
    projectName: "p", runName: "r", type: FULL}) { artifactManifest { file { uploadUrl } } } }"""
PARTS = """mutation F($files: [CreateArtifactFileSpecInput!]!) { createArtifactFiles(input: {artifactFiles: $files, storageLayout: V2}) {
    files { edges { node { name uploadUrl } } } } }"""
COMMIT = "mutation C($id: ID!) { commitArtifact(input: {artifactID: $id}) { artifact { versionIndex } } }"


def make_artifact(tracker: Tracker, name: str, contents: dict[str, bytes], **more: Any) -> str:
    """Log an artifact; its id."""
    body = {"entityName": "lab", "projectName": "p", "artifactTypeName": "t", "artifactCollectionName": name, "digest": os.urandom(4).hex()}
    id = raw.graphql(tracker, CREATE, input=body | more)[1]["data"]["createArtifact"]["artifact"]["id"]
    digests = {name: base64.b64encode(hashlib.md5(content).digest()).decode() for name, content in contents.items()}
    asked = [{"artifactID": id, "name": name, "md5": md5} for name, md5 in digests.items()]
    edges = raw.graphql(tracker, PARTS, files=asked)[1]["data"]["createArtifactFiles"]["files"]["edges"]
    for edge in edges:
        assert raw.request(tracker, "PUT", raw.path_of(edge["node"]["uploadUrl"]), contents[edge["node"]["name"]])[0] == 200
    manifest = {"contents": {name: {"digest": md5, "size": len(contents[name]), "birthArtifactID": id} for name, md5 in digests.items()}}
    link = raw.graphql(tracker, MANIFEST, id=id)[1]["data"]["createArtifactManifest"]["artifactManifest"]["file"]["uploadUrl"]
    assert raw.request(tracker, "PUT", raw.path_of(link), json.dumps(manifest).encode())[0] == 200
    status, answer = raw.graphql(tracker, COMMIT, id=id)
    assert status == 200, answer
    return str(id)


# (7) several processes that make one version together

PART = """mutation M($id: ID!) { createArtifactManifest(input: {artifactID: $id, name: "wandb_manifest.patch.json", digest: "", entityName: "lab",
    projectName: "p", runName: "r", type: PATCH}) { artifactManifest { id } } }"""
SENT = """mutation U($id: ID!) { updateArtifactManifest(input: {artifactManifestID: $id, digest: "d"}) {
    artifactManifest { file { uploadUrl } } } }"""
WHOLE = """query W($id: ID!) { artifact(id: $id) { versionIndex digest fileCount description aliases { alias } tags { name }
    currentManifest { file { directUrl } } } }"""


def send_part(tracker: Tracker, together: str, contents: dict[str, bytes], text: bytes | None = None, **more: Any) -> str:
    """Send one process's part of a version, as the client does; the id of the version."""
    body = {
        "entityName": "lab",
        "projectName": "p",
        "artifactTypeName": "t",
        "artifactCollectionName": "both",
        "digest": os.urandom(4).hex(),
    }
    body |= {"distributedID": together, "enableDigestDeduplication": True}
    id = str(raw.graphql(tracker, CREATE, input=body | more)[1]["data"]["createArtifact"]["artifact"]["id"])
    part = raw.graphql(tracker, PART, id=id)[1]["data"]["createArtifactManifest"]["artifactManifest"]["id"]
    digests = {name: base64.b64encode(hashlib.md5(content).digest()).decode() for name, content in contents.items()}
    asked = [{"artifactID": id, "name": name, "md5": md5} for name, md5 in digests.items()]
    for edge in raw.graphql(tracker, PARTS, files=asked)[1]["data"]["createArtifactFiles"]["files"]["edges"] if asked else ():
        assert raw.request(tracker, "PUT", raw.path_of(edge["node"]["uploadUrl"]), contents[edge["node"]["name"]])[0] == 200
    link = raw.graphql(tracker, SENT, id=part)[1]["data"]["updateArtifactManifest"]["artifactManifest"]["file"]["uploadUrl"]
    entries = {name: {"digest": md5, "size": len(contents[name])} for name, md5 in digests.items()}
    manifest = {"version": 1, "storagePolicy": "x", "contents": entries}
    assert raw.request(tracker, "PUT", raw.path_of(link), json.dumps(manifest).encode() if text is None else text)[0] == 200
    return id


@pytest.mark.slow
def test_a_version_that_several_processes_make_together_has_all_of_their_files(tmp_path: Path) -> None:
    with running(tmp_path / "data") as tracker:
        with ThreadPoolExecutor(4) as pool:
            more = [{"aliases": [{"artifactCollectionName": "both", "alias": f"of{rank}"}]} for rank in range(4)]
            ids = [*pool.map(lambda rank: send_part(tracker, "g", {f"part{rank}": b"%d" % rank}, **more[rank]), range(4))]
        assert len({*ids}) == 1
        assert raw.graphql(tracker, WHOLE, id=ids[0])[1]["data"]["artifact"]["versionIndex"] is None  # not finished
        id = send_part(tracker, "g", {}, description="all of it", tags=[{"tagName": "good"}])
        assert id == ids[0] and raw.graphql(tracker, COMMIT, id=id)[0] == 200
        found = raw.graphql(tracker, WHOLE, id=id)[1]["data"]["artifact"]
        manifest = json.loads(raw.request(tracker, "GET", raw.path_of(found["currentManifest"]["file"]["directUrl"]))[1])
        assert sorted(manifest["contents"]) == ["part0", "part1", "part2", "part3"] and found["fileCount"] == 4
        assert {alias["alias"] for alias in found["aliases"]} == {"latest", *(f"of{rank}" for rank in range(4))}
        assert (found["description"], found["tags"]) == ("all of it", [{"name": "good"}])
        # The next one is a version of its own, without what the last one had; what one process logs alone is another, too.
        again = send_part(tracker, "g", {"new": b"n"})
        assert raw.graphql(tracker, COMMIT, id=again)[0] == 200 and again != id
        assert raw.graphql(tracker, WHOLE, id=again)[1]["data"]["artifact"]["fileCount"] == 1
        assert send_part(tracker, "h", {}) != send_part(tracker, "g", {})
        assert make_artifact(tracker, "both", {"part0": b"0"}) not in (id, again)


@pytest.mark.slow
def test_a_part_that_cannot_be_read_is_not_left_out(tmp_path: Path) -> None:
    with running(tmp_path / "data") as tracker:
        for text in (b"", b"[]", b'{"contents": 5}', b'{"contents": {"a": {"size": "x"}}}'):
            id = send_part(tracker, "g", {}, text)
            send_part(tracker, "g", {"a": b"1"})
            status, answer = raw.graphql(tracker, COMMIT, id=id)
            assert status == 400 and "can't be read" in answer["errors"][0]["message"]


def test_the_digest_of_a_version_is_the_clients() -> None:
    manifest = wandb.Artifact("a", "t").manifest
    for name, digest in (("b", "2"), ("a/ü", "1"), ("a", "3")):
        manifest.add_entry(ArtifactManifestEntry(path=name, digest=digest, size=1))
    assert digest_of({name: {"digest": entry.digest} for name, entry in manifest.entries.items()}) == manifest.digest()


# (8) arguments that were taken and ignored

VERSIONS = """query V($order: String, $filters: JSONString) { project(name: "p", entityName: "lab") { artifactType(name: "t") {
    artifactCollection(name: "a") { artifacts(order: $order, filters: $filters) { edges { version node { size tags { name } ttlDurationSeconds } } } } } } }"""


def versions(tracker: Tracker, order: str | None = None, filters: dict[str, Any] | None = None) -> list[Any]:
    status, answer = raw.graphql(tracker, VERSIONS, order=order, filters=json.dumps(filters) if filters else None)
    if status != 200:
        return [answer["errors"][0]["message"]]
    edges = answer["data"]["project"]["artifactType"]["artifactCollection"]["artifacts"]["edges"]
    return [edge["version"] for edge in edges]


@pytest.mark.slow
def test_versions_are_ordered_filtered_and_tagged_as_asked(tmp_path: Path) -> None:
    with running(tmp_path / "data") as tracker:
        for size, tags in ((20, ["x"]), (30, []), (10, ["x", "y"])):
            make_artifact(tracker, "a", {"f": os.urandom(size)}, tags=[{"tagName": tag} for tag in tags])
        assert versions(tracker) == ["v2", "v1", "v0"]
        assert versions(tracker, "+size") == ["v2", "v0", "v1"]
        assert versions(tracker, "-createdAt") == ["v2", "v1", "v0"]
        assert versions(tracker, "+created_at") == ["v0", "v1", "v2"]
        assert versions(tracker, filters={"tags": "x"}) == ["v2", "v0"]
        assert versions(tracker, filters={"tags": {"$all": ["x", "y"]}}) == ["v2"]
        assert versions(tracker, filters={"alias": "latest"}) == ["v2"]
        assert "artifacts have no field 'shoes'" in versions(tracker, "shoes")[0]


def test_a_version_goes_when_its_time_is_over(store: Store) -> None:
    project = store.runs.make_project("lab", "p")["id"]
    made = {ttl: commit(store, project, Draft("t", f"a{ttl}", "d", ttl=ttl)) for ttl in (None, -2, 60, 600)}
    linked = commit(store, project, Draft("t", "linked", "d", ttl=60))
    store.artifacts.collections.link(linked, project, "kept", [])
    contents = {ttl: store.files.path(store.files.of_artifact(id)[0]) for ttl, id in made.items()}
    assert store.artifacts.expire(time.time()) == 0
    assert store.artifacts.expire(time.time() + 300) == 1
    assert {ttl: path.exists() for ttl, path in contents.items()} == {None: True, -2: True, 60: False, 600: True}
    assert [row["state"] for row in map(store.artifacts.get, [*made.values(), linked]) if row] == ["COMMITTED"] * 2 + ["DELETED"] + [
        "COMMITTED"
    ] * 2


def commit(store: Store, project: int, draft: Draft, content: bytes = b"content") -> int:
    """A version with one file."""
    artifact = int(store.artifacts.create(project, draft)["id"])
    upload(store, store.files.expect(artifact=artifact, name="f", md5=None), content)
    entry = {"size": len(content), "birthArtifactID": ids.make("Artifact", artifact)}
    manifest = store.artifacts.make_manifest(artifact, "FULL", "")
    upload(store, store.files.expect(manifest=manifest, name="m", md5=None), json.dumps({"contents": {"f": entry}}).encode())
    store.artifacts.commit(artifact)
    return artifact


# (9) deleting


def used(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file() and path.name != "reserve")


@pytest.mark.slow
def test_deleting_gives_the_space_back(tmp_path: Path) -> None:
    store = Store(Settings(tmp_path / "data"))
    project = store.runs.make_project("lab", "p")["id"]
    store.database.give_back()
    before = used(tmp_path)
    runs = [store.runs.upsert(project, f"r{number}", {})[0] for number in range(3)]
    for run in runs:
        rows = [json.dumps({"_step": step, "text": os.urandom(300).hex()}) for step in range(3000)]
        store.history.store(run, Chunk(rows=rows, lines={"output.log": (0, ["x" * 200] * 2000)}))
        upload(store, store.files.expect(run=run, name="f", md5=None), os.urandom(1 << 20))
    artifact = commit(store, project, Draft("t", "a", "d", run=runs[0]), os.urandom(1 << 20))
    full = used(tmp_path)
    assert full > before + 9_000_000
    store.deletion.run(runs[1])
    store.deletion.run(runs[0], with_artifacts=True)
    store.database.give_back()
    assert (row := store.artifacts.get(artifact)) is not None and row["state"] == "DELETED"
    assert used(tmp_path) < before + (full - before) // 2
    assert store.history.ends(runs[2]) == (0, 2999)
    store.deletion.project(project)
    store.database.give_back()
    assert used(tmp_path) < before + 200_000
    assert [*(tmp_path / "data/files").iterdir()] == []
    store.close()
    assert kills.integrity(tmp_path / "data") == "ok"


@pytest.mark.slow
def test_a_run_is_deleted_on_a_full_disk_and_makes_room(tmp_path: Path) -> None:
    delete = "mutation D($id: ID!) { deleteRun(input: {id: $id, deleteArtifacts: true}) { clientMutationId } }"
    with small_disk(tmp_path / "disk") as fill, running(tmp_path / "disk" / "data") as tracker:
        id = raw.make_run(tracker, "r")[1]["data"]["upsertBucket"]["bucket"]["id"]
        rows = [json.dumps({"_step": step, "text": os.urandom(300).hex()}) for step in range(6000)]
        assert raw.stream(tracker, "r", raw.history(*rows)) == 200
        assert raw.request(tracker, "PUT", raw.upload_path(tracker, "r", "f"), os.urandom(2 << 20))[0] == 200
        link = raw.upload_path(tracker, "r", "g")
        fill(True)
        assert raw.request(tracker, "PUT", link, os.urandom(1 << 20))[0] == 503
        status, answer = raw.graphql(tracker, delete, id=id)
        assert status == 200, answer
        wait_for(
            lambda: os.statvfs(tmp_path / "disk").f_bavail * os.statvfs(tmp_path / "disk").f_frsize > 4 << 20, "the space to come back"
        )
        assert raw.make_run(tracker, "another")[0] == 200
        (tmp_path / "disk" / "filler").unlink()
        tracker.process.kill()
        tracker.process.wait()
        assert kills.integrity(tracker.folder) == "ok"


# (10) control characters


@given(st.text(max_size=40))
def test_an_event_is_one_line_of_visible_characters(text: str) -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 0, "alert of run %s", (text,), None)
    line = OneLine().format(record)
    assert line.isprintable()
    assert line.encode("unicode_escape").decode() == line.encode("unicode_escape").decode()


def test_a_traceback_cannot_be_taken_for_other_events() -> None:
    try:
        raise ValueError("x\ngonogo tracker: all is well\x1b[2J")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "broken", (), (ValueError, error, error.__traceback__))
    lines = OneLine().format(record).split("\n")
    assert lines[0] == "gonogo tracker: broken"
    assert all(line.startswith("    ") and line.isprintable() for line in lines[1:])
    assert "\\x1b[2J" in lines[-1]


def test_what_a_run_alerts_can_not_forge_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    alert = """mutation N($t: String!) { notifyScriptableRunAlert(input: {entityName: "lab", projectName: "faults", runName: "r", title: $t,
        text: "x", severity: WARN}) { success } }"""
    service = Service(Settings(tmp_path / "data"))
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.getLogger("gonogo.tracker").addHandler(handler)
    try:
        with served(service) as tracker:
            raw.make_run(tracker, "r")
            assert raw.graphql(tracker, alert, t="evil\n\x1b[31mgonogo tracker: forged")[0] == 200
    finally:
        logging.getLogger("gonogo.tracker").removeHandler(handler)
        service.store.close()
    said = capfd.readouterr().err
    assert "alert of run r: evil\\n\\x1b[31mgonogo tracker: forged: x" in said
    assert "\x1b" not in said


@contextmanager
def served(service: Service, http: type = PatientProtocol) -> Iterator[Tracker]:
    """A tracker in a thread of this process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(application(service), http=http, ws="none", lifespan="off", log_level="error", log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield Tracker(url, service.credentials.key, "", service.settings.folder, None)  # type: ignore[arg-type]
        finally:
            server.should_exit = True
            thread.join()


# (11) who may read the data


@pytest.mark.parametrize("older", [False, True])
def test_nobody_else_may_read_the_data_whatever_the_folder_allows(tmp_path: Path, older: bool) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    before = os.umask(0)
    try:
        if older:  # as an earlier version left it
            for name in ("tracker.sqlite3", "lock"):
                (folder / name).touch(0o644)
            (folder / "files").mkdir(0o755)
        store = Store(Settings(folder))
        upload(store, store.files.expect(run=new_run(store), name="a", md5=None), b"secret")
        found = {path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert {name for name, mode in found.items() if mode & 0o077} == set(), found
    assert {"tracker.sqlite3", "tracker.sqlite3-wal", "files"} <= found.keys()


# (12) who is waited for


@pytest.mark.slow
def test_a_head_that_does_not_end_and_a_body_that_stops_are_not_waited_for(tmp_path: Path) -> None:
    service = Service(Settings(tmp_path / "data"))
    try:
        with served(service, protocol(header_seconds=1, body_seconds=1)) as tracker:
            slow = [
                b"",
                b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\n",
                raw.head(tracker, "POST", "/graphql", "Content-Length: 100") + b"{",
            ]
            for text in slow:
                with socket.create_connection(("127.0.0.1", raw.port_of(tracker)), timeout=60) as connection:
                    connection.sendall(text)
                    while connection.recv(4096):  # it may say why; then it ends
                        pass
            # One that goes on is waited for, however long it takes in all.
            raw.make_run(tracker, "r")
            body = json.dumps(raw.history('{"_step": 0}')).encode()
            with socket.create_connection(("127.0.0.1", raw.port_of(tracker)), timeout=60) as connection:
                connection.sendall(raw.head(tracker, "POST", "/files/lab/faults/r/file_stream", f"Content-Length: {len(body)}"))
                for byte in body[:-1]:
                    connection.sendall(bytes([byte]))
                    time.sleep(2.5 / len(body))
                connection.sendall(body[-1:])
                assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        service.store.close()


def test_no_part_of_an_answer_waits_for_the_client_to_confirm_another(tmp_path: Path) -> None:
    seen = []

    class Watched(PatientProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            seen.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    service = Service(Settings(tmp_path / "data"))
    try:
        with served(service, Watched) as tracker, socket.create_connection(("127.0.0.1", raw.port_of(tracker)), timeout=60) as connection:
            connection.sendall(raw.head(tracker, "GET", "/healthz"))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        service.store.close()
    assert seen and all(seen)


# Data of earlier versions


def test_the_tables_of_an_earlier_version_are_brought_up_to_date(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "tracker.sqlite3")) as connection, connection:
        connection.execute("PRAGMA page_size = 16384")
        connection.executescript((Path(__file__).parent / "tables_1.sql").read_text())
        connection.execute("INSERT INTO project (entity, name, created_at) VALUES ('lab', 'p', 1)")
        connection.execute("INSERT INTO run (project, name, created_at, heartbeat_at, rows) VALUES (1, 'r', 1, 2, 3)")
        lines = [json.dumps({"_step": step, "_timestamp": 100 + step, "x": step}) for step in range(3)]
        connection.executemany("INSERT INTO history (run, step, line) VALUES (1, ?, ?)", [*enumerate(lines)])
        connection.executemany("INSERT INTO metric VALUES (1, ?, 'number', 3)", [("_step",), ("_timestamp",), ("x",)])
        connection.execute("PRAGMA user_version = 1")
    store = Store(Settings(folder))
    assert store.history.page(1, 0, 9, 9) == lines
    store.history.store(1, Chunk(rows=[json.dumps({"_step": 1, "_timestamp": 50, "x": 9})]))  # of an earlier attempt, synced late
    assert store.history.page(1, 0, 9, 9) == lines
    store.history.store(1, Chunk(rows=[json.dumps({"_step": 3, "_timestamp": 103, "x": 9})], first_row=3))
    assert len(store.history.page(1, 0, 9, 9)) == 4
    fresh = Store(Settings(tmp_path / "fresh"))
    assert shape(store.database.read()) == shape(fresh.database.read())
    store.deletion.run(1)
    store.close()
    fresh.close()
    assert kills.integrity(folder) == "ok"


def shape(connection: sqlite3.Connection) -> Any:
    """Tables with their columns and what they refer to, and the indexes."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]
    columns = {table: sorted(tuple(row)[1:] for row in connection.execute(f"PRAGMA table_info({table})")) for table in tables}
    refers = {table: sorted(tuple(row)[2:] for row in connection.execute(f"PRAGMA foreign_key_list({table})")) for table in tables}
    indexes = sorted(name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'"))
    modes = [tuple(connection.execute(f"PRAGMA {name}").fetchone()) for name in ("auto_vacuum", "user_version", "page_size")]
    return columns, refers, indexes, modes


# What showed itself later


def test_a_metric_that_begins_with_nan_is_charted_and_keys_of_objects_are_named(store: Store) -> None:
    run = new_run(store)
    lines = [{"loss": "NaN", "late": None}, {"loss": math.inf, "a": {"b": 1, "c": {"d": [1]}}}, {"late": 3, "a": {"b": 5}}]
    for number, row in enumerate(lines):
        store.history.store(run, Chunk(rows=[json.dumps({"_step": number} | row)], first_row=number))
    row = store.runs.get(run)
    assert row is not None and sorted(Curves(store, row).names()) == ["a.b", "late", "loss"]
    keys = RunNode(Context(store, Settings(Path("unused")), cast(Any, None), cast(Any, None), cast(Any, None)), row).history_keys()["keys"]
    assert {name: (about["typeCounts"], about["previousValue"]) for name, about in keys.items()} == {
        "_step": ([{"type": "number", "count": 3}], 2),
        "loss": ([{"type": "number", "count": 2}], "Infinity"),
        "late": ([{"type": "number", "count": 2}], 3),
        "a.b": ([{"type": "number", "count": 2}], 5),
    }
