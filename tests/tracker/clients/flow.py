"""Everything a training script and an evaluation script do with wandb, call by call, with whatever client version runs this file.

Writes JSON into the file that it is given: by part, for each call its name and the error that it ended with, or null. It needs a tracker in its
environment and no package beside wandb; with numpy it tries more.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import wandb

ENTITY, PROJECT = "lab", "matrix"
VERSION = tuple(int(part) for part in wandb.__version__.split(".")[:3] if part.isdecimal())
# Older clients name artifacts of tables after the run, and allow no spaces in names of artifacts.
RUN = "proposed-ResNet-18 (11M)-CIFAR-10-C (severity 5)" if VERSION >= (0, 20) else "proposed-ResNet-18-CIFAR-10-C"
QUIET = "x_disable_stats" if VERSION >= (0, 19) else "_disable_stats"
PATH = f"{ENTITY}/{PROJECT}"
outcome: dict[str, list[tuple[str, str | None]]] = {}  # by part


@contextmanager
def call(name: str) -> Iterator[None]:
    """One call that is to work: a row of the matrix."""
    try:
        yield
    except (Exception, SystemExit) as error:
        note(name, f"{type(error).__name__}: {error}"[:600])
    else:
        note(name, None)


def note(name: str, error: str | None) -> None:
    """Keep what became of a call, also for those who find that a later one never ended."""
    list(outcome.values())[-1].append((name, error))
    Path(sys.argv[1]).write_text(json.dumps(outcome))


def fails(name: str, kind: type[Exception], says: str, does: Callable[[], Any]) -> None:
    """One call that is to end with an error of the client's own that says what is wrong."""
    with call(name):
        try:
            answer = does()
        except kind as error:
            assert says in str(error), f"the error does not say {says!r}: {error}"
        else:
            raise AssertionError(f"no error, but {answer!r}")


def same(found: Any, wanted: Any) -> None:
    """What came back is what was logged."""
    assert found == wanted, f"{found!r:.300} is not {wanted!r:.300}"


def common(folder: Path, project: str = PROJECT) -> dict[str, Any]:
    """What every run here is started with."""
    return {"entity": ENTITY, "project": project, "dir": str(folder), "settings": {QUIET: True}}


def train(folder: Path) -> None:
    """Log a run, with everything that a run can hold."""
    with call("wandb.init"):
        config = {"seed": 1, "model": {"name": "resnet18", "sizes": [1, 2]}, "lr": 1e-3}
        run = wandb.init(id=RUN, name="a title", tags=["a"], notes="why", group="g", job_type="train", config=config, **common(folder))
    with call("run.define_metric"):
        run.define_metric("accuracy", summary="max")
    with call("run.config.update"):
        run.config.update({"late": True})
    with call("run.log"):
        for step in range(20):
            run.log({"loss": 1 / (step + 3), "accuracy": step % 7, "nested": {"a": step}}, step=step)
        run.log({"odd": math.nan, "big": 2**60 + 1}, step=20, commit=True)
    with call("run.log(wandb.Table)"):
        run.log({"table": wandb.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]])})
    with call("run.log(wandb.Html)"):
        run.log({"html": wandb.Html("<p>hello</p>", inject=False)})
    with call("wandb.plot.line"):
        run.log({"curve": wandb.plot.line(wandb.Table(columns=["x", "y"], data=[[1, 2], [3, 4]]), "x", "y", title="curve")})
    with call("run.summary"):
        run.summary["nested"] = {"deep": {"list": [1, 2]}}
        run.summary.update({"best": 0.5})
    with call("run.save"):
        (folder / "notes.txt").write_text("notes\n")
        run.save(str(folder / "notes.txt"), base_path=str(folder), policy="now")
    with call("run.log_artifact"):
        artifact = wandb.Artifact("weights", type="model", metadata={"epoch": 1}, description="the best")
        (folder / "weights.bin").write_bytes(b"w" * 100_000)
        artifact.add_file(str(folder / "weights.bin"), name="deep/weights.bin")
        artifact.add(wandb.Table(columns=["c"], data=[[1]]), "examples")
        run.log_artifact(artifact, aliases=["best"]).wait()
        same(artifact.version, "v0")
    with call("run.log_artifact of the same content"):
        again = wandb.Artifact("weights", type="model", metadata={"epoch": 1}, description="the best")
        again.add_file(str(folder / "weights.bin"), name="deep/weights.bin")
        again.add(wandb.Table(columns=["c"], data=[[1]]), "examples")
        run.log_artifact(again, aliases=["last"]).wait()
        same(again.version, "v0")
    with call("artifact.new_draft"):
        draft = artifact.new_draft()
        (folder / "more.txt").write_text("more")
        draft.add_file(str(folder / "more.txt"))
        run.log_artifact(draft).wait()
        same(draft.version, "v1")
    with call("run.log_model"):
        run.log_model(str(folder / "weights.bin"), name="logged-model")
    with call("run.use_artifact"):
        used = run.use_artifact("weights:best")
        same(sorted(used.aliases), ["best", "last"])
    with call("artifact.download during a run"):
        target = Path(used.download(root=str(folder / "during")))
        same((target / "deep/weights.bin").read_bytes(), b"w" * 100_000)
    with call("run.log_code"):
        (folder / "code").mkdir()
        (folder / "code/a.py").write_text("print(1)\n")
        run.log_code(str(folder / "code"))
    with call("run.alert"):
        run.alert(title="look", text="something happened", level="WARN", wait_duration=0)
    with call("console capture"):
        print("printed by the training")
    with call("run.finish"):
        run.finish()
    if find_spec("numpy"):
        with wandb.init(id="plots", **common(folder)) as run:
            with call("run.log(wandb.Histogram)"):
                run.log({"histogram": wandb.Histogram([1, 2, 2, 3])})
            with call("wandb.plot.confusion_matrix"):
                run.log({"confusion": wandb.plot.confusion_matrix(y_true=[0, 1, 1], preds=[0, 1, 0], class_names=["cat", "dog"])})


