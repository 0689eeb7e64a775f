-- The accounts that a report can be made for, the days from the first to the last that was loaded, and where they are cut.
SELECT
    data_freshness.account_id,
    min(data_freshness.first_date) AS first_date,
    max(data_freshness.last_date) AS last_date,
    max(calendars.timezone) AS timezone,
    -- Another text once anything was loaded, put back from a backup, cut anew in another zone, erased or listed, and once
    -- the settings keep to other ids, by which other loads are whole.
    md5(
        concat_ws(
            ' ',
            extract(EPOCH FROM max(data_freshness.newest_load_at)),
            (
                SELECT
                    concat_ws(
                        ' ', max(loads.id), sum(loads.id) FILTER (WHERE loads.is_whole)
                    )
                FROM kaltura.loads
                WHERE loads.partner_id = data_freshness.account_id
            ),
            extract(EPOCH FROM max(calendars.recorded_at)),
            (SELECT privacy.removals FROM kaltura.privacy),
            (
                SELECT sum(courses.xmin::text::bigint) FROM university.courses
                WHERE courses.account_id = data_freshness.account_id
            ),
            (
                SELECT sum(course_rooms.xmin::text::bigint) FROM university.course_rooms
                WHERE course_rooms.account_id = data_freshness.account_id
            ),
            (
                SELECT sum(enrolments.xmin::text::bigint) FROM university.enrolments
                WHERE enrolments.account_id = data_freshness.account_id
            )
        )
    ) AS data_version
FROM analytics.data_freshness
LEFT JOIN kaltura.calendars ON data_freshness.account_id = calendars.partner_id
GROUP BY data_freshness.account_id
ORDER BY data_freshness.account_id
