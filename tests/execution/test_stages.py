"""The stages trial and rehearse from the command line to the exit code, with the real sandbox, hydra, wandb, optuna and torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli import GONOGO, TRACEBACK, copy_of, gonogo
from mechanisms import containment_of

from gonogo.execution.sandbox import Mechanism

GOLDEN = Path(__file__).parents[1] / "golden"
PLAN = GOLDEN.parent / "golden.plan.yaml"
RUN = "proposed-mlp-digits"
HERE = ("--python", sys.prefix)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copy_of(GOLDEN, tmp_path / "experiment", PLAN)


def edit(tree: Path, path: str, old: str, new: str) -> None:
    text = (tree / path).read_text()
    assert text.count(old) == 1
    (tree / path).write_text(text.replace(old, new))


def checked(tree: Path, *options: str, to: str = "trial") -> tuple[int, dict[str, object]]:
    # Evidence may hold a traceback of the experiment's: that is none of ours.
    command = [*GONOGO, "check", str(tree), "--to", to, "--format", "json", *HERE, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert TRACEBACK not in done.stderr
    return done.returncode, json.loads(done.stdout)


class TestBadInput:
    """One sentence, exit code 2, nothing run."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--python", "/nowhere"), "/nowhere, which --python names"),
            (("--data-root", "/nowhere"), "/nowhere, which --data-root names"),
            (("--stand-in-plugins", "/nowhere"), "/nowhere, which --stand-in-plugins names"),
            (("--runs", "no-such-run"), "No run matches 'no-such-run': there are proposed-mlp-digits"),
            (("--sandbox", "none", "--require-sandbox"), "contradict each other"),
            (("--contract", "generic"), "does not say how runs are started"),
        ],
    )
    def test_option_that_can_not_be_used(self, tree: Path, options: tuple[str, ...], said: str) -> None:
        done = gonogo("check", tree, "--to", "trial", *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1

    @pytest.mark.slow
    def test_unknown_stage(self, tree: Path) -> None:
        assert gonogo("check", tree, "--to", "launch").returncode == 2

    @pytest.mark.slow
    def test_run_that_is_not_there(self, tree: Path) -> None:
        done = gonogo("trial", tree, "no-such-run")
        assert done.returncode == 2
        assert "No run matches 'no-such-run'" in done.stderr

    @pytest.mark.slow
    def test_python_that_is_none_is_undecided(self, tree: Path, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        done = gonogo("check", tree, "--to", "trial", "--python", tmp_path / "empty")
        assert done.returncode == 3
        assert "is not a Python that can be started" in done.stdout


@pytest.mark.slow
def test_stage_that_blocks_stops_the_more_expensive_ones(tree: Path) -> None:
    edit(tree, "src/train.py", "cfg.run.training.seed)\n    loaders", "cfg.run.training.sead)\n    loaders")
    code, verdict = checked(tree, to="rehearsal")
    assert code == 1
    stages = {stage["name"]: (stage["status"], stage["reason"]) for stage in verdict["stages"]}  # type: ignore[attr-defined]
    assert stages["trial"] == ("skipped", "1 finding of the stages before blocks (--keep-going)")
    assert stages["rehearsal"][0] == "skipped"


@pytest.mark.slow
class TestTrial:
    def test_run_is_timed_and_reported(self, tree: Path) -> None:
        code, verdict = checked(tree, "--runs", RUN)
        assert code == 0
        (stage,) = [stage for stage in verdict["stages"] if stage["name"] == "trial"]  # type: ignore[attr-defined]
        (run,) = stage["runs"]
        assert (run["run"], run["status"]) == (RUN, "ok")
        assert 0 < run["phases"]["task"] < run["phases"]["network"] < run["seconds"]
        assert any("in a sandbox" in note for note in verdict["notes"])  # type: ignore[attr-defined]

    @pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock", "none"])
    def test_every_mechanism_sees_the_same(self, tree: Path, mechanism: str) -> None:
        containment_of(Mechanism(mechanism))
        code, verdict = checked(tree, "--runs", RUN, "--sandbox", mechanism)
        assert (code, verdict["findings"]) == (0, [])

    def test_code_that_writes_to_the_probes_channel_is_seen_to_do_so(self, tree: Path) -> None:
        forged = 'open(__import__("os").environ["GONOGO_EVENTS"], "w").write(\'0123456789abcdef {"kind": "counts"}\\n\')\n'
        edit(
            tree,
            "src/train.py",
            "    torch.manual_seed(cfg.run.training.seed)\n",
            f"    {forged}    torch.manual_seed(cfg.run.training.seed)\n",
        )
        code, verdict = checked(tree, "--runs", RUN)
        assert code == 0
        assert any("not the probe's: 1" in note for note in verdict["notes"])  # type: ignore[attr-defined]

    def test_child_with_an_environment_of_its_own_is_watched(self, tree: Path) -> None:
        edit(
            tree,
            "src/main.py",
            "subprocess.run(command, check=True)",
            'subprocess.run(command, check=True, env={"PATH": "/usr/bin", "HOME": "/tmp"})',
        )
        edit(tree, "src/train.py", "    return settings | found\n", "    raise TypeError(f'{found} of the child')\n")
        code, verdict = checked(tree, "--runs", RUN)
        assert code == 1
        (finding,) = [finding for finding in verdict["findings"] if finding["rule"] == "TRI101"]  # type: ignore[attr-defined]
        assert finding["location"]["path"] == "src/train.py"
        assert "TypeError: {} of the child" in finding["message"]

    @pytest.mark.parametrize(
        "load",
        [
            "list(torch.utils.data.DataLoader(Broken(), num_workers=1))",
            "__import__('concurrent.futures').futures.ProcessPoolExecutor(1).submit(Broken().__getitem__, 0).result()",
            "__import__('multiprocessing').Pool(1).map(Broken().__getitem__, [0])",
        ],
    )
    def test_error_of_a_worker_is_found_at_its_own_line(self, tree: Path, load: str) -> None:
        path = tree / "src" / "train.py"
        broken = (
            "class Broken:\n    def __len__(self):\n        return 3\n\n    def __getitem__(self, index):\n        return {}['img']\n\n\n"
        )
        text = path.read_text().replace("@hydra.main", f"{broken}@hydra.main", 1)
        path.write_text(text.replace("    run = wandb.init(\n", f"    {load}\n    run = wandb.init(\n"))
        code, verdict = checked(tree, "--runs", RUN)
        assert code == 1
        (finding,) = [finding for finding in verdict["findings"] if finding["rule"] == "TRI101"]  # type: ignore[attr-defined]
        lines = path.read_text().split("\n")
        assert (finding["location"]["path"], lines[finding["location"]["line"] - 1].strip()) == ("src/train.py", "return {}['img']")
        assert finding["message"] == "it ends with KeyError: 'img'"

    def test_helpers_of_multiprocessing_are_watched_and_no_forgers(self, tree: Path) -> None:
        edit(
            tree,
            "src/train.py",
            "    run = wandb.init(\n",
            "    from concurrent.futures import ProcessPoolExecutor\n"
            "    from multiprocessing import get_context\n\n"
            '    for way in ("spawn", "forkserver", "fork"):\n'
            "        with ProcessPoolExecutor(1, mp_context=get_context(way)) as pool:\n"
            '            pool.submit(Path(f"left_by_{way}").touch).result()\n'
            "    run = wandb.init(\n",
        )
        _, verdict = checked(tree, "--runs", RUN)
        (finding,) = verdict["findings"]  # type: ignore[misc]
        assert finding["rule"] == "TRI105"  # the files that are left, which shows that the helpers ran
        assert all(f"left_by_{way}" in str(finding) for way in ("spawn", "forkserver", "fork"))
        assert not any("not the probe's" in note for note in verdict["notes"])  # type: ignore[attr-defined]

    def test_run_that_never_ends_is_ended_and_undecided(self, tree: Path) -> None:
        edit(tree, "src/main.py", '    print(f"starting the', '    import time\n\n    time.sleep(600)\n    print(f"starting the')
        code, verdict = checked(tree, "--runs", RUN, "--run-timeout", "6")
        assert code == 3
        assert [finding["rule"] for finding in verdict["findings"]] == ["TRI104"]  # type: ignore[attr-defined]
        assert "its time was up" in str(verdict["undecided"])

    @pytest.mark.parametrize(
        ("mechanism", "call", "inside"),
        [
            ("bubblewrap", "__import__('multiprocessing').Pool(1).map(__import__('time').sleep, [600])", ", inside `"),
            ("bubblewrap", "sum(range(10**12))", ""),
            ("landlock", "__import__('subprocess').run(['sleep', '600'])", ", inside `"),
        ],
    )
    def test_run_whose_time_is_up_tells_where_it_was(self, tree: Path, mechanism: str, call: str, inside: str) -> None:
        """Also in a child of its own, in a library, and in a call that lets no Python run."""
        containment_of(Mechanism(mechanism))
        path = tree / "src" / "main.py"
        path.write_text(path.read_text().replace("import subprocess\n", f"import subprocess\n\nif True:\n    {call}\n", 1))
        line = path.read_text().split("\n").index(f"    {call}") + 1
        code, verdict = checked(tree, "--runs", RUN, "--run-timeout", "20", "--sandbox", mechanism, "--keep-going")
        assert code in (1, 3)  # some rules of order do not like where that stands
        (finding,) = [finding for finding in verdict["findings"] if finding["rule"] == "TRI104"]  # type: ignore[attr-defined]
        assert (finding["location"]["path"], finding["location"]["line"]) == ("src/main.py", line)
        assert f"its time was up at src/main.py:{line} in `<module>`{inside}" in str(verdict["undecided"])

    def test_process_that_kills_itself_is_a_finding(self, tree: Path) -> None:
        edit(tree, "src/main.py", '    print(f"starting the', '    import os\n\n    os.kill(os.getpid(), 9)\n    print(f"starting the')
        code, verdict = checked(tree, "--runs", RUN)
        assert code == 1
        assert "signal 9 ends it" in str(verdict["findings"])

    @pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock"])
    def test_exit_code_0_without_an_end_is_no_go(self, tree: Path, mechanism: str) -> None:
        """It trains, and then leaves by the back door: in the process that trains, not in the one that is started."""
        containment_of(Mechanism(mechanism))
        path = tree / "src" / "train.py"
        path.write_text(
            path.read_text()
            + "\n\nimport os\nimport threading\n\nthreading.Thread(target=lambda: (threading.main_thread().join(), os._exit(0))).start()\n"
        )
        code, verdict = checked(tree, "--runs", RUN, "--sandbox", mechanism)
        assert code == 3, verdict["findings"]
        assert "nobody knows what it did: -m src.train ended without a word" in str(verdict["undecided"])

    @pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock"])
    def test_folder_of_the_callers_does_not_come_into_the_report(self, tree: Path, tmp_path: Path, mechanism: str) -> None:
        containment_of(Mechanism(mechanism))
        (tmp_path / "private").mkdir()
        (tmp_path / "private" / "token.txt").write_text("canary-of-the-caller")
        (tree / ".cache").symlink_to(tmp_path / "private")
        line = '    print(*[path.read_text() for path in Path(".cache").rglob("*.txt")])\n'
        edit(tree, "src/main.py", '    print(f"starting the', f'    from pathlib import Path\n\n{line}    print(f"starting the')
        code, verdict = checked(tree, "--runs", RUN, "--sandbox", mechanism, "--keep-going")
        assert code == 1 and [finding["rule"] for finding in verdict["findings"]] == ["STR102"]  # type: ignore[attr-defined]
        assert ".cache was not given to the runs (no folder but a symbolic link)" in str(verdict["undecided"])
        assert "canary-of-the-caller" not in str(verdict)

    def test_data_are_shown_where_they_are(self, tree: Path, tmp_path: Path) -> None:
        data = tmp_path / "data"
        data.mkdir()
        (data / "note.txt").write_text("real data")
        line = f"    print(open({str(data / 'note.txt')!r}).read())\n    images, labels = load_arrays(dataset_cfg)\n"
        edit(tree, "src/preprocess.py", "    images, labels = load_arrays(dataset_cfg)\n", line)
        code, verdict = checked(tree, "--runs", RUN)
        assert code == 3
        assert f"it needs {data / 'note.txt'}, which the sandbox shows only with --data-root" in str(verdict["undecided"])
        assert checked(tree, "--runs", RUN, "--data-root", str(data))[0] == 0

    def test_one_run_shows_all_it_says(self, tree: Path) -> None:
        done = gonogo("trial", tree, RUN, *HERE)
        assert done.returncode == 0
        assert f"── trial {RUN}" in done.stdout
        assert f"{RUN}: test accuracy" in done.stdout
        assert f"trial {RUN}: ok" in done.stdout


@pytest.mark.slow
class TestRehearsal:
    def test_own_check_of_a_number_is_undecided(self, tree: Path) -> None:
        line = "    test_accuracy, test_loss = score(logits, labels)\n"
        check = "    if test_accuracy < 0.9 and not cfg.trial_mode:\n        raise RuntimeError('too weak')\n"
        edit(tree, "src/train.py", line, line + check)
        code, verdict = checked(tree, "--runs", RUN, to="rehearsal")
        assert code == 3
        assert "test_accuracy < 0.9" in str(verdict["undecided"])

    def test_plan_can_set_what_two_batches_can_not_reach(self, tree: Path) -> None:
        line = "    test_accuracy, test_loss = score(logits, labels)\n"
        check = "    if test_accuracy < cfg.least and not cfg.trial_mode:\n        raise RuntimeError('too weak')\n"
        edit(tree, "src/train.py", line, line + check)
        edit(tree, "config/config.yaml", "trial_mode: false\n", "trial_mode: false\nleast: 0.9\n")
        with (tree / "plan.yaml").open("a") as plan:
            plan.write("rehearsal:\n  overrides: [least=0]\n")
        code, verdict = checked(tree, "--runs", RUN, to="rehearsal")
        assert (code, verdict["undecided"]) == (0, [])

    def test_what_fails_only_in_a_lowered_config_is_no_fault(self, tree: Path) -> None:
        check = "    if cfg.run.training.epochs == 1 or cfg.run.dataset.batch_size == 16:\n        raise ValueError('lowered')\n"
        edit(tree, "src/train.py", "    model = build_model(cfg.run.model)\n", check + "    model = build_model(cfg.run.model)\n")
        code, verdict = checked(tree, to="rehearsal")
        assert (code, verdict["findings"]) == (0, [])
        assert "Run twice" in str(verdict["notes"])

    def test_run_that_fails_only_in_a_lowered_config_is_run_again_alone(self, tree: Path) -> None:
        lowered = "cfg.run.training.label_smoothing > 0 and cfg.run.training.epochs == 1"
        check = f"    if {lowered}:\n        raise ValueError('lowered')\n"
        edit(tree, "src/train.py", "    model = build_model(cfg.run.model)\n", check + "    model = build_model(cfg.run.model)\n")
        for name in ("proposed-mlp-digits", "comparative-1-mlp-digits"):
            edit(tree, f"config/run/{name}.yaml", "batch_size: 64", "batch_size: 16")  # so small that it is not lowered
        code, verdict = checked(tree, to="rehearsal")
        assert code == 0
        (note,) = (note for note in verdict["notes"] if "Run twice" in note)
        assert RUN in note and note.count("-digits") == 1

    def test_runs_of_different_configs_are_not_compared(self, tree: Path) -> None:
        lowered = "cfg.run.training.label_smoothing > 0 and cfg.run.training.epochs == 1"
        check = f"    if {lowered}:\n        raise ValueError('lowered')\n"
        edit(tree, "src/train.py", "    model = build_model(cfg.run.model)\n", check + "    model = build_model(cfg.run.model)\n")
        code, verdict = checked(tree, to="rehearsal")
        assert (code, verdict["findings"]) == (0, [])  # its evaluation refuses to pair runs with different batch sizes
        (note,) = (note for note in verdict["notes"] if "Run twice" in note)
        assert RUN in note and note.count("-digits") == 2

    @pytest.mark.parametrize(
        ("old", "new", "rule"),
        [
            ("    api = wandb.Api()\n", '    api = getattr(wandb, "Ap" + "is")()\n', "TRI107"),
            ('    write_json(run_dir / "metrics.json", run)\n', '    write_json(run_dir.parent / "metrics.json", run)\n', "EVA114"),
        ],
    )
    def test_evaluation_of_some_runs_is_judged_by_what_does_not_need_the_others(self, tree: Path, old: str, new: str, rule: str) -> None:
        edit(tree, "src/evaluate.py", old, new)
        alone = '        comparison_dir.mkdir(parents=True)\n        write_json(comparison_dir / "aggregated_metrics.json", {"runs": len(runs)})\n        return\n'
        edit(tree, "src/evaluate.py", '        raise ValueError("a comparison needs a proposed run and a comparative run")\n', alone)
        code, verdict = checked(tree, "--runs", RUN, "--keep-going", to="rehearsal")
        assert code == 1, verdict["undecided"]
        assert rule in [finding["rule"] for finding in verdict["findings"] if finding["stage"] == "rehearsal"]

    def test_loop_without_an_end_of_its_own_is_bounded(self, tree: Path) -> None:
        loop = (
            "    batches, step = iter(loader), 0\n    while step < 1_000_000:\n        try:\n            images, labels = next(batches)\n"
            "        except StopIteration:\n            batches = iter(loader)\n            continue\n        step += 1\n"
        )
        edit(tree, "src/train.py", "    for images, labels in loader:\n        optimizer", loop + "        optimizer")
        code, verdict = checked(tree, "--runs", RUN, to="rehearsal")
        assert code == 0, (verdict["findings"], verdict["undecided"])

    def test_evaluation_that_fails_repeats_no_run(self, tree: Path) -> None:
        edit(tree, "src/evaluate.py", 'float(run.summary["test_loss"])', 'float(str(run.summary["test_loss"]) + " of 1")')
        code, verdict = checked(tree, to="rehearsal")
        assert code == 1 and [finding["rule"] for finding in verdict["findings"]] == ["TRI107"]
        assert "Run twice" not in str(verdict["notes"])