def resume(folder: Path) -> None:
    """Go on with runs that there are, and ask for some that can't be had."""
    with call("wandb.init(resume='must')"):
        run = wandb.init(id=RUN, resume="must", **common(folder))
        same(run.resumed, True)
    with call("run.starting_step of a resumed run"):
        same(run.starting_step, 24)
    with call("run.log of a resumed run"):
        run.log({"loss": 0.0})
        run.finish()
    with call("wandb.init(resume='allow')"):
        with wandb.init(id="allowed", resume="allow", **common(folder)) as run:
            same(run.resumed, False)
            run.log({"x": 1})
        with wandb.init(id="allowed", resume="allow", **common(folder)) as run:
            same(run.starting_step, 1)
            run.log({"x": 2})
    # Up to 0.18, what a process starts after an init that failed waits, whatever the server.
    for how, name in (("never", RUN), ("must", "nowhere")):
        with call(f"wandb.init(resume={how!r}) that can't be"):
            said = alone("-c", REFUSED, how, name)
            assert "refused" in said and "resume" in said, said[-600:]


def offline(folder: Path) -> None:
    """Log without a tracker, and send that later."""
    # Up to 0.18, a process keeps the mode of a run for all later ones; so each mode has a process of its own.
    with call("wandb.init(mode='disabled')"):
        alone("-c", "import wandb; run = wandb.init(mode='disabled'); run.log({'x': 1}); run.finish()")
    with call("wandb.init(mode='offline')"):
        alone("-c", OFFLINE, folder)
    for name in ("wandb sync", "wandb sync again"):
        with call(name):
            (there,) = (folder / "wandb").glob("offline-run-*")
            said = alone("-m", "wandb", "sync", *(["--include-synced"] if "again" in name else []), there)
            assert "Exception" not in said, said[-600:]  # older clients end with exit code 0 whatever happens


def alone(*arguments: object, place: Path | None = None, **variables: str) -> str:
    """Run Python in a process that does not use the service of this one, to its end; what it said."""
    environment = {name: value for name, value in os.environ.items() if "WANDB_SERVICE" not in name} | variables
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def process(script: str, rank: int, folder: Path) -> subprocess.Popen[bytes]:
    """Start one of several processes, which must not use the service of this one."""
    environment = {name: value for name, value in os.environ.items() if "WANDB_SERVICE" not in name}
    return subprocess.Popen(
        [sys.executable, "-c", script, "shared" if script is SHARED else "same", str(rank), str(folder)], env=environment
    )


