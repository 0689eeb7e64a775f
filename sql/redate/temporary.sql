-- What is known while the rows of an account move to their days in another time zone.

-- The days by the new zone's midnights, and by the old one's.
CREATE TEMPORARY TABLE redate_days (
    day date PRIMARY KEY,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
) ON COMMIT DROP;
CREATE TEMPORARY TABLE redate_days_before (
    day date PRIMARY KEY,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
) ON COMMIT DROP;

-- What of a load lies on which new day. The largest part keeps the load's id.
CREATE TEMPORARY TABLE redate_parts (
    id bigint PRIMARY KEY,
    load_id bigint NOT NULL,
    day date NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    is_day boolean NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE redate_sessions (
    entry_id text COLLATE "C" NOT NULL,
    cue_point_id text COLLATE "C" NOT NULL,
    day_before date NOT NULL,
    day date NOT NULL
) ON COMMIT DROP;

-- Days that rows may be on of which nothing tells the day.
CREATE TEMPORARY TABLE redate_doubts (
    report_id integer NOT NULL,
    day date NOT NULL
) ON COMMIT DROP;
