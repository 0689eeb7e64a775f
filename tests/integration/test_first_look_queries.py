"""The first look's queries on the small invented university."""

import psycopg
from psycopg.rows import dict_row
from seed import fill

from pipelines.first_look import _query


def test_who_came_to_several_sessions_without_being_enrolled_is_one_guest(database: str) -> None:
    """Of the sessions of `bio-b`, cyd came to both and ann to one; neither is on its list."""
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as connection:
        fill(connection)
        shown = {"first": "2026-10-05", "last": "2026-10-11", "partner_id": 101}
        courses = {row["course_id"]: row for row in _query(connection, "courses", **shown)}
        [told] = connection.execute(
            "SELECT sum(not_enrolled_count) AS visits FROM analytics.course_sessions WHERE course_id = 'bio-b'"
        ).fetchall()
    assert told["visits"] == 3
    assert courses["bio-b"]["guests"] == 2


def test_who_came_to_a_room_before_and_after_the_names_of_a_day_went_is_one_of_its_people(database: str) -> None:
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as connection:
        fill(connection)
        connection.execute(
            "INSERT INTO kaltura.people SELECT DISTINCT partner_id, user_id, 'p_' || md5(user_id) FROM kaltura.attendees"
            " WHERE NOT analytics.is_nobody(user_id)"
        )
        shown = {"first": "2026-10-01", "last": "2026-10-31", "partner_id": 101}
        before = _query(connection, "busiest_rooms", **shown)
        aged = connection.execute(
            "UPDATE kaltura.attendees SET user_id = pseudonym FROM kaltura.people"
            " WHERE attendees.partner_id = people.partner_id AND attendees.user_id = people.user_id"
            " AND partition_date < '2026-10-08'"
        ).rowcount
        assert aged > 0
        assert _query(connection, "busiest_rooms", **shown) == before


def test_a_room_has_its_newest_name(database: str) -> None:
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as connection:
        fill(connection)
        connection.execute(
            "UPDATE kaltura.room_sessions SET entry_name = 'Zoology, as it was' WHERE entry_id = 'r-alg'"
            " AND partition_date < '2026-10-06'"
        )
        shown = {"first": "2026-10-01", "last": "2026-10-31", "partner_id": 101}
        named = {row["room_id"]: row["room"] for row in _query(connection, "busiest_rooms", **shown)}
        [newest] = connection.execute(
            "SELECT room_name FROM analytics.rooms WHERE account_id = 101 AND room_id = 'r-alg'"
        ).fetchall()
    assert named["r-alg"] == newest["room_name"] == "Algebra I"
