"""What goes to Postgres in our own spelling comes back as it was."""

import psycopg
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.postgres.copy import array_literal

# Postgres holds no NUL, and UTF-8 has no surrogates.
TEXTS = st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)))
AWKWARD = ["", " ", "NULL", '"', "\\", '\\"', "{", "}", ",", "{,}", "\n", "a\\nb", "'", "é", None]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS)
def test_an_array_of_any_texts_reaches_postgres_as_it_is(database: str, texts: list[str | None]) -> None:
    with psycopg.connect(database) as connection:
        for values in (texts, AWKWARD, []):
            literal = array_literal(pa.chunked_array([pa.array(values, pa.large_string())]))
            assert connection.execute("SELECT %s::text[]", [literal]).fetchone() == (values,)