def branch(folder: Path) -> None:
    """Fork, rewind and share runs, link artifacts, and search by sweeps."""
    arguments = common(folder, BRANCHES)
    with wandb.init(id="source", **arguments) as run:
        for step in range(10):
            run.log({"loss": step})
    if VERSION >= (0, 19):
        with call("wandb.init(fork_from)"):
            with wandb.init(id="fork", fork_from="source?_step=4", **arguments) as run:
                run.log({"loss": 100})
            rows = [row["loss"] for row in wandb.Api().run(f"{ENTITY}/{BRANCHES}/fork").scan_history()]
            same(rows, [0, 1, 2, 3, 4, 100])
        with call("wandb.init(resume_from)"):
            with wandb.init(resume_from="source?_step=6", **arguments) as run:
                run.log({"loss": 200})
            rows = [row["loss"] for row in wandb.Api().run(f"{ENTITY}/{BRANCHES}/source").scan_history()]
            same(rows, [0, 1, 2, 3, 4, 5, 6, 200])
    if VERSION >= (0, 20):
        with call("wandb.init(mode='shared')"):
            processes = [process(SHARED, rank, folder) for rank in range(3)]
            same([each.wait(SECONDS) for each in processes], [0, 0, 0])
            run = wandb.Api().run(f"{ENTITY}/{BRANCHES}/shared")
            rows = list(run.scan_history())
            same([row["_step"] for row in rows], [*range(30)])
            same(sorted((row["rank"], row["n"]) for row in rows), [(rank, n) for rank in range(3) for n in range(10)])
            same(sorted(run.config), ["rank0", "rank1", "rank2"])
    with call("three processes with one id"):
        processes = [process(SAME_ID, rank, folder) for rank in range(3)]
        same([each.wait(SECONDS) for each in processes], [0, 0, 0])
        rows = list(wandb.Api().run(f"{ENTITY}/{BRANCHES}/same").scan_history())
        same(sorted((row["rank"], row["n"]) for row in rows), [(rank, n) for rank in range(3) for n in range(10)])
    with wandb.init(id="linker", **arguments) as run:
        artifact = wandb.Artifact("linked", type="model")
        (folder / "linked.txt").write_text("linked")
        artifact.add_file(str(folder / "linked.txt"))
        with call("run.log_artifact(tags)") if VERSION >= (0, 18, 7) else nullcontext():
            run.log_artifact(artifact, **({"tags": ["good"]} if VERSION >= (0, 18, 7) else {})).wait()
        with call("run.link_artifact"):
            run.link_artifact(artifact, f"{ENTITY}/{BRANCHES}/portfolio", aliases=["best"])
        with call("run.link_artifact to a registry"):
            run.link_artifact(artifact, "wandb-registry-models/portfolio", aliases=["best"])
    with call("api.artifact of a link"):
        found = wandb.Api().artifact(f"{ENTITY}/{BRANCHES}/portfolio:best")
        same((found.version, found.type), ("v0", "model"))
        target = Path(found.download(root=str(folder / "linked")))
        same((target / "linked.txt").read_text(), "linked")
    with call("artifact.download of references"):
        (folder / "there.txt").write_text("there")
        far = wandb.Artifact("far", type="model")
        far.add_reference((folder / "there.txt").resolve().as_uri())
        with wandb.init(id="referrer", **arguments) as run:
            run.log_artifact(far).wait()
        target = Path(wandb.Api().artifact(f"{ENTITY}/{BRANCHES}/far:v0").download(root=str(folder / "far")))
        same((target / "there.txt").read_text(), "there")
    with call("artifact.file"):
        same(Path(found.file(root=str(folder / "file"))).read_text(), "linked")
    with call("artifact.get_entry.download"):
        same(Path(found.get_entry("linked.txt").download(root=str(folder / "entry2"))).read_text(), "linked")
    if VERSION >= (0, 18, 7):
        with call("artifact.tags"):
            same(wandb.Api().artifact(f"{ENTITY}/{BRANCHES}/linked:v0").tags, ["good"])
    with call("run.upsert_artifact, run.finish_artifact"):
        for rank in range(3):
            part = wandb.Artifact("together", type="model")
            (folder / f"part{rank}.txt").write_text(f"part {rank}")
            part.add_file(str(folder / f"part{rank}.txt"))
            with wandb.init(id=f"rank{rank}", group="together", **arguments) as run:
                run.upsert_artifact(part) if rank < 2 else run.finish_artifact(part).wait()
        target = Path(wandb.Api().artifact(f"{ENTITY}/{BRANCHES}/together:v0").download(root=str(folder / "together")))
        same(sorted(file.read_text() for file in target.iterdir()), ["part 0", "part 1", "part 2"])
    with call("artifact.ttl"):
        own = wandb.Api().artifact(f"{ENTITY}/{BRANCHES}/linked:v0")
        own.ttl = timedelta(days=3)
        own.save()
        same(wandb.Api().artifact(f"{ENTITY}/{BRANCHES}/linked:v0").ttl, timedelta(days=3))
    if hasattr(wandb.Api, "registries"):
        with call("api.registries"):
            registries = [*wandb.Api().registries(organization=ENTITY)]
            same([registry.name.removeprefix("wandb-registry-") for registry in registries], ["models"])
            same([collection.name for collection in registries[0].collections()], ["portfolio"])
            same([version.version for version in registries[0].collections().versions()], ["v0"])
    with call("run.delete(delete_artifacts=True)"):
        wandb.Api().run(f"{ENTITY}/{BRANCHES}/linker").delete(delete_artifacts=True)
        assert not wandb.Api().artifact_exists(f"{ENTITY}/{BRANCHES}/linked:v0")


