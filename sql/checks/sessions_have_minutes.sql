-- Sessions of two people and more in which nobody has a minute: Kaltura prints 0 for a figure that its store lost.
SELECT
    partition_date,
    entry_id,
    cue_point_id,
    count(meeting_view_time) AS people_without_minutes
FROM kaltura.attendees
WHERE partner_id = %(partner_id)s AND partition_date BETWEEN %(first)s AND %(last)s
GROUP BY partition_date, entry_id, cue_point_id
HAVING count(meeting_view_time) >= 2 AND max(meeting_view_time) = 0
ORDER BY partition_date, entry_id, cue_point_id
