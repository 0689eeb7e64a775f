"""The stand-in Kaltura that a checkout without an account pulls from: started when first needed, up until stopped.

    python -m resources.local.kaltura start|stop|url

It is a process of its own (`python -m simulator`), so that a run, the UI and a shell all see the same one.
"""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from resources.errors import ConfigurationError
from resources.kaltura.session import Credentials
from resources.settings import CHECKOUT, LOCAL, load_env_file
from simulator.tokens import DEMO

# Invented, and good for the stand-in alone.
CREDENTIALS = Credentials(str(DEMO.partner_id), app_token_id=DEMO.app_token_id, app_token=DEMO.app_token)

_started: list["subprocess.Popen[bytes]"] = []  # outlives this process, so nobody waits for it here

START_SECONDS = 30
STOP_SECONDS = 5


class StandinError(ConfigurationError):
    """The stand-in did not start; the message holds the last lines of its log."""


def folder() -> Path:
    return Path(os.environ.get("STANDIN_DIR") or LOCAL / "standin")


def start() -> str:
    """The base URL of a running stand-in. Idempotent, and safe for several processes at once. Raises `StandinError`."""
    with _locked():
        url = _answering_url()
        return url or _launch()


def stop() -> bool:
    """Whether there was one to stop."""
    with _locked():
        process = _process()
        (folder() / "url").unlink(missing_ok=True)
        (folder() / "pid").unlink(missing_ok=True)
        if process is None:
            return False
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
        return True


@contextmanager
def _locked() -> Iterator[None]:
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _answering_url() -> str | None:
    """The URL in the file, if what answers there is the process that we started."""
    file = folder() / "url"
    if _process() is None or not file.exists():
        return None
    url = file.read_text().strip()
    try:
        httpx.get(url, timeout=5, trust_env=False)
    except httpx.HTTPError:
        return None
    return url


def _process() -> psutil.Process | None:
    """The stand-in, if the pid in the file is still one: after a reboot the number may be anyone's."""
    try:
        process = psutil.Process(int((folder() / "pid").read_text()))
        return process if "simulator" in process.cmdline() else None
    except (OSError, ValueError, psutil.Error):
        return None


def _launch() -> str:
    url_file, log = folder() / "url", folder() / "standin.log"
    url_file.unlink(missing_ok=True)
    timezone = os.environ.get("PARTITION_TIMEZONE") or "UTC"
    command = [sys.executable, "-m", "simulator", "--port", "0", "--timezone", timezone, "--port-file", str(url_file)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    _started.append(process)
    (folder() / "pid").write_text(str(process.pid))
    gives_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < gives_up_at:
        if url_file.exists():
            return url_file.read_text().strip()
        if process.poll() is not None:
            break
        time.sleep(0.02)
    process.kill()
    raise StandinError("the stand-in Kaltura did not start:\n" + "\n".join(log.read_text().splitlines()[-10:]))


def main() -> int:
    load_env_file()
    parser = argparse.ArgumentParser(
        prog="python -m resources.local.kaltura", description="The stand-in Kaltura of this checkout."
    )
    parser.add_argument("verb", choices=["start", "stop", "url"])
    verb = parser.parse_args().verb
    try:
        if verb == "stop":
            print("stopped the stand-in Kaltura" if stop() else "no stand-in Kaltura was running")
        else:
            print(start())
    except StandinError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
