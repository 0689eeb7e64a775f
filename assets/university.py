"""The university's own lists as assets: each is one file of `UNIVERSITY_DIR`, loaded whole, and has no partitions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from assets.partitions import CALENDAR
from assets.report import OWNERS, asset_key
from resources.errors import ProjectError
from resources.local import kaltura as standin
from resources.postgres.session import DatabaseUnreachable
from resources.settings import SettingError, university_folder
from resources.university.lists import COURSES, LISTS, UniversityList
from resources.university.load import Loaded, load, read_list
from resources.warehouse.resource import WarehouseResource

SCHEMA = GROUP = "university"
# In the metadata of a load.
FILE_VERSION, ACCOUNT, ROWS, LOCAL_TIMES = "file version", "account", "dagster/row_count", "local times"
# In that of an observation: what would be said again. An outage leaves none, nor does a run that is killed or cancelled.
REFUSED = "refused"


def list_key(wanted: UniversityList) -> dg.AssetKey:
    return asset_key(wanted.name, SCHEMA)


def file_version(path: Path) -> str:
    """What changes when the file does. Raises `OSError` where there is none."""
    found = path.stat()
    return f"{found.st_mtime_ns} {found.st_size}"


def list_asset(wanted: UniversityList) -> dg.AssetsDefinition:
    """The asset of one list."""

    @dg.asset(
        key=list_key(wanted),
        deps=[] if wanted is COURSES else [list_key(COURSES)],
        description=f"{wanted.description} From {wanted.file_name} of UNIVERSITY_DIR.",
        group_name=GROUP,
        kinds={"postgres", "csv"},
        owners=OWNERS,
        metadata={
            "dagster/table_name": f"{SCHEMA}.{wanted.name}",
            "dagster/column_schema": dg.TableSchema(
                columns=[
                    dg.TableColumn(
                        column.name, column.kind.sql, column.description, dg.TableColumnConstraints(column.nullable)
                    )
                    for column in wanted.columns
                ]
            ),
        },
    )
    def university_list(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
        with _failures_noted(context, wanted):
            path = _folder() / wanted.file_name
            version = file_version(path)
            account = standin.account()
            done = _loaded(warehouse, path, wanted, account)
        return dg.MaterializeResult(metadata={**_metadata(done), FILE_VERSION: version, ACCOUNT: account})

    return university_list


@contextmanager
def _failures_noted(context: dg.AssetExecutionContext, wanted: UniversityList) -> Iterator[None]:
    """What is known of a failure fails the step in plain words. What nobody foresaw is raised as it is, and noted too."""
    try:
        yield
        return
    except DatabaseUnreachable as error:
        said = str(error)
    except Exception as error:
        match error:
            case ProjectError():
                said = str(error)
            case OSError():
                said = f"{wanted.file_name}: {error.strerror}."
            case _:  # its own words may quote a line of the file
                said = f"{wanted.file_name}: {type(error).__name__}, which nobody foresaw."
        context.log_event(dg.AssetObservation(list_key(wanted), metadata={REFUSED: said}))
        if not isinstance(error, ProjectError | OSError):
            raise
    raise dg.Failure(description=said, allow_retries=False)


def _loaded(warehouse: WarehouseResource, path: Path, wanted: UniversityList, account: int) -> Loaded:
    with warehouse.opened() as opened:
        opened.require_current_schema()
        listed = read_list(path, wanted, account, opened.privacy, CALENDAR.timezone)
        with opened.connection() as connection:
            return load(connection, listed)


def _folder() -> Path:
    folder = university_folder()
    if folder is None:
        raise SettingError("UNIVERSITY_DIR is not set: it says where the lists are.")
    return folder


def _metadata(done: Loaded) -> dict[str, int | str]:
    times = {LOCAL_TIMES: done.local_times} if done.local_times else {}
    return times | {
        ROWS: done.rows,
        "inserted": done.inserted,
        "removed": done.removed,
        "left out (erased people)": done.erased,
        "left out (courses whose names were taken out)": done.aged,
        "courses that are not in the list of courses": done.unknown_courses,
        "planned rooms that course_rooms does not have for their course": done.unknown_rooms,
    }


UNIVERSITY = [list_asset(wanted) for wanted in LISTS]
