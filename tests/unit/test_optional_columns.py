"""A column that one account's replies have can be declared without stopping the accounts that lack it."""

from dataclasses import replace

import pandas as pd
import pytest

from assets.attendees import ATTENDEES
from assets.pull.merge import merged
from assets.pull.normalize import normalize
from assets.pull.stages import REASON
from assets.report import Report
from resources.kaltura.csv import BOM, parse
from resources.kaltura.errors import ColumnMissing
from resources.table import Column, Kind, Merge

NEW = Column("invented_count", Kind.COUNT, "Invented for this test.", optional=True)


def declared(column: Column) -> Report:
    return replace(ATTENDEES, table=replace(ATTENDEES.table, columns=(*ATTENDEES.table.columns, column)))


def reply(names: list[str]) -> bytes:
    """One row, as the account's header has it."""
    row = {"entry_id": "0_room", "cue_point_id": "0_cue", "user_id": "ann", "invented_count": "3"}
    return BOM + f"{','.join(names)}\n{','.join(row.get(name, '') for name in names)}\n".encode()


def value_of(names: list[str], report: Report) -> object:
    frame = normalize(parse(reply(names), report.source, "a test"), report)
    assert frame[REASON].isna().all()
    return frame["invented_count"].iloc[0]


def test_an_optional_column_is_null_where_the_account_sends_none_and_read_where_it_does() -> None:
    report = declared(NEW)
    names = list(ATTENDEES.table.column_names)

    assert pd.isna(value_of(names, report))  # type: ignore[call-overload]
    assert value_of([*names, "invented_count"], report) == 3


def test_a_column_is_required_unless_it_says_otherwise() -> None:
    report = declared(replace(NEW, optional=False))

    with pytest.raises(ColumnMissing, match="invented_count"):
        value_of(list(ATTENDEES.table.column_names), report)


@pytest.mark.parametrize("unfit", [replace(NEW, nullable=False), replace(NEW, name="entry_id")])
def test_an_optional_column_has_to_be_nullable_and_no_key(unfit: Column) -> None:
    with pytest.raises(ValueError, match="may be missing"):
        declared(unfit)


def test_a_count_of_events_adds_up_where_it_is_declared_so_and_one_of_people_does_not() -> None:
    polls = Column("invented_events", Kind.COUNT, "Invented for this test.", merge=Merge.SUM)
    people = Column("crowd_count", Kind.COUNT, "Invented for this test.")
    table = ATTENDEES.table
    report = replace(ATTENDEES, table=replace(table, columns=(*table.columns, polls, people)))
    values = {"entry_id": "1_room", "cue_point_id": "1_a", "user_id": "ada.example"}
    rows = pd.DataFrame(
        [values | {"invented_events": 3, "crowd_count": 3}, values | {"invented_events": 4, "crowd_count": 4}]
    )
    frame = rows.reindex(columns=report.table.column_names).astype(
        {column.name: column.kind.frame for column in report.table.columns}
    )
    [row] = merged(frame, report).to_dict("records")
    assert (row["invented_events"], row["crowd_count"]) == (7, 4)


@pytest.mark.parametrize("weight", ["", "nothing_count"])
def test_a_mean_that_names_no_weight_of_its_table_is_refused(weight: str) -> None:
    columns = (*ATTENDEES.table.columns, Column("invented_ratio", Kind.RATIO, "Invented.", weighted_by=weight))
    with pytest.raises(ValueError, match=r"weight.*invented_ratio"):
        replace(ATTENDEES.table, columns=columns)
