"""A cluster of one machine: ``sbatch``, ``srun`` and ``scontrol`` that stand first in PATH."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

# Each notes its words; a file <name>.refusal makes it fail with that sentence.
_NOTES = """#!{python}
import json, os, subprocess, sys
from pathlib import Path
name, here = Path(__file__).name, Path(__file__).parent
with (here / f"{{name}}.calls").open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
refusal = here / f"{{name}}.refusal"
if refusal.exists():
    sys.exit(refusal.read_text())
"""
_SBATCH = _NOTES + 'print("Submitted batch job 42")\n'
# Runs the command once per task of the job and hands signals on, as Slurm does.
_SRUN = (
    _NOTES
    + """
import signal
command = [word for word in sys.argv[1:]]
while command[0].startswith("--"):
    command.pop(0)
size = int(os.environ["SLURM_NTASKS"])
tasks = []
for rank in range(size):
    own = {{"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank), "SLURM_STEP_ID": "0"}}
    tasks.append(subprocess.Popen(command, env={{**os.environ, **own}}))
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, lambda number, frame: [task.send_signal(number) for task in tasks])
sys.exit(max(task.wait() for task in tasks))
"""
)


@dataclass
class Cluster:
    """The folder of the three programs."""

    bin: Path

    def calls(self, name: str) -> list[list[str]]:
        """Return the words of every call of a program."""
        file = self.bin / f"{name}.calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def refuse(self, name: str, sentence: str) -> None:
        """Let a program fail from now on."""
        (self.bin / f"{name}.refusal").write_text(sentence)

    def environment(self, tasks: int, restarts: int = 0) -> dict[str, str]:
        """Return that of a job's script."""
        return {
            **os.environ,
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "ENVIRONMENT": "BATCH",
            "SLURM_JOB_ID": "42",
            "SLURM_NTASKS": str(tasks),
            "SLURM_JOB_NODELIST": "localhost",
            "SLURM_TASKS_PER_NODE": str(tasks),
            "SLURM_RESTART_COUNT": str(restarts),
        }


def fake_cluster(folder: Path) -> Cluster:
    """Write the programs below ``folder``."""
    place = folder / "bin"
    place.mkdir()
    for name, text in (("sbatch", _SBATCH), ("srun", _SRUN), ("scontrol", _NOTES)):
        (place / name).write_text(text.format(python=sys.executable))
        (place / name).chmod(0o755)
    return Cluster(place)
