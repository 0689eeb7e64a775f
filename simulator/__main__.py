"""Run the stand-in from a shell: `python -m simulator`."""

import argparse
import os
import signal
import threading
from pathlib import Path

from simulator.running import DEFAULT_ROW_CAP
from simulator.server import serving
from simulator.tokens import DEMO
from simulator.university import University

DEFAULT_PORT = 8999


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="A stand-in for Kaltura's report API: the rooms of an invented university, over real HTTP.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port to listen on; 0 takes a free one")
    parser.add_argument("--port-file", type=Path, metavar="PATH", help="write the base URL here once it listens")
    parser.add_argument("--seed", type=int, default=7, help="another number is another university")
    parser.add_argument("--timezone", default="America/New_York", help="where the university is, as an IANA time zone")
    parser.add_argument("--rooms", type=int, default=60, help="main rooms; 60 make a million attendee rows a year")
    parser.add_argument("--delay", type=int, default=0, metavar="MS", help="milliseconds that each report takes longer")
    parser.add_argument(
        "--row-cap", type=int, default=DEFAULT_ROW_CAP, metavar="N", help="rows after which a report is cut"
    )
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    world = University(arguments.seed, arguments.timezone, arguments.rooms)
    with serving(
        world,
        host=arguments.host,
        port=arguments.port,
        delay_seconds=arguments.delay / 1000,
        row_cap=arguments.row_cap,
    ) as running:
        print(f"The Kaltura stand-in listens on {running.base_url}")
        print("  with demo credentials, which are invented and open nothing else:")
        print(f"  partner {DEMO.partner_id}, app token {DEMO.app_token_id} / {DEMO.app_token},")
        print(f"  admin secret {DEMO.admin_secret}", flush=True)
        if arguments.port_file:
            _write_whole(arguments.port_file, running.base_url + "\n")
        stop.wait()


def _write_whole(path: Path, text: str) -> None:
    """Write a file that nobody can see half-written."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


if __name__ == "__main__":
    main()
