-- Days of which pulls of the last 14 days took out over 5 percent of the people, and at least 5, whom a session had listed, and who
-- are not in it again. Who came in their place counts against them: an id that Kaltura has changed, nobody who got a name.
WITH removed AS (
    SELECT
        loads.partition_date,
        changes.key ->> 'entry_id' AS entry_id,
        changes.key ->> 'cue_point_id' AS cue_point_id,
        changes.key ->> 'user_id' AS user_id,
        changes.changed_at
    FROM kaltura.loads
    INNER JOIN kaltura.changes ON loads.id = changes.load_id
    WHERE
        loads.partner_id = %(partner_id)s
        AND loads.report_id = %(report_id)s
        AND loads.partition_date BETWEEN %(first)s AND %(last)s
        AND loads.removed > 0
        AND changes.change = 'remove'
        AND changes.changed_at > now() - interval '14 days'
        AND NOT analytics.is_nobody(changes.key ->> 'user_id')
),

lost AS (
    SELECT
        removed.partition_date,
        removed.entry_id,
        removed.cue_point_id,
        count(DISTINCT removed.user_id) AS people_count,
        min(removed.changed_at) AS lost_at
    FROM removed
    LEFT JOIN kaltura.attendees AS back
        ON
            back.partner_id = %(partner_id)s
            AND removed.entry_id = back.entry_id
            AND removed.cue_point_id = back.cue_point_id
            AND removed.user_id = back.user_id
    WHERE back.user_id IS NULL
    GROUP BY removed.partition_date, removed.entry_id, removed.cue_point_id
),

of_sessions AS (
    SELECT
        lost.partition_date,
        lost.people_count - count(new.user_id) AS people_count
    FROM lost
    LEFT JOIN kaltura.attendees AS new
        ON
            new.partner_id = %(partner_id)s
            AND lost.entry_id = new.entry_id
            AND lost.cue_point_id = new.cue_point_id
            AND lost.lost_at <= new.first_loaded_at
    GROUP BY lost.partition_date, lost.entry_id, lost.cue_point_id, lost.people_count
),

of_days AS (
    SELECT
        partition_date,
        sum(people_count) AS people_removed
    FROM of_sessions
    WHERE people_count > 0
    GROUP BY partition_date
    HAVING sum(people_count) >= 5
)

SELECT
    of_days.partition_date,
    of_days.people_removed,
    count(attendees.user_id) AS people_left
FROM of_days
LEFT JOIN kaltura.attendees
    ON
        attendees.partner_id = %(partner_id)s
        AND of_days.partition_date = attendees.partition_date
GROUP BY of_days.partition_date, of_days.people_removed
HAVING of_days.people_removed > 0.05 * (of_days.people_removed + count(attendees.user_id))
ORDER BY of_days.partition_date
