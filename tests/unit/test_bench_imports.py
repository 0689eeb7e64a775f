"""What is measured by hand now and then has to start when it is."""

import subprocess
import sys
from pathlib import Path

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
