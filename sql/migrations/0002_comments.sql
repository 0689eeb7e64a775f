-- What every table, column and constraint of 0001 holds, said where the data is. The first sentence
-- on a report's column is that of its declaration under assets/; a test holds the two together.

COMMENT ON SCHEMA kaltura IS
'Room analytics as Kaltura reports them, under Kaltura''s own column names, and the record of '
'how they were loaded. Times are UTC instants; ids are text.';
COMMENT ON SCHEMA analytics IS
'What analysts query: views over kaltura with plain names (*_id, *_at, *_date, *_minutes, '
'*_count, *_ratio, is_*).';

COMMENT ON TABLE kaltura.room_sessions IS
'Report 6000: one row for each session of each room, breakout rooms included, on the local day '
'on which it started. Figures are those of the whole session. A session that a later pull no '
'longer lists stays.';
COMMENT ON COLUMN kaltura.room_sessions.partner_id IS
'The Kaltura account: its partner id. Ids are unique within an account only.';
COMMENT ON COLUMN kaltura.room_sessions.entry_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN kaltura.room_sessions.entry_name IS
'The room''s name when last pulled. A renamed room keeps its old name on sessions that are not '
'pulled again.';
COMMENT ON COLUMN kaltura.room_sessions.parent_entry_id IS
'The main room, where this one is a breakout room; NULL for a main room.';
COMMENT ON COLUMN kaltura.room_sessions.cue_point_id IS
'The session: an id that Kaltura gives each opening of a room. Unique within a room; may read '
'Unknown or 0 where Kaltura has lost the session.';
COMMENT ON COLUMN kaltura.room_sessions.session_start_time IS
'When the session started. Its local day is partition_date.';
COMMENT ON COLUMN kaltura.room_sessions.session_end_time IS
'When the session ended; NULL while it runs or where the end is not known.';
COMMENT ON COLUMN kaltura.room_sessions.session_host_user_id IS
'The user id of the host. May read Unknown. Personal data.';
COMMENT ON COLUMN kaltura.room_sessions.meeting_view_period_unique_users IS
'How many people attended: Kaltura''s estimate, which need not equal the number of attendee '
'rows. A HyperLogLog: does not add up over sessions.';
COMMENT ON COLUMN kaltura.room_sessions.meeting_engaged_play_time_ratio IS
'Share of all viewing time with an engaged viewer, 0 to 1; 0 where nobody watched.';
COMMENT ON COLUMN kaltura.room_sessions.partition_date IS
'The local day of the session, by its start, in the time zone that the warehouse is set to.';
COMMENT ON COLUMN kaltura.room_sessions.window_start IS
'Start of the window that the figures were asked for with.';
COMMENT ON COLUMN kaltura.room_sessions.window_end IS
'End of that window, or when it was asked for if it reached into the future: the figures count '
'events before it. A later pull that changes nothing leaves it as it is.';
COMMENT ON COLUMN kaltura.room_sessions.extra IS
'Columns that Kaltura sent and this version does not know, by name; NULL where there are none.';
COMMENT ON COLUMN kaltura.room_sessions.load_id IS 'The load that last wrote the row: loads.id.';
COMMENT ON COLUMN kaltura.room_sessions.first_loaded_at IS
'When the row was first loaded: the start of the transaction, the same for all rows of a load.';
COMMENT ON COLUMN kaltura.room_sessions.changed_at IS 'When the row was last written.';
COMMENT ON CONSTRAINT room_sessions_pkey ON kaltura.room_sessions IS
'One row for each account, room and session.';
COMMENT ON CONSTRAINT room_sessions_ratio ON kaltura.room_sessions IS
'A ratio is 0 to 1, or not known.';
COMMENT ON CONSTRAINT room_sessions_end ON kaltura.room_sessions IS
'A session does not end before it starts; one that ended as it started is stored without an end.';

