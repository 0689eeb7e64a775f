"""Years in one evening: `python -m bench.years [TRIAL ...]` (`make years`, `make years ONLY="killed"`).

Tries what happens to a warehouse over the years, each trial alone, with real servers and real commands, and writes what was told
to whom into docs/reliability.md. A trial's last result stays there until it is tried again. Exit code 1: one failed.
"""

import argparse
import json
import os
import re
import sys
import time
import traceback
from pathlib import Path

from bench import pages
from resources.settings import CHECKOUT, NAMES

RESULTS = Path(__file__).with_name("results.json")
PAGE = CHECKOUT / "docs" / "reliability.md"
COMMAND = "make years"
HEAD = ("what happens", "what is told, and where", "at the end", "s")


def main() -> None:
    for name in [name for name in os.environ if name in NAMES]:  # a developer's own settings change nothing here
        del os.environ[name]
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    from bench.years.trials import TRIALS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", nargs="*", metavar="TRIAL", help=f"{', '.join(TRIALS)}; by default all")
    chosen = parser.parse_args().trials or list(TRIALS)
    if unknown := set(chosen) - set(TRIALS):
        parser.error(f"no trial is called {', '.join(sorted(unknown))}")
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    failed = []
    for name in chosen:
        sys.stdout.write(f"{name}: {TRIALS[name].__doc__}\n")
        sys.stdout.flush()
        started = time.monotonic()
        try:
            place = TRIALS[name]()
        except Exception:
            failed.append(name)
            sys.stdout.write(f"  FAILED after {time.monotonic() - started:.0f} s\n{traceback.format_exc()}\n")
            continue
        took = round(time.monotonic() - started)
        results[name] = {"what": TRIALS[name].__doc__, "told": place.told, "ends": place.ends, "seconds": took}
        sys.stdout.write("".join(f"  to {who}: {words}\n" for who, words in place.told))
        RESULTS.write_text(
            json.dumps({key: results[key] for key in TRIALS if key in results}, indent=1) + "\n", "utf-8"
        )
        PAGE.write_text(pages.with_section(PAGE.read_text("utf-8"), COMMAND, _table(results)), "utf-8")
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def _table(results: dict[str, dict[str, object]]) -> str:
    rows = []
    for result in results.values():
        told = "<br>".join(f"{who}: {_cell(words)}" for who, words in result["told"])  # type: ignore[attr-defined]
        rows.append((str(result["what"]), told, str(result["ends"]), str(result["seconds"])))
    return pages.table(HEAD, rows)


def _cell(words: str) -> str:
    """What is a place of this machine is left out."""
    return re.sub(r"/\S*years-\w+", "...", words).replace("|", "\\|")


if __name__ == "__main__":
    main()
