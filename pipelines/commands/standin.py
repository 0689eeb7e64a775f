"""`standin`: the stand-in Kaltura in the foreground, for whoever wants its address."""

import signal
import threading
from pathlib import Path

import click

from pipelines.command_line import Command
from resources.local.kaltura import ROOMS, SEED
from resources.settings import Settings

DEFAULT_PORT = 8999


@click.command(cls=Command)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: a free one.")
@click.option("--port-file", type=click.Path(path_type=Path), help="Write the base URL here once it listens.")
@click.option("--seed", type=int, default=SEED, show_default=True, help="Another number is another university.")
@click.option(
    "--rooms", type=click.IntRange(1), default=ROOMS, show_default=True, help="60: a million attendees a year."
)
@click.option(
    "--delay", type=click.IntRange(0), default=0, metavar="MS", help="Milliseconds that a report takes longer."
)
@click.option("--row-cap", type=click.IntRange(2), help="Rows after which a report is cut (default: Kaltura's).")
def command(
    host: str, port: int, port_file: Path | None, seed: int, rooms: int, delay: int, row_cap: int | None
) -> None:
    """Serve a stand-in for Kaltura's report API over HTTP until Ctrl-C: an invented university, in PARTITION_TIMEZONE."""
    timezone = str(Settings.from_environment().timezone)
    from simulator import DEMO, University, serving

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = {"row_cap": row_cap} if row_cap else {}
    with serving(University(seed, timezone, rooms), host=host, port=port, delay_seconds=delay / 1000, **settings) as it:
        click.echo(
            f"The Kaltura stand-in listens on {it.base_url}\n"
            "  with demo credentials, which are invented and open nothing else:\n"
            f"  partner {DEMO.partner_id}, app token {DEMO.app_token_id} / {DEMO.app_token},\n"
            f"  admin secret {DEMO.admin_secret}"
        )
        if port_file:
            _write_at_once(port_file, f"{it.base_url}\n")
        stop.wait()


def _write_at_once(path: Path, text: str) -> None:
    """Nobody sees the file half-written."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, "utf-8")
    draft.replace(path)
