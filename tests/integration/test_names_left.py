"""`pull` without a daemon beside it: whether names that RETENTION_DAYS should have taken out are still there is said."""

import datetime as dt
import secrets
from pathlib import Path

import pytest
from in_process import installed
from pipeline import Pipeline

from resources.kaltura.windows import DAY, Days
from simulator import University, serving

RETENTION_DAYS = 30
TOLD = "`python -m pipelines retention`"


@pytest.mark.parametrize(("age", "is_told"), [(RETENTION_DAYS + 10, True), (RETENTION_DAYS - 10, False)])
def test_pull_names_the_command_that_takes_old_names_out_where_nothing_has_done_so(
    age: int, is_told: bool, database: str, tmp_path: Path
) -> None:
    day = dt.datetime.now(dt.UTC).date() - age * DAY
    home = tmp_path / "home"
    home.mkdir()
    with serving(University(seed=11, timezone="UTC", rooms=3)) as kaltura:
        with installed(kaltura, database) as inside:
            assert inside.pull(Days(day, day)).success
        settings = {
            "PARTITION_TIMEZONE": "UTC",
            "RETENTION_DAYS": str(RETENTION_DAYS),
            "PII_KEY": secrets.token_hex(32),
            "COLUMNS": "300",
        }
        pipeline = Pipeline(kaltura, database, home, settings)
        assert (TOLD in pipeline.run("python", "-m", "pipelines", "pull", "--days", "1")) is is_told
        pipeline.run("python", "-m", "pipelines", "retention")
        assert TOLD not in pipeline.run("python", "-m", "pipelines", "pull", "--days", "1")
