"""A real Slurm of one node, for as long as a test needs it: Debian's slurm-wlm, as root, on loopback, with its files in one folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
CONFIG = """
ClusterName=gonogo
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={controller}
SlurmdPort={daemon}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def reason_for_none() -> str:
    """Why there can be no Slurm here; empty if there can."""
    if os.getuid() != 0:
        return "Slurm is started as root"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"there is no {missing[0]}: apt-get install slurm-wlm" if missing else ""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Slurm:
    """The daemons of one node."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a daemon that ends with the block."""
        log = self._stack.enter_context((self._folder / f"{command[0]}.log").open("ab"))
        process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def start_controller(self) -> None:
        """Start the head of the cluster, which is then `controller`."""
        self.controller = self.start("slurmctld", "-D")

    def wait(self) -> None:
        """Until the node takes jobs."""
        deadline = time.monotonic() + 60
        command = ["sinfo", "--noheader", "--format=%T"]
        while (
            said := subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        ).stdout.strip() != "idle":
            if time.monotonic() > deadline:
                logs = {log.name: log.read_text()[-1000:] for log in self._folder.glob("*.log")}
                raise TimeoutError(f"the node is {said.stdout.strip() or said.stderr.strip()}: {logs}")
            time.sleep(0.2)


@contextmanager
def running(folder: Path) -> Iterator[Slurm]:
    """Have a cluster; `SLURM_CONF` must then name the config in the folder."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    config = CONFIG.format(host=host, folder=folder, controller=free_port(), daemon=free_port(), cores=os.cpu_count() or 1)
    (folder / "slurm.conf").write_text(config)
    with ExitStack() as stack:
        slurm = Slurm(folder, stack)
        files = {
            "key-file": "munge.key",
            "socket": "munge.socket",
            "pid-file": "munged.pid",
            "log-file": "munge.txt",
            "seed-file": "munge.seed",
        }
        slurm.start("munged", "--force", "--foreground", *(f"--{option}={folder / name}" for option, name in files.items()))
        slurm.start_controller()
        slurm.start("slurmd", "-D")
        slurm.wait()
        yield slurm
