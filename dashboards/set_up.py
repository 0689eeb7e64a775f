"""Brings Superset's own database up to date and the bundle into it. Run by Superset's Python; may be repeated.

    python set_up.py BUNDLE.zip

Makes the user `admin` and the roles `kaltura_analyst` and `kaltura_analyst_pii`: both open the dashboards, neither has SQL
Lab, and the second is shown who people are (superset_config.py). Passwords come from DASHBOARDS_SECRETS, and are those that
count, whatever stood in Superset's database before.
"""

import os
import sys
import zipfile
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


def main(bundle: Path) -> None:
    app = create_app()
    with app.app_context():
        upgrade()
        manager = app.appbuilder.sm
        _sync_permissions(app)
        admin = _administrator(manager)
        _forget_what_another_key_hid()
        _import(bundle, admin)
        _make_roles(manager)


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
