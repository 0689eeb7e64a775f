"""An erasure reads every value of an account: what it remembers of them is bounded."""

import tracemalloc

from resources.privacy.suppressions import Suppressions
from resources.privacy.sweep import Sweep
from tests.integration.test_privacy import ADA, TABLES, WITH_KEY, Place, pull, rows
from tests.integration.test_privacy import place as place
from tests.integration.test_whole_days import kaltura as kaltura

MOST_BYTES = 60_000_000  # all that the values may be read as would take twice that
VALUES = """
INSERT INTO kaltura.attendees
SELECT (jsonb_populate_record(bob, jsonb_build_object(
    'user_id', 'invented.' || number,
    'extra', jsonb_build_object('note', words.said || CASE WHEN number = 7 THEN ' ada.inventedson' ELSE '' END)))).*
FROM kaltura.attendees AS bob
CROSS JOIN generate_series(1, 1500) AS number
CROSS JOIN LATERAL (
    SELECT string_agg(md5(number::text || word::text), ' ') FROM generate_series(1, 30) AS word
) AS words (said)
WHERE bob.user_id = 'bob.madeuppe' AND bob.cue_point_id = '1_a'
"""


def test_a_sweep_over_many_values_that_all_differ_remembers_some_of_them(place: Place) -> None:
    pull(place, WITH_KEY)
    with place.warehouse.connection() as connection:
        connection.execute(VALUES)
        people = WITH_KEY.of_account(1)
        suppressions = Suppressions(connection, people)
        suppressions.include(people.pseudonym(ADA.user_id), [ADA.user_id])
        tracemalloc.start()
        try:
            counts = Sweep(connection, people, TABLES, suppressions).run()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert counts["attendees.extra"] == 1
    assert most < MOST_BYTES
    assert rows(place, "SELECT count(*) FROM kaltura.attendees WHERE extra ? 'note'") == [(1499,)]
