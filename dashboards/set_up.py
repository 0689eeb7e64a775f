"""Brings Superset's own database up to date and the bundle into it. Run by Superset's Python; may be repeated.

    python set_up.py BUNDLE.zip

Makes the user `admin` and the roles `kaltura_analyst` and `kaltura_analyst_pii`: both open the dashboards, neither has SQL
Lab, and the second is shown who people are (superset_config.py). Passwords come from DASHBOARDS_SECRETS, and are those that
count, whatever stood in Superset's database before.
"""

import json
import os
import sqlite3
import sys
import zipfile
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flask_migrate import upgrade
from sqlalchemy import text
from superset.app import create_app
from werkzeug.security import check_password_hash

DATABASE_FILE = "databases/kaltura_rooms.yaml"
DATABASE = "Kaltura rooms"
ROLES = ("kaltura_analyst", "kaltura_analyst_pii")
LOG_IS_CLEAN = 1  # SQLite's user_version of a database in which no request is written down: it goes where the file goes


def main(bundle: Path) -> None:
    _forget_what_was_asked(Path(os.environ["SUPERSET_HOME"]) / "superset.db")
    app = create_app()
    with app.app_context():
        upgrade()
        manager = app.appbuilder.sm
        _sync_permissions(app)
        admin = _administrator(manager)
        _forget_what_another_key_hid()
        _import(bundle, admin)
        _make_roles(manager)


def _forget_what_was_asked(file: Path) -> None:
    """Take out of the log, once, the requests that an earlier version wrote down: a filter in one may name a person.

    SQLite leaves what is overwritten or deleted in the file until the file is written anew.
    """
    if not file.exists():
        return
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as superset:
        [is_clean] = superset.execute("PRAGMA user_version").fetchone()
        if is_clean == LOG_IS_CLEAN:
            return
        if superset.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'logs'").fetchone():
            superset.create_function("event_alone", 1, _event_alone)
            superset.execute("UPDATE logs SET json = event_alone(json), referrer = NULL")
        superset.execute("VACUUM")
        superset.execute(f"PRAGMA user_version = {LOG_IS_CLEAN}")


def _event_alone(told: str | None) -> str:
    """Of an event its name, by which Superset finds what was opened lately."""
    try:
        event = json.loads(told or "{}")
    except ValueError:
        event = {}
    return json.dumps({"event_name": event["event_name"]} if isinstance(event, dict) and "event_name" in event else {})


def _sync_permissions(app: Any) -> None:
    """What each of Superset's roles may do: once a version, for it takes a while."""
    synced = Path(os.environ["SUPERSET_HOME"]) / "permissions-of"
    if not synced.exists() or synced.read_text("utf-8") != version("apache-superset"):
        app.appbuilder.add_permissions(update_perms=True)
        app.appbuilder.sm.sync_role_definitions()
        synced.write_text(version("apache-superset"), "utf-8")


def _administrator(manager: Any) -> Any:
    password = _secret("superset_admin_password")
    admin = manager.find_user("admin")
    if admin is None:
        return manager.add_user("admin", "Ad", "Min", "admin@localhost", manager.find_role("Admin"), password)
    if not check_password_hash(admin.password, password):
        manager.reset_password(admin.id, password)
        print(
            "The password of admin was another one than the file superset_admin_password holds: it is the file's again."
        )
    return admin


def _forget_what_another_key_hid() -> None:
    """The warehouse's password, encrypted with a key that is gone: nothing could be imported over it."""
    from superset import db
    from superset.models.core import Database

    try:
        db.session.query(Database).filter_by(database_name=DATABASE).all()
    except ValueError:  # of what decrypts it
        db.session.rollback()
        forget = (
            "UPDATE dbs SET password = NULL, encrypted_extra = NULL, server_cert = NULL WHERE database_name = :name"
        )
        db.session.execute(text(forget), {"name": DATABASE})
        db.session.commit()


def _secret(name: str) -> str:
    return (Path(os.environ["DASHBOARDS_SECRETS"]) / name).read_text("utf-8").strip()


def _import(bundle: Path, admin: Any) -> None:
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.utils.core import override_user

    with zipfile.ZipFile(bundle) as archive:
        contents = {name.partition("/")[2]: archive.read(name).decode() for name in archive.namelist()}
    with override_user(admin):
        ImportAssetsCommand(contents, passwords={DATABASE_FILE: _secret("analyst_password")}).run()


def _make_roles(manager: Any) -> None:
    """What Gamma may, and the warehouse."""
    from superset import db
    from superset.models.core import Database

    warehouse = db.session.query(Database).filter_by(database_name=DATABASE).one()
    opens = manager.add_permission_view_menu("database_access", warehouse.perm)
    for name in ROLES:
        role = manager.add_role(name)
        role.permissions = list(dict.fromkeys([*manager.find_role("Gamma").permissions, opens]))
    db.session.commit()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
