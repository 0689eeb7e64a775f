-- What views rest on: what is a nobody, and breakout rooms without reading every session.

-- No SET search_path here: the planner puts the body in place of the call only without one.
CREATE OR REPLACE FUNCTION analytics.is_nobody(id text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT id IN ('', '0', 'Unknown', 'Error')
$$;
COMMENT ON FUNCTION analytics.is_nobody(text) IS
'Whether an id is one of those that Kaltura writes for a person, room or session that it does not '
'know: empty, 0, Unknown or Error. NULL for NULL.';

CREATE INDEX IF NOT EXISTS room_sessions_by_main_room
ON kaltura.room_sessions (partner_id, entry_id, parent_entry_id)
WHERE parent_entry_id IS NOT NULL;
COMMENT ON INDEX kaltura.room_sessions_by_main_room IS
'For analytics.breakout_rooms, which asks for rooms with a main room alone.';
