"""The machine that figures were measured on, in words that tell nothing else about it."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil
import psycopg


def describe(url: str) -> dict[str, str]:
    """Processor, memory, and the releases that count. `url` is the database's."""
    with psycopg.connect(url) as connection:
        server = connection.execute("SHOW server_version").fetchone()
        buffers = connection.execute("SHOW shared_buffers").fetchone()
    names = ("dagster", "pandas", "pyarrow", "psycopg", "dlt", "adbc-driver-postgresql", "sqlalchemy")
    return {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "postgres": f"{server[0] if server else ''}, shared_buffers {buffers[0] if buffers else ''}, durability on",
        "libraries": ", ".join(f"{name} {version(name)}" for name in names),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
