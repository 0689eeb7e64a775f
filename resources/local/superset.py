"""The Superset of a checkout: an environment of its own, its secrets, and its processes. Nothing of it is imported here.

folder/venv/       made by `make dashboards` from locks/dashboards.txt
folder/secrets/    a file for each secret, made once, for their owner alone
folder/superset.db what Superset knows: users, roles, dashboards, and what people make of them
"""

import os
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from resources.errors import ConfigurationError
from resources.runtime.atomic_file import atomic_file
from resources.settings import CHECKOUT, LOCAL, folder_of

CODE = CHECKOUT / "dashboards"
SECRETS = ("superset_secret_key", "superset_admin_password", "analyst_password", "people_password")
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
# In the environment of each process that is started and of all that these start: the folder that they are of.
MARK = "KALTURA_ROOMS_SUPERSET"
_THREADS = 8
_LAST_LINES = 15


class SupersetError(ConfigurationError):
    """Superset is not installed, or did not do what it was asked; the message says what to do."""


@dataclass(frozen=True)
class Superset:
    """Where it keeps its things."""

    folder: Path = field(default_factory=lambda: folder_of("SUPERSET_DIR") or LOCAL / "superset")
    environment: Path = LOCAL / "superset" / "venv"
    settings: Path = CODE / "superset_config.py"

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    @property
    def secrets(self) -> Path:
        """A container has them elsewhere."""
        return Path(os.environ.get("DASHBOARDS_SECRETS") or self.folder / "secrets")

    @property
    def log(self) -> Path:
        return self.folder / "superset.log"

    @property
    def pid_file(self) -> Path:
        return self.folder / "dashboards.pid"

    def require(self) -> None:
        """Raises `SupersetError` where it is not installed."""
        if not (self.environment / "installed").exists():
            raise SupersetError(
                "Superset is not installed here. `make dashboards` does that, in an environment of its own."
            )

    def make_secrets(self) -> bool:
        """Make those that are not there yet. Whether the administrator's password is one of them."""
        self.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)  # Superset's own database holds the warehouse's password, encrypted
        made = [name for name in SECRETS if _write_once(self.secrets / name, secrets.token_urlsafe(32))]
        return "superset_admin_password" in made

    def secret(self, name: str) -> str:
        """Raises `SupersetError` where there is none."""
        try:
            return (self.secrets / name).read_text("utf-8").strip()
        except OSError as error:
            raise SupersetError(f"{self.secrets / name} can't be read: {error.strerror}.") from None

    def set_up(self, bundle: Path) -> None:
        """Have its database current and the bundle in it. Raises `SupersetError`."""
        start = self._log_size()
        command = [str(self.python), str(CODE / "set_up.py"), str(bundle)]
        with self._opened_log() as log:
            done = subprocess.run(
                command,
                cwd=CODE,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        if done.returncode:
            raise SupersetError(f"Superset could not be set up. The end of its log, {self.log}:\n{self.tail(start)}")

    def serve(self, port: int) -> subprocess.Popen[bytes]:
        """Superset on this machine's own address alone."""
        gunicorn = self.python.with_name("gunicorn")
        command = [str(gunicorn), "--bind", f"127.0.0.1:{port}", "--workers", "1", "--worker-class", "gthread"]
        command += ["--threads", str(_THREADS), "--timeout", "120", "superset.app:create_app()"]
        with self._opened_log() as log:
            return subprocess.Popen(
                command,
                cwd=CODE,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def tail(self, after: int = 0) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_bytes()[after:].decode("utf-8", "replace").strip().splitlines()[-_LAST_LINES:])

    def _environment(self) -> dict[str, str]:
        """Next to nothing of ours: it holds other passwords."""
        return {name: os.environ[name] for name in _KEPT if name in os.environ} | {
            "SUPERSET_HOME": str(self.folder),
            MARK: str(self.folder.resolve()),
            "DASHBOARDS_SECRETS": str(self.secrets),
            "SUPERSET_CONFIG_PATH": str(self.settings),
            "FLASK_APP": "superset.app:create_app()",
            "PYTHONWARNINGS": "ignore",
        }

    def _opened_log(self) -> BinaryIO:
        """For its owner alone: what is asked for stands in it where it fails."""
        return os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")

    def _log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0


def _write_once(file: Path, text: str) -> bool:
    """Whether it was made now. An empty one is none: earlier versions left it where there was no room."""
    try:
        if file.read_bytes().strip():
            return False
    except FileNotFoundError:
        pass
    except OSError:  # `secret` says why it can't be read
        return False
    with atomic_file(file) as draft:
        draft.write_text(text, "utf-8")
    return True
