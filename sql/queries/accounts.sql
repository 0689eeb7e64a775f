-- The accounts that the warehouse has anything of.
SELECT calendars.partner_id FROM kaltura.calendars
UNION
SELECT loads.partner_id FROM kaltura.loads
UNION
SELECT room_sessions.partner_id FROM kaltura.room_sessions
UNION
SELECT attendees.partner_id FROM kaltura.attendees
UNION
SELECT breakout_sessions.partner_id FROM kaltura.breakout_sessions
UNION
SELECT enrolments.account_id FROM university.enrolments
ORDER BY partner_id