def search(folder: Path) -> None:
    """Search by sweeps."""
    for method in ("grid", "random"):
        config = {
            "method": method,
            "metric": {"name": "loss", "goal": "minimize"},
            "parameters": {"lr": {"values": [0.1, 0.2, 0.3]}, "depth": {"value": 2}},
        } | ({"run_cap": 4} if method == "random" else {})
        with call(f"wandb.sweep, wandb.agent: {method}"):
            sweep = wandb.sweep(config, entity=ENTITY, project=SEARCHES)

            def train() -> None:
                with wandb.init(dir=str(folder), settings=wandb.Settings(**{QUIET: True})) as run:
                    run.log({"loss": run.config["lr"] * run.config["depth"]})

            wandb.agent(sweep, function=train, entity=ENTITY, project=SEARCHES)
            found = wandb.Api().sweep(f"{ENTITY}/{SEARCHES}/{sweep}")
            values = sorted(run.config["lr"] for run in found.runs)
            assert values == [0.1, 0.2, 0.3] if method == "grid" else len(values) == 4, values
            same((found.state, found.config["method"]), ("FINISHED", method))
        with call(f"sweep.best_run: {method}"):
            same(found.best_run().config["lr"], min(values))


def command_line(folder: Path) -> None:
    """What the client's command line does: lists, pulls, restores, and searches."""
    place = folder / "shell"
    place.mkdir()

    def wandb_says(*arguments: str) -> str:
        return alone("-m", "wandb", *arguments, place=place, WANDB_ENTITY=ENTITY, WANDB_PROJECT=PROJECT)

    if not (0, 30) <= VERSION < (0, 32):  # there it asks for the length of what has none
        with call("wandb projects"):
            assert PROJECT in wandb_says("projects", "--entity", ENTITY)
    with call("wandb pull"):
        wandb_says("pull", RUN)
        assert (place / "notes.txt").exists() or [*place.rglob("*.txt")], [*place.rglob("*")]
    with call("wandb restore --no-git"):
        said = wandb_says("restore", "--no-git", f"{ENTITY}/{PROJECT}/{RUN}")
        restored = said.partition("Restored config variables to ")[2].split("\n")[0]  # the client has several ideas of its folder
        assert "seed" in Path(place, restored).read_text(), said
    with call("wandb sweep, wandb agent"):
        (place / "train.py").write_text(SHELL)
        parameters = {"lr": {"values": [0.1, 0.2]}}
        config = {"program": "train.py", "command": [sys.executable, "${program}", "${args}"], "method": "grid", "parameters": parameters}
        (place / "sweep.yaml").write_text(json.dumps(config))
        said = wandb_says("sweep", "sweep.yaml")
        sweep = next(line for line in said.splitlines() if "wandb agent" in line).split()[-1].rpartition("/")[2]
        wandb_says("agent", f"{ENTITY}/{PROJECT}/{sweep}")
        found = wandb.Api().sweep(f"{ENTITY}/{PROJECT}/{sweep}")
        same(sorted(run.summary["got"] for run in found.runs), [0.1, 0.2])


