"""Puts a backup of the warehouse back.

    python -m pipelines.restore FILE [--replace] [--trust]

People who have been erased from the warehouse that is there are erased from the backup, too, in the same transaction.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from assets.reports import REPORTS
from resources.errors import ConfigurationError
from resources.postgres.restore import restore
from resources.postgres.url import database_url
from resources.privacy.restored import KeptErasures
from resources.settings import SettingError, load_env_file, privacy_settings


def main() -> int:
    given = _arguments()
    try:
        load_env_file()
        url, privacy = given.database_url or database_url(), privacy_settings()
        kept = KeptErasures(privacy, [report.table for report in REPORTS])
        manifest = restore(
            url,
            given.file,
            Console(stderr=True),
            keeper=kept,
            replace=given.replace,
            key=privacy.key,
            trust=given.trust,
        )
    except (ConfigurationError, SettingError) as error:
        sys.stderr.write(f"restore: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"restore: {error.filename}: {error.strerror}\n")
        return 1
    sys.stdout.write(f"restored {sum(manifest.rows.values()):,} rows of {manifest.made_at}\n")
    sys.stdout.write(f"people erased since then, and now from the backup too: {kept.people:,}\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.restore", description="Put a backup of the warehouse back."
    )
    parser.add_argument("file", type=Path, help="the backup; FILE.json has to be beside it")
    parser.add_argument("--replace", action="store_true", help="even if the warehouse holds rows: they are lost")
    parser.add_argument("--trust", action="store_true", help="even if it is not signed with PII_KEY: its SQL is run")
    parser.add_argument("--database-url", help="default: DATABASE_URL, else the private Postgres")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
