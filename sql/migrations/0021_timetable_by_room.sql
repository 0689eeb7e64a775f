-- What was planned in a room, whichever courses it is of. Among the 230,862 plans of ten years, planned_sessions of one
-- room took 1.4 s without it and takes 0.07 s, of one day 0.32 and 0.12 s.
CREATE INDEX IF NOT EXISTS timetable_by_room
ON university.timetable (account_id, room_id, planned_start_at);
COMMENT ON INDEX university.timetable_by_room IS
'For analytics.planned_sessions: the plans of a room, and which of them a session overlaps.';