SHELL = "import sys, wandb\nrun = wandb.init()\nrun.log({'got': float(sys.argv[1].partition('=')[2])})\nrun.finish()\n"
SETTINGS = f"settings=wandb.Settings({QUIET}=True, console='off', silent=True{{more}}), dir=folder"
BRANCHES, SEARCHES, SECONDS = "branches", "searches", 100
BODY = """
open(os.path.join(folder, f'{name}-{rank}'), 'w').close()
while not all(os.path.exists(os.path.join(folder, f'{name}-{other}')) for other in range(3)):
    time.sleep(0.05)  # all of them live at once
for n in range(10):
    run.log({'rank': int(rank), 'n': n}); time.sleep(0.05)
run.finish()
"""
HEAD = f"import os, sys, time, wandb\n_, name, rank, folder = sys.argv\nrun = wandb.init(entity={ENTITY!r}, project={BRANCHES!r}, "
OFFLINE = f"""
import sys, wandb
from pathlib import Path
folder = Path(sys.argv[1])
settings = wandb.Settings({QUIET}=True)
with wandb.init(id='offline', mode='offline', config={{'seed': 2}}, entity={ENTITY!r}, project={PROJECT!r}, dir=folder, settings=settings) as run:
    for step in range(10):
        run.log({{'x': step}})
    run.log({{'table': wandb.Table(columns=['a'], data=[[1]])}})
    (folder / 'offline.txt').write_text('offline')
    run.save(str(folder / 'offline.txt'), base_path=str(folder), policy='now')
    found = wandb.Artifact('found', type='model')
    found.add_file(str(folder / 'offline.txt'))
    run.log_artifact(found)
"""
REFUSED = f"""
import sys, wandb
try:
    wandb.init(entity={ENTITY!r}, project={PROJECT!r}, resume=sys.argv[1], id=sys.argv[2], settings=wandb.Settings({QUIET}=True))
except wandb.Error as error:
    print('refused:', error)
"""
MORE = ", mode='shared', x_primary=rank == '0', x_label=f'rank{rank}', x_update_finish_state=rank == '0'"
SHARED = f"{HEAD}id='shared', config={{f'rank{{rank}}': 1}}, {SETTINGS.format(more=MORE)})\n{BODY}"
SAME_ID = f"{HEAD}id='same', {SETTINGS.format(more='')})\n{BODY}"


