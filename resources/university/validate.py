"""Holds a list's rows against what its columns are declared as, whole: one fault anywhere refuses the file.

Reasons say what a field should look like, and never what stands in it.
"""

import datetime as dt
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pandera.errors
import pandera.pandas as pa

from resources.privacy.identity import identity
from resources.privacy.pseudonyms import NOBODY, People, pseudonym_of
from resources.privacy.settings import Mode, Privacy
from resources.table import Column, Kind
from resources.university.lists import ACCOUNT, DEFAULTS, PERSON_EMAIL, PERSON_ID, ROLE, ROLES, UniversityList
from resources.university.read import Fault, ListRefused, read, refused_lines

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?) ?(Z|[+-]\d\d(?::?\d\d)?)?")
_NUMBER = re.compile(r"\d*[.,]?\d+")
_NO_PEOPLE = (
    "{} was refused: with PII_MODE=none people have another pseudonym in each session, so nobody could be found on it. "
    "It needs PII_MODE full or pseudonymous."
)

_ONE_PERSON = "ids that differ in case, or in what nobody sees, are one person's"

_Reader = Callable[[str], Any]


def validated(path: Path, wanted: UniversityList, account: int, privacy: Privacy, timezone: ZoneInfo) -> pd.DataFrame:
    """The file as a frame of Python values, a column for each of the list's. Raises `ListRefused` or `OSError`.

    Times without an offset are local ones of `timezone`.
    """
    if wanted.names_people and privacy.mode is Mode.NONE:
        raise ListRefused(_NO_PEOPLE.format(path.name))
    lines = read(path, [ACCOUNT, *wanted.column_names], wanted.required_columns)
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
    _expect(path, _schema(wanted, account, privacy, timezone), frame)
    typed = frame[wanted.column_names].copy()
    for column in wanted.columns:
        if reader := _reader(column, timezone):
            typed[column.name] = pd.Series(
                [None if value is None else reader(value) for value in typed[column.name]], typed.index, dtype="object"
            )
    _expect(path, _row_schema(wanted, account, privacy), typed)
    return typed


def _expect(path: Path, schema: pa.DataFrameSchema, frame: pd.DataFrame) -> None:
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
    else:
        return
    found = {
        Fault(int(line), f"{column} is empty" if check == "not_nullable" else str(check))
        for line, column, check in zip(cases["index"], cases["column"], cases["check"], strict=True)
    }
    raise refused_lines(path, sorted(found, key=lambda fault: (fault.line, fault.reason))) from None


def _schema(wanted: UniversityList, account: int, privacy: Privacy, timezone: ZoneInfo) -> pa.DataFrameSchema:
    """Each column by itself."""
    columns = {
        column.name: pa.Column(object, _checks(column, privacy, timezone), nullable=column.nullable, name=column.name)
        for column in wanted.columns
    }
    is_ours = pa.Check(
        lambda value: value == str(account), element_wise=True, error=f"{ACCOUNT} is not {account}, the account here"
    )
    columns[ACCOUNT] = pa.Column(object, is_ours, nullable=True, required=False)
    return pa.DataFrameSchema(columns, name=wanted.name)


def _checks(column: Column, privacy: Privacy, timezone: ZoneInfo) -> list[pa.Check]:
    def check(passes: Callable[[str], bool], error: str) -> pa.Check:
        return pa.Check(passes, element_wise=True, error=f"{column.name} {error}")

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


def _row_schema(wanted: UniversityList, account: int, privacy: Privacy) -> pa.DataFrameSchema:
    """What columns say together, once each can be read."""
    same = f"has the same {', '.join(wanted.key)} as a line before"
    if wanted.names_people:
        same += f" ({_ONE_PERSON})"
    checks = [pa.Check(partial(_is_first_of_its_key, wanted, privacy.of_account(account)), error=same)]
    if wanted.in_order:
        first, last = wanted.in_order
        checks.append(pa.Check(partial(_in_order, first, last), error=_out_of_order(wanted)))
    if wanted.names_people:
        checks.append(
            pa.Check(
                lambda frame: frame[PERSON_ID].notna() | frame[PERSON_EMAIL].notna(),
                error=f"names nobody: {PERSON_ID} and {PERSON_EMAIL} are both empty",
            )
        )
    return pa.DataFrameSchema({}, checks=checks, name=wanted.name)


def _is_first_of_its_key(wanted: UniversityList, people: People, frame: pd.DataFrame) -> pd.Series:
    """Whatever two lines of one person are stored under, in the end one row holds what both say, and the other is lost."""
    keys = frame[list(wanted.key)]
    if wanted.names_people:
        known_as = identity if people.privacy.is_full else partial(pseudonym_of, people)
        keys = keys.assign(**{PERSON_ID: keys[PERSON_ID].map(known_as, na_action="ignore")})
    return ~keys.duplicated(keep="first")


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
