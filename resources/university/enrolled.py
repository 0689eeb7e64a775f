"""People of a list's lines as they may be stored: pseudonyms where the mode or their age asks for it, nobody who was erased.

Who is listed by e-mail alone, in a course whose names retention took out, had the pseudonym of their user id then. Nothing
tells it any more: their attendance has lost its e-mail, and by the e-mail's own pseudonym they would have been absent from
all of it. Their lines are left out, and what is held of the course stays.
"""

import datetime as dt
from functools import cached_property

import pandas as pd
import psycopg

from resources.privacy.people import first_day_kept
from resources.privacy.pseudonyms import People
from resources.privacy.roster import Named, aged_enrolments, stored
from resources.university.lists import PERSON_EMAIL, PERSON_ID


class Enrolled:
    """One load's. `erased`: lines left out, of people who have been erased; `aged`: left out for what is held of a course."""

    def __init__(self, connection: psycopg.Connection, people: People) -> None:
        self._connection = connection
        self._people = people
        self._stays: set[str] = set()
        self.erased = self.aged = 0

    def stored(self, frame: pd.DataFrame) -> pd.DataFrame:
        """What of a piece is to be stored."""
        old = pd.Series(self._past_retention(frame), frame.index, dtype=bool)
        by_email_alone = old & frame[PERSON_ID].isna()
        if by_email_alone.any():
            left_out = by_email_alone & frame["course_id"].isin(self._held["course_id"])
            self._stays |= set(frame.loc[left_out, "course_id"])
            self.aged += int(left_out.sum())
            frame, old = frame[~left_out], old[~left_out]
        return self._as_they_may_be_stored(frame, list(old))

    def stays(self, columns: list[str]) -> pd.DataFrame:
        """What is held of the courses of which lines were left out."""
        if not self._stays:
            return pd.DataFrame(columns=columns, dtype="object")
        return self._held[self._held["course_id"].isin(self._stays)]

    def _as_they_may_be_stored(self, frame: pd.DataFrame, old: list[bool]) -> pd.DataFrame:
        named = [Named(*row) for row in frame[[PERSON_ID, PERSON_EMAIL]].itertuples(index=False, name=None)]
        kept = stored(self._connection, self._people, named, old)
        there = [kept[each] for each in named if each in kept]
        self.erased += len(named) - len(there)
        frame = frame.loc[[each in kept for each in named]].copy()
        frame[PERSON_ID] = pd.Series([each.person_id for each in there], frame.index, dtype="object")
        frame[PERSON_EMAIL] = pd.Series([each.person_email for each in there], frame.index, dtype="object")
        return frame

    def _past_retention(self, frame: pd.DataFrame) -> list[bool]:
        if not (self._people.privacy.is_full and self._people.privacy.retention_days):
            return [False] * len(frame)
        last_days = [
            to_date or self._ends.get(course)
            for course, to_date in zip(frame["course_id"], frame["to_date"], strict=True)
        ]
        return [day is not None and day < self._first_kept for day in last_days]

    @cached_property
    def _first_kept(self) -> dt.date:
        return first_day_kept(self._connection, self._people.privacy)

    @cached_property
    def _ends(self) -> dict[str, dt.date | None]:
        query = "SELECT course_id, ends_on FROM university.courses WHERE account_id = %s"
        return dict(self._connection.execute(query, [self._people.partner_id]).fetchall())

    @cached_property
    def _held(self) -> pd.DataFrame:
        """Enrolments whose names were taken out."""
        rows = aged_enrolments(self._connection, self._people.partner_id, self._first_kept)
        columns = ["course_id", PERSON_ID, "role", "from_date", "to_date"]
        return pd.DataFrame(rows, columns=columns, dtype="object").assign(**{PERSON_EMAIL: None})