COMMENT ON TABLE kaltura.attendees IS
'Report 6001: one row for each person in each session, on the day of the session. A person whom '
'a later pull of the session no longer lists is removed, and kept in changes.';
COMMENT ON COLUMN kaltura.attendees.partner_id IS
'The Kaltura account: its partner id. Ids are unique within an account only.';
COMMENT ON COLUMN kaltura.attendees.entry_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN kaltura.attendees.cue_point_id IS 'The session, as in room_sessions.';
COMMENT ON COLUMN kaltura.attendees.user_id IS
'The person; empty for all whom Kaltura could not resolve, together. May also read Unknown or 0. '
'Personal data.';
COMMENT ON COLUMN kaltura.attendees.user_name IS
'First and last name, or the user id again, when last pulled. Personal data; NULL where it is '
'not pulled.';
COMMENT ON COLUMN kaltura.attendees.user_email IS
'E-mail address when last pulled. Personal data; NULL where it is not pulled.';
COMMENT ON COLUMN kaltura.attendees.user_type IS 'User (known to Kaltura) or Guest.';
COMMENT ON COLUMN kaltura.attendees.meeting_view_time IS
'Time in the session, in minutes. Two devices at once count twice.';
COMMENT ON COLUMN kaltura.attendees.meeting_engaged_play_time_ratio IS
'Share of that time spent engaged, 0 to 1. 0 also where there are no minutes.';
COMMENT ON COLUMN kaltura.attendees.partition_date IS
'The local day of the session, by its start, in the time zone that the warehouse is set to.';
COMMENT ON COLUMN kaltura.attendees.window_start IS
'Start of the window that the figures were asked for with.';
COMMENT ON COLUMN kaltura.attendees.window_end IS
'End of that window, or when it was asked for if it reached into the future: the figures count '
'events before it. A later pull that changes nothing leaves it as it is.';
COMMENT ON COLUMN kaltura.attendees.extra IS
'Columns that Kaltura sent and this version does not know, by name; NULL where there are none.';
COMMENT ON COLUMN kaltura.attendees.load_id IS 'The load that last wrote the row: loads.id.';
COMMENT ON COLUMN kaltura.attendees.first_loaded_at IS
'When the row was first loaded: the start of the transaction, the same for all rows of a load.';
COMMENT ON COLUMN kaltura.attendees.changed_at IS 'When the row was last written.';
COMMENT ON CONSTRAINT attendees_pkey ON kaltura.attendees IS
'One row for each account, room, session and person; unresolved people are one row.';
COMMENT ON CONSTRAINT attendees_minutes ON kaltura.attendees IS
'Minutes are not negative, or not known.';
COMMENT ON CONSTRAINT attendees_ratio ON kaltura.attendees IS 'A ratio is 0 to 1, or not known.';

COMMENT ON TABLE kaltura.breakout_sessions IS
'Report 6002: one row for each session of each breakout room, on the local day on which it '
'started. A session that a later pull no longer lists stays.';
COMMENT ON COLUMN kaltura.breakout_sessions.partner_id IS
'The Kaltura account: its partner id. Ids are unique within an account only.';
COMMENT ON COLUMN kaltura.breakout_sessions.parent_entry_id IS
'The main room that the breakout room belongs to.';
COMMENT ON COLUMN kaltura.breakout_sessions.parent_entry_name IS
'The main room''s name when last pulled.';
COMMENT ON COLUMN kaltura.breakout_sessions.breakout_entry_id IS
'The breakout room: the id of its Kaltura entry.';
COMMENT ON COLUMN kaltura.breakout_sessions.breakout_entry_name IS
'The breakout room''s name when last pulled.';
COMMENT ON COLUMN kaltura.breakout_sessions.cue_point_id IS
'The breakout session. Its own id or that of the main session: analytics.breakouts tells which.';
COMMENT ON COLUMN kaltura.breakout_sessions.session_initiator IS
'Who opened the breakout session. May read Unknown. Personal data.';
COMMENT ON COLUMN kaltura.breakout_sessions.session_start_time IS
'When the breakout session started.';
COMMENT ON COLUMN kaltura.breakout_sessions.session_end_time IS
'When it ended; NULL while it runs or where the end is not known.';
COMMENT ON COLUMN kaltura.breakout_sessions.duration IS
'From start to end; NULL where the end is. An interval, from seconds.';
COMMENT ON COLUMN kaltura.breakout_sessions.participant_count IS
'How many people took part: Kaltura''s estimate. Does not add up over sessions.';
COMMENT ON COLUMN kaltura.breakout_sessions.engagement_rate IS
'Share of all viewing time with an engaged viewer, 0 to 1. 0 where nobody watched.';
COMMENT ON COLUMN kaltura.breakout_sessions.partition_date IS
'The local day of the session, by its start, in the time zone that the warehouse is set to.';
COMMENT ON COLUMN kaltura.breakout_sessions.window_start IS
'Start of the window that the figures were asked for with.';
COMMENT ON COLUMN kaltura.breakout_sessions.window_end IS
'End of that window, or when it was asked for if it reached into the future: the figures count '
'events before it. A later pull that changes nothing leaves it as it is.';
COMMENT ON COLUMN kaltura.breakout_sessions.extra IS
'Columns that Kaltura sent and this version does not know, by name; NULL where there are none.';
COMMENT ON COLUMN kaltura.breakout_sessions.load_id IS
'The load that last wrote the row: loads.id.';
COMMENT ON COLUMN kaltura.breakout_sessions.first_loaded_at IS
'When the row was first loaded: the start of the transaction, the same for all rows of a load.';
COMMENT ON COLUMN kaltura.breakout_sessions.changed_at IS 'When the row was last written.';
COMMENT ON CONSTRAINT breakout_sessions_pkey ON kaltura.breakout_sessions IS
'One row for each account, breakout room and session.';
COMMENT ON CONSTRAINT breakout_sessions_ratio ON kaltura.breakout_sessions IS
'A ratio is 0 to 1, or not known.';
COMMENT ON CONSTRAINT breakout_sessions_end ON kaltura.breakout_sessions IS
'A session does not end before it starts.';