def read(folder: Path) -> None:
    """Read what `train` logged, as an evaluation script would."""
    with call("wandb.Api"):
        api = wandb.Api(timeout=60)
    with call("api.viewer"):
        same(api.viewer.username, "local")
    with call("api.default_entity"):
        same(api.default_entity, "local")
    with call("api.run"):
        run = api.run(f"{PATH}/{RUN}")
        same((run.id, run.name, run.state), (RUN, "a title", "finished"))
    with call("run.tags, notes, group, job_type"):
        same((run.tags, run.notes, run.group, run.job_type), (["a"], "why", "g", "train"))
    with call("run.config"):
        same(dict(run.config), {"seed": 1, "model": {"name": "resnet18", "sizes": [1, 2]}, "lr": 1e-3, "late": True})
    with call("run.summary (read)"):
        same(run.summary["nested"]["deep"]["list"], [1, 2])
        same((run.summary["accuracy"]["max"], run.summary["best"], run.summary["loss"]), (6, 0.5, 0))
    with call("run.lastHistoryStep"):
        same(run.lastHistoryStep, 24)
    with call("run.metadata"):
        assert run.metadata["python"]
    with call("run.scan_history"):
        rows = list(run.scan_history())
        same([row["_step"] for row in rows], [*range(25)])
        same([row["loss"] for row in rows[:20]], [1 / (step + 3) for step in range(20)])
        assert math.isnan(rows[20]["odd"])
        same(rows[20]["big"], 2**60 + 1)
    with call("run.scan_history(keys)"):
        same([row["loss"] for row in run.scan_history(keys=["loss", "accuracy"], page_size=7)][:20], [1 / (step + 3) for step in range(20)])
        same(len(list(run.scan_history(keys=["_step", "loss"], min_step=3, max_step=9))), 6)
    with call("run.history(pandas=False)"):
        same(len(run.history(pandas=False)), 25)
    with call("run.history(keys)"):
        same([row["accuracy"] for row in run.history(keys=["accuracy"], pandas=False)][:8], [0, 1, 2, 3, 4, 5, 6, 0])
    with call("run.history(stream='system')"):
        same(run.history(stream="system", pandas=False), [])
    with call("run.files"):
        names = [file.name for file in run.files()]
        assert {"config.yaml", "notes.txt", "output.log", "requirements.txt", "wandb-metadata.json", "wandb-summary.json"} <= {*names}, (
            names
        )
        if VERSION >= (0, 21):
            same([file.name for file in run.files(pattern="%.txt")], ["notes.txt", "requirements.txt"])
    with call("run.file.download"), run.file("notes.txt").download(root=str(folder / "files"), replace=True) as file:
        same(file.read(), "notes\n")
    with call("run.file of a table"), run.file(run.summary["table"]["path"]).download(root=str(folder / "files")) as file:
        same(json.load(file)["data"], [[1, "x"], [2, "y"]])
    with call("console output"), run.file("output.log").download(root=str(folder / "files")) as file:
        file.read()
    with call("run.logged_artifacts"):
        logged = {artifact.type: artifact for artifact in run.logged_artifacts()}
        assert {"model", "run_table", "code"} <= {*logged}, [*logged]
    with call("artifact.get of a table"):
        table = next(artifact for artifact in run.logged_artifacts() if artifact.type == "run_table" and "table" in artifact.name)
        same(table.get("table").data, [[1, "x"], [2, "y"]])
    with call("run.used_artifacts"):
        same([artifact.name for artifact in run.used_artifacts()], ["weights:v0"])
    with call("api.artifact"):
        artifact = api.artifact(f"{PATH}/weights:best", type="model")
        same((artifact.version, artifact.metadata, artifact.description), ("v0", {"epoch": 1}, "the best"))
    with call("api.artifact by version"):
        same(api.artifact(f"{PATH}/weights:v1").aliases, ["latest"])
    with call("artifact.download"):
        target = Path(artifact.download(root=str(folder / "artifact")))
        same(sorted(path.name for path in target.rglob("*") if path.is_file()), ["examples.table.json", "weights.bin"])
    with call("artifact.get_entry"):
        same(Path(artifact.get_entry("deep/weights.bin").download(root=str(folder / "entry"))).stat().st_size, 100_000)
    with call("artifact.files"):
        same(sorted(file.name for file in artifact.files()), ["deep/weights.bin", "examples.table.json"])
    with call("artifact.verify"):
        artifact.verify(root=str(folder / "artifact"))
    with call("artifact.logged_by, used_by"):
        same(artifact.logged_by().id, RUN)
        same([user.id for user in artifact.used_by()], [RUN])
    with call("artifact.save"):
        artifact.metadata["epoch"] = 2
        artifact.aliases.append("kept")
        artifact.aliases.remove("last")
        artifact.save()
        again = api.artifact(f"{PATH}/weights:kept")
        same((again.version, again.metadata, sorted(again.aliases)), ("v0", {"epoch": 2}, ["best", "kept"]))
    with call("api.artifacts"):
        same([version.version for version in api.artifacts("model", f"{PATH}/weights")], ["v1", "v0"])
    with call("api.artifact_collection, artifact_collections"):
        same(api.artifact_collection("model", f"{PATH}/weights").name, "weights")
        same(sorted(item.name for item in api.artifact_collections(PATH, "model")), ["found", "logged-model", "weights"])
        same(sorted(api.artifact_collection("model", f"{PATH}/weights").aliases), ["best", "kept", "latest"])
    with call("api.artifact_type, artifact_types"):
        same(api.artifact_type("model", PATH).name, "model")
        assert {"model", "run_table", "code"} <= {kind.name for kind in api.artifact_types(PATH)}
    with call("api.artifact_exists"):
        same([api.artifact_exists(f"{PATH}/weights:{version}") for version in ("v0", "latest", "v9")], [True, True, False])
        same(api.artifact_collection_exists(f"{PATH}/weights", "model"), True)
    with call("api.runs"):
        runs = api.runs(PATH, per_page=1)
        same(len(runs), len([*runs]))
        same([item.id for item in runs if item.id != "plots"], [RUN, "allowed", "offline"])
    with call("api.runs(filters, order)"):
        for filters in (
            {"config.seed": 1},
            {"config.seed.value": 1},
            {"$or": [{"config.seed": 1}, {"config.seed": 7}]},
            {"$and": [{"config.model.name": {"$in": ["resnet18"]}}, {"state": "finished"}]},
            {"summary_metrics.best": {"$gt": 0.4, "$lte": 0.5}},
            {"tags": "a"},
            {"display_name": {"$regex": "^a t"}},
        ):
            found = [item.id for item in api.runs(PATH, filters=filters)]
            assert found == [RUN], f"{filters} finds {found}"
        same([item.id for item in api.runs(PATH, order="-summary_metrics.x")][:2], ["offline", "allowed"])
    with call("runs of a synced offline run"):
        offline = api.run(f"{PATH}/offline")
        same((offline.state, offline.config), ("finished", {"seed": 2}))
        same([row["x"] for row in offline.scan_history(keys=["x"])], [*range(10)])
        with offline.file("offline.txt").download(root=str(folder / "files")) as file:
            same(file.read(), "offline")
    with call("artifacts of a synced offline run"):
        same(sorted(artifact.type for artifact in offline.logged_artifacts()), ["model", "run_table"])
        target = Path(api.artifact(f"{PATH}/found:latest").download(root=str(folder / "found")))
        same((target / "offline.txt").read_text(), "offline")
    with call("run.wait_until_finished"):
        run.wait_until_finished()
    with call("run.update"):
        run.config["reviewed"] = True
        run.tags.append("b")
        run.notes, run.name = "other", "another title"
        run.update()
        again = wandb.Api().run(f"{PATH}/{RUN}")
        same((again.config["reviewed"], again.tags, again.notes, again.name), (True, ["a", "b"], "other", "another title"))
    with call("run.summary.update"):
        run.summary.update({"evaluated": 0.25})
        same(wandb.Api().run(f"{PATH}/{RUN}").summary["evaluated"], 0.25)
    with call("run.upload_file"):
        (folder / "late.txt").write_text("late")
        run.upload_file(str(folder / "late.txt"), root=str(folder))
        same(wandb.Api().run(f"{PATH}/{RUN}").file("late.txt").size, 4)
    with call("file.delete"):
        run.file("late.txt").delete()
        assert "late.txt" not in [file.name for file in wandb.Api().run(f"{PATH}/{RUN}").files()]
    with call("run.log_artifact, run.use_artifact of Api"):
        api.run(f"{PATH}/offline").log_artifact(api.artifact(f"{PATH}/weights:v1"))
        run.use_artifact(api.artifact(f"{PATH}/weights:v1"))
        same(len(wandb.Api().run(f"{PATH}/{RUN}").used_artifacts()), 2)
    with call("api.project, api.projects"):
        same(api.project(PROJECT, entity=ENTITY).name, PROJECT)
        same([project.name for project in api.projects(ENTITY)], [PROJECT])
    with call("api.create_project"):
        api.create_project("made", ENTITY)
        same([project.name for project in wandb.Api().projects(ENTITY)], ["made", PROJECT])
    with call("artifact.delete"):
        api.artifact(f"{PATH}/weights:v0").delete(delete_aliases=True)
        same([version.version for version in wandb.Api().artifacts("model", f"{PATH}/weights")], ["v1"])
        later = Path(api.artifact(f"{PATH}/weights:latest").download(root=str(folder / "later")))
        same((later / "deep/weights.bin").read_bytes(), b"w" * 100_000)
    with call("run.delete"):
        api.run(f"{PATH}/allowed").delete()
        assert "allowed" not in [item.id for item in wandb.Api().runs(PATH)]
    fails("api.run of no run", wandb.Error, "nothing", lambda: api.run(f"{PATH}/nothing").config)
    fails("api.runs of no project", ValueError, "nothing", lambda: len(api.runs(f"{ENTITY}/nothing")))
    fails("api.artifact of no artifact", wandb.Error, "nothing", lambda: api.artifact(f"{PATH}/nothing:latest"))
    fails("api.runs with an unknown operator", Exception, "$near", lambda: len(api.runs(PATH, filters={"config.x": {"$near": 1}})))


PARTS: dict[str, Callable[[Path], None]] = {
    "log": train,
    "resume": resume,
    "offline, sync": offline,
    "read by Api": read,
    "fork, rewind, share, link": branch,
    "sweep": search,
    "command line": command_line,
}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        for title, part in PARTS.items():
            outcome[title] = []
            try:
                part(Path(scratch))
            except Exception as error:  # a call that is not listed needs what a failed one would have made
                note(f"the rest of {part.__name__}", f"not reached: {type(error).__name__}: {error}")
