-- Rooms that are breakout rooms: those for which report 6000 names a main room, and those of report 6002.

CREATE VIEW analytics.breakout_rooms AS
WITH named AS (
    SELECT
        partner_id,
        entry_id,
        parent_entry_id
    FROM kaltura.room_sessions
    WHERE NOT analytics.is_nobody(parent_entry_id)
    UNION ALL
    SELECT
        partner_id,
        breakout_entry_id AS entry_id,
        CASE WHEN NOT analytics.is_nobody(parent_entry_id) THEN parent_entry_id END
            AS parent_entry_id
    FROM kaltura.breakout_sessions
)

SELECT
    partner_id AS account_id,
    entry_id AS room_id,
    max(parent_entry_id) AS main_room_id
FROM named
GROUP BY partner_id, entry_id;

COMMENT ON VIEW analytics.breakout_rooms IS
'One row for each breakout room (account_id, room_id): report 6000 names a main room for one of '
'its sessions, or report 6002 lists it.';
COMMENT ON COLUMN analytics.breakout_rooms.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.breakout_rooms.room_id IS
'The breakout room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.breakout_rooms.main_room_id IS
'The main room; NULL where neither report names it.';