COMMENT ON TABLE kaltura.loads IS
'One row for each load of one report and day: what was asked for, what came, and what it did.';
COMMENT ON COLUMN kaltura.loads.id IS 'The load.';
COMMENT ON COLUMN kaltura.loads.partner_id IS 'The Kaltura account: its partner id.';
COMMENT ON COLUMN kaltura.loads.report_id IS
'Kaltura''s report: 6000 (room_sessions), 6001 (attendees) or 6002 (breakout_sessions).';
COMMENT ON COLUMN kaltura.loads.partition_date IS 'The local day that was loaded.';
COMMENT ON COLUMN kaltura.loads.window_start IS
'Start of the window that was asked for. Several days may have been asked for together.';
COMMENT ON COLUMN kaltura.loads.window_end IS
'End of that window, or when it was asked for if it reached into the future.';
COMMENT ON COLUMN kaltura.loads.filters IS
'The ids that the pull was restricted to, by setting; NULL for a whole day.';
COMMENT ON COLUMN kaltura.loads.pulled_at IS
'When the pull began, before its first request: of two pulls the later one knows more.';
COMMENT ON COLUMN kaltura.loads.loaded_at IS
'When the load was written: the start of its transaction.';
COMMENT ON COLUMN kaltura.loads.requests IS
'Requests sent to Kaltura for the report, for all the days that were pulled together.';
COMMENT ON COLUMN kaltura.loads.rows_received IS
'Rows received that fall to this day: equals rows_merged + rows_rejected + rows_other_days + '
'inserted + updated + unchanged.';
COMMENT ON COLUMN kaltura.loads.rows_merged IS
'Rows merged into another one of the same key, or superseded by one from a wider window.';
COMMENT ON COLUMN kaltura.loads.rows_rejected IS 'Rows that could not be used: see rejects.';
COMMENT ON COLUMN kaltura.loads.rows_other_days IS
'Fragments of sessions that belong to other days, left out.';
COMMENT ON COLUMN kaltura.loads.inserted IS 'Rows that were new.';
COMMENT ON COLUMN kaltura.loads.updated IS 'Rows that differed and were overwritten: see changes.';
COMMENT ON COLUMN kaltura.loads.unchanged IS
'Rows that were equal to those in the table, or known less far, and not touched.';
COMMENT ON COLUMN kaltura.loads.removed IS
'Rows of the table that a session listed again no longer has: see changes. Not among '
'rows_received.';
COMMENT ON COLUMN kaltura.loads.run_id IS 'The Dagster run that loaded it; NULL outside Dagster.';
COMMENT ON COLUMN kaltura.loads.root_run_id IS
'The first of the runs that it retries: its own id where it retries none.';
COMMENT ON COLUMN kaltura.loads.kaltura_session IS
'Kaltura''s X-Kaltura-Session of a reply, which its support asks for; NULL where it sent none.';
COMMENT ON CONSTRAINT loads_pkey ON kaltura.loads IS 'One row for each load.';
COMMENT ON CONSTRAINT loads_every_row_is_accounted_for ON kaltura.loads IS
'No row that was received is lost without being counted.';

COMMENT ON TABLE kaltura.changes IS
'One row for each row of the three report tables that a later pull updated or removed, as it was '
'before.';
COMMENT ON COLUMN kaltura.changes.load_id IS 'The load that changed it: loads.id.';
COMMENT ON COLUMN kaltura.changes.table_name IS
'The table: room_sessions, attendees or breakout_sessions.';
COMMENT ON COLUMN kaltura.changes.key IS 'The primary key of the row, by column.';
COMMENT ON COLUMN kaltura.changes.change IS 'update or remove.';
COMMENT ON COLUMN kaltura.changes.before IS
'The row as it was, without its key. May hold personal data.';
COMMENT ON COLUMN kaltura.changes.after IS
'The row as it became, without its key; NULL where it was removed. May hold personal data.';
COMMENT ON COLUMN kaltura.changes.changed_at IS 'When it was changed.';
COMMENT ON CONSTRAINT changes_change ON kaltura.changes IS
'A row is updated or removed; new rows leave no trace here.';

COMMENT ON TABLE kaltura.rejects IS
'One row for each row that could not be used, of the newest load of its day that had others than '
'before.';
COMMENT ON COLUMN kaltura.rejects.load_id IS 'The load that set it aside: loads.id.';
COMMENT ON COLUMN kaltura.rejects.partner_id IS 'The Kaltura account: its partner id.';
COMMENT ON COLUMN kaltura.rejects.report_id IS 'Kaltura''s report: 6000, 6001 or 6002.';
COMMENT ON COLUMN kaltura.rejects.partition_date IS
'The local day that counts it: its own, or the first of the days pulled together.';
COMMENT ON COLUMN kaltura.rejects.raw IS 'The line as it came. May hold personal data.';
COMMENT ON COLUMN kaltura.rejects.reason IS 'Why it could not be used.';

COMMENT ON INDEX kaltura.loads_by_day IS 'For the newest load of a day.';
COMMENT ON INDEX kaltura.loads_by_root_run IS 'For the days that a retried run has loaded.';
COMMENT ON INDEX kaltura.changes_by_load IS 'For what a load changed.';
COMMENT ON INDEX kaltura.rejects_by_day IS 'For the rejects of a day.';
