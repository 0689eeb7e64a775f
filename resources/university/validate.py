"""Holds a list's rows against what its columns are declared as, piece by piece: one fault anywhere refuses the file.

Reasons say what a field should look like, and never what stands in it.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pandera.errors import SchemaErrors

from resources.privacy.identity import identity
from resources.privacy.pseudonyms import NOBODY, People, pseudonym_of
from resources.privacy.settings import Mode, Privacy
from resources.table import Column, Kind
from resources.university.keys import Keys
from resources.university.lists import ACCOUNT, DEFAULTS, PERSON_EMAIL, PERSON_ID, ROLE, ROLES, UniversityList
from resources.university.read import Fault, Faults, Lines, ListRefused, read, refused_lines

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?) ?(Z|[+-]\d\d(?::?\d\d)?)?")
_NUMBER = re.compile(r"\d*[.,]?\d+")
_NO_PEOPLE = (
    "{} was refused: with PII_MODE=none people have another pseudonym in each session, so nobody could be found on it. "
    "It needs PII_MODE full or pseudonymous."
)

_ONE_PERSON = "ids that differ in case, or in what nobody sees, are one person's"

_Reader = Callable[[str], Any]


_ARROW = {
    Kind.TEXT: pa.string(),
    Kind.DATE: pa.date32(),
    Kind.RATIO: pa.float64(),
    Kind.TIME: pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True)
class Rows:
    """A list's rows as Arrow holds them: Python values of a long list would not fit into a run's memory."""

    pieces: list[pa.RecordBatch]

    def frames(self) -> Iterator[pd.DataFrame]:
        """Piece by piece, as Python values."""
        for piece in self.pieces:
            yield pd.DataFrame(piece.to_pydict(), dtype="object")


def validated(path: Path, wanted: UniversityList, account: int, privacy: Privacy, timezone: ZoneInfo) -> Rows:
    """The file's rows, a column for each of the list's. Raises `ListRefused` or `OSError`.

    Times without an offset are local ones of `timezone`.
    """
    if wanted.names_people and privacy.mode is Mode.NONE:
        raise ListRefused(_NO_PEOPLE.format(path.name))
    faults, faults_of_rows, keys = Faults(), Faults(), Keys()
    schema, row_schema = _schema(wanted, account, privacy, timezone), _row_schema(wanted)
    arrow = pa.schema([(column.name, _ARROW[column.kind]) for column in wanted.columns])
    pieces: list[pa.RecordBatch] = []
    for lines in read(path, [ACCOUNT, *wanted.column_names], wanted.required_columns, faults):
        frame = _frame(lines, wanted)
        faults.add(_found(schema, frame))
        if faults.count:  # the rows can't all be read: what they say together is not asked
            pieces.clear()
            continue
        typed = _typed(frame, wanted, timezone)
        faults_of_rows.add(_found(row_schema, typed))
        keys.add(_keys(wanted, privacy.of_account(account), typed), typed.index)
        pieces.append(pa.RecordBatch.from_pydict({name: typed[name].tolist() for name in typed}, arrow))
    same = f"has the same {', '.join(wanted.key)} as a line before{f' ({_ONE_PERSON})' if wanted.names_people else ''}"
    if not faults.count:
        faults_of_rows.add(Fault(line, same) for line in keys.again())
    if found := faults if faults.count else faults_of_rows if faults_of_rows.count else None:
        raise refused_lines(path, found)
    return Rows(pieces)


def _frame(lines: Lines, wanted: UniversityList) -> pd.DataFrame:
    """Lines as text, or None, with every column of the list."""
    frame = pd.DataFrame(lines.columns, index=lines.numbers, dtype="object")
    frame = frame.mask(frame == "", None)
    for column in wanted.columns:
        if column.name not in frame:
            frame[column.name] = None
        if column.name in DEFAULTS:
            frame[column.name] = frame[column.name].where(frame[column.name].notna(), DEFAULTS[column.name])
    if ROLE in frame:
        frame[ROLE] = frame[ROLE].str.lower()
    if PERSON_EMAIL in frame:
        frame[PERSON_EMAIL] = frame[PERSON_EMAIL].str.lower()
    return frame


def _typed(frame: pd.DataFrame, wanted: UniversityList, timezone: ZoneInfo) -> pd.DataFrame:
    typed = frame[wanted.column_names].copy()
    for column in wanted.columns:
        if reader := _reader(column, timezone):
            typed[column.name] = pd.Series(
                [None if value is None else reader(value) for value in typed[column.name]], typed.index, dtype="object"
            )
    return typed


def _found(schema: pandera.DataFrameSchema, frame: pd.DataFrame) -> set[Fault]:
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
    else:
        return set()
    return {
        Fault(int(line), f"{column} is empty" if check == "not_nullable" else str(check))
        for line, column, check in zip(cases["index"], cases["column"], cases["check"], strict=True)
    }


def _schema(wanted: UniversityList, account: int, privacy: Privacy, timezone: ZoneInfo) -> pandera.DataFrameSchema:
    """Each column by itself."""
    columns = {
        column.name: pandera.Column(
            object, _checks(column, privacy, timezone), nullable=column.nullable, name=column.name
        )
        for column in wanted.columns
    }
    is_ours = pandera.Check(
        lambda value: value == str(account), element_wise=True, error=f"{ACCOUNT} is not {account}, the account here"
    )
    columns[ACCOUNT] = pandera.Column(object, is_ours, nullable=True, required=False)
    return pandera.DataFrameSchema(columns, name=wanted.name)


def _checks(column: Column, privacy: Privacy, timezone: ZoneInfo) -> list[pandera.Check]:
    def check(passes: Callable[[str], bool], error: str) -> pandera.Check:
        return pandera.Check(passes, element_wise=True, error=f"{column.name} {error}")

    most = column.most_bytes
    checks = [check(lambda value: len(value.encode()) <= most, f"has more than {most:,} bytes")]
    if reader := _reader(column, timezone):
        checks.append(check(partial(_reads, reader), _EXPECTED[column.kind].format(timezone)))
    if column.name == ROLE:
        checks.append(check(lambda value: value in ROLES, f"is none of {', '.join(ROLES)}"))
    if column.name == PERSON_ID:
        checks.append(check(lambda value: value not in NOBODY, "is what Kaltura writes for nobody"))
    if column.name == PERSON_EMAIL:
        checks.append(check(lambda value: "@" in value, "is no e-mail address"))
        if not privacy.is_full:
            checks.append(check(lambda value: False, f"is kept in PII_MODE=full alone: name people by {PERSON_ID}"))
    return checks


def _row_schema(wanted: UniversityList) -> pandera.DataFrameSchema:
    """What columns say together, once each can be read."""
    checks = []
    if wanted.in_order:
        first, last = wanted.in_order
        checks.append(pandera.Check(partial(_in_order, first, last), error=_out_of_order(wanted)))
    if wanted.names_people:
        checks.append(
            pandera.Check(
                lambda frame: frame[PERSON_ID].notna() | frame[PERSON_EMAIL].notna(),
                error=f"names nobody: {PERSON_ID} and {PERSON_EMAIL} are both empty",
            )
        )
    return pandera.DataFrameSchema({}, checks=checks, name=wanted.name)


def _keys(wanted: UniversityList, people: People, frame: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    """Whatever two lines of one person are stored under, in the end one row holds what both say, and the other is lost."""
    columns = {name: frame[name].tolist() for name in wanted.key}
    if wanted.names_people:
        known_as = identity if people.privacy.is_full else partial(pseudonym_of, people)
        columns[PERSON_ID] = [person and known_as(person) for person in columns[PERSON_ID]]
    return zip(*columns.values(), strict=True)


def _in_order(first: str, last: str, frame: pd.DataFrame) -> pd.Series:
    pairs = zip(frame[first], frame[last], strict=True)
    return pd.Series([_is_in_order(*pair) for pair in pairs], frame.index, dtype=bool)


def _is_in_order(first: dt.date | None, last: dt.date | None) -> bool:
    if first is None or last is None:
        return True
    return last > first if isinstance(first, dt.datetime) else last >= first


def _out_of_order(wanted: UniversityList) -> str:
    first, last = wanted.in_order or ("", "")
    return f"{last} is not after {first}" if last.endswith("_at") else f"{last} is before {first}"


def _reader(column: Column, timezone: ZoneInfo) -> _Reader | None:
    """How a column's text becomes a value; the reader raises `ValueError` or `OverflowError` where it can't."""
    readers: dict[Kind, _Reader] = {Kind.DATE: _day, Kind.RATIO: _share, Kind.TIME: partial(_time, timezone)}
    return readers.get(column.kind)


_EXPECTED = {
    Kind.DATE: "is not a day: write it as 2026-10-14",
    Kind.RATIO: "is not a share from 0 to 1: write a half as 0.5",
    Kind.TIME: "is not a time: write it as 2026-10-14 08:15, in {}, or as 2026-10-14T08:15+02:00",
}


def _reads(reader: _Reader, value: str) -> bool:
    try:
        reader(value)
    except (ValueError, OverflowError):  # the second for a time whose offset leads out of the years 1 to 9999
        return False
    return True


def _day(value: str) -> dt.date:
    if not _DAY.fullmatch(value):
        raise ValueError
    return dt.date.fromisoformat(value)


def _share(value: str) -> float:
    if not _NUMBER.fullmatch(value) or not 0 <= (share := float(value.replace(",", "."))) <= 1:
        raise ValueError
    return share


def _time(timezone: ZoneInfo, value: str) -> dt.datetime:
    """A local time that a clock change leaves out is none; of one that comes twice it is the first."""
    found = _TIME.fullmatch(value)
    if not found:
        raise ValueError
    day, clock, offset = found.groups()
    if offset:
        return dt.datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(dt.UTC)
    moment = dt.datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=timezone).astimezone(dt.UTC)
    if moment.astimezone(timezone).replace(tzinfo=None) != dt.datetime.fromisoformat(f"{day}T{clock}"):
        raise ValueError
    return moment
