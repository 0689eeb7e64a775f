"""What is measured by hand now and then has to start when it is."""

import re
import subprocess
import sys
from pathlib import Path

from pipelines.definitions import defs

BENCH = Path(__file__).parents[2] / "bench"


def test_each_module_of_bench_can_be_imported() -> None:
    names = [
        ".".join(path.relative_to(BENCH.parent).with_suffix("").parts)
        for path in BENCH.rglob("*.py")
        if path.name != "__main__.py"
    ]
    assert len(names) > 20
    program = f"import importlib\nfor name in {sorted(names)}:\n    importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=BENCH.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_each_job_that_bench_executes_is_there() -> None:
    """By its name as a text: one that is imported with its definition can't be another's."""
    repository = defs.get_repository_def()
    of_schedules = set(re.findall(r'(?<!\.)\brun\(\s*"(\w+)"', (BENCH / "recorded.py").read_text("utf-8")))
    assert "nightly_history" in of_schedules
    assert of_schedules <= {schedule.name for schedule in repository.schedule_defs}
    texts = [path.read_text("utf-8") for path in BENCH.rglob("*.py")]
    named = {name for text in texts for name in re.findall(r'(?:"-j",|"--job",|JOB =)\s*"(\w+)"', text)}
    assert named <= {job.name for job in repository.get_all_jobs()}
