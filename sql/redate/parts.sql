-- The parts of each load of the account: what it tells of, cut at the new midnights. A load that an earlier move has cut
-- already is cut once more.
INSERT INTO pg_temp.redate_parts (id, load_id, day, starts_at, ends_at, is_day)
WITH stretches AS (
    SELECT
        loads.id,
        loads.partition_date,
        loads.redated_from IS NULL AS is_pull,
        coalesce((loads.filters -> 'started' ->> 0)::timestamptz, days.starts_at) AS starts_at,
        coalesce((loads.filters -> 'started' ->> 1)::timestamptz, days.ends_at) AS ends_at
    FROM kaltura.loads
    INNER JOIN pg_temp.redate_days_before AS days ON loads.partition_date = days.day
    WHERE loads.partner_id = %(partner_id)s
),

parts AS (
    SELECT
        stretches.id AS load_id,
        days.day,
        greatest(stretches.starts_at, days.starts_at) AS starts_at,
        least(stretches.ends_at, days.ends_at) AS ends_at,
        stretches.is_pull
        AND stretches.starts_at = days.starts_at
        AND stretches.ends_at = days.ends_at AS is_day,
        abs(days.day - stretches.partition_date) AS apart
    FROM stretches
    INNER JOIN pg_temp.redate_days AS days
        ON
            days.day BETWEEN stretches.partition_date - 3 AND stretches.partition_date + 3
            AND stretches.ends_at > days.starts_at
            AND stretches.starts_at < days.ends_at
),

ordered AS (
    SELECT
        load_id,
        day,
        starts_at,
        ends_at,
        is_day,
        row_number() OVER (
            PARTITION BY load_id ORDER BY ends_at - starts_at DESC, apart ASC, day ASC
        ) AS place
    FROM parts
)

SELECT
    CASE
        WHEN place = 1 THEN load_id
        ELSE nextval(pg_get_serial_sequence('kaltura.loads', 'id'))
    END AS id,
    load_id,
    day,
    starts_at,
    ends_at,
    is_day
FROM ordered
