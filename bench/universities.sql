-- A university of so many years, made by Postgres: 69 sessions of 40 people a day, 300 rooms a year, each with its course,
-- its host and its 60 students, who stay for three years or so. Days come in their order, as loads bring them.
CREATE TEMPORARY TABLE held AS
SELECT
    number,
    day_number,
    day_number / 365 AS year_number,
    number % 12 = 0 AS is_breakout,
    (number * 7) % 300 AS room_number,
    '2016-01-04'::date + day_number AS session_date,
    '1_' || substr(
        md5(((day_number / 365) * 300 + (number * 7) % 300)::text || CASE WHEN number % 12 = 0 THEN 'b' ELSE '' END), 1, 8
    ) AS room_id,
    '1_' || substr(md5(((day_number / 365) * 300 + (number * 7) % 300)::text), 1, 8) AS main_room_id,
    '1_' || substr(md5('session' || number), 1, 10) AS session_id,
    ('2016-01-04'::date + day_number)::timestamp AT TIME ZONE 'America/New_York'
    + interval '8 hours' + interval '10 minutes' * (number % 69) AS started_at,
    interval '1 minute' * (50 + (number * 13) % 50) AS lasted
FROM (
    SELECT
        number,
        (number / 69)::integer AS day_number
    FROM generate_series(0, %(years)s * 365 * 69 - 1) AS numbers (number)
) AS numbers;

INSERT INTO kaltura.room_sessions (
    partner_id, entry_id, entry_name, parent_entry_id, cue_point_id, session_start_time, session_end_time,
    session_host_user_id, meeting_view_period_unique_users, meeting_engaged_play_time_ratio, partition_date,
    window_start, window_end, load_id, first_loaded_at
)
SELECT
    1, room_id, 'Invented room ' || room_number, CASE WHEN is_breakout THEN main_room_id END, session_id, started_at,
    started_at + lasted, 'host' || to_char(room_number * 2 / 3 + year_number * 70, 'FM000000'), 40, 0.6, session_date,
    session_date::timestamptz, session_date::timestamptz + interval '2 days', 1, session_date::timestamptz + interval '2 days'
FROM held ORDER BY number;

INSERT INTO kaltura.breakout_sessions (
    partner_id, parent_entry_id, parent_entry_name, breakout_entry_id, breakout_entry_name, cue_point_id,
    session_start_time, session_end_time, duration, participant_count, partition_date, window_start, window_end, load_id
)
SELECT
    1, main_room_id, 'Invented room ' || room_number, room_id, 'Breakout', session_id, started_at, started_at + lasted,
    lasted, 40, session_date, session_date::timestamptz, session_date::timestamptz + interval '2 days', 1
FROM held WHERE is_breakout ORDER BY number;

INSERT INTO kaltura.attendees (
    partner_id, entry_id, cue_point_id, user_id, user_name, user_email, user_type, meeting_view_time,
    meeting_engaged_play_time_ratio, partition_date, window_start, window_end, load_id, first_loaded_at
)
SELECT
    1, room_id, session_id,
    CASE
        WHEN place < 40
            THEN 'user' || to_char(year_number * 6000 + (room_number * 53 + (place + number) % 60) % 20000, 'FM000000')
        ELSE ''
    END,
    'Invented Person', 'person@example.org', 'User', (place * 13 + number) % 90, (place % 10) / 10.0, session_date,
    session_date::timestamptz, session_date::timestamptz + interval '2 days', 1, session_date::timestamptz + interval '2 days'
FROM held CROSS JOIN generate_series(1, 40) AS places (place) ORDER BY number, place;

INSERT INTO kaltura.loads (
    partner_id, report_id, partition_date, window_start, window_end, pulled_at, loaded_at, requests, rows_received,
    rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged, removed
)
SELECT
    1, report_id, session_date, session_date::timestamptz, session_date::timestamptz + interval '2 days',
    session_date::timestamptz + interval '1 day' * pull, session_date::timestamptz + interval '1 day' * pull,
    1, 0, 0, 0, 0, 0, 0, 0, 0
FROM (SELECT DISTINCT session_date FROM held) AS days
CROSS JOIN generate_series(6000, 6002) AS reports (report_id)
CROSS JOIN generate_series(2, 5) AS pulls (pull);

INSERT INTO kaltura.people (partner_id, user_id, pseudonym)
SELECT 1, user_id, 'p_' || md5(user_id)
FROM (
    SELECT DISTINCT session_host_user_id AS user_id FROM kaltura.room_sessions
    UNION
    SELECT DISTINCT user_id FROM kaltura.attendees WHERE user_id <> ''
) AS everybody;
INSERT INTO kaltura.calendars (partner_id, timezone) VALUES (1, 'America/New_York');

INSERT INTO university.courses (account_id, course_id, course_name, department, term, starts_on, ends_on)
SELECT DISTINCT
    1, 'C' || (year_number * 300 + room_number), 'Course ' || room_number, 'Department ' || room_number % 12,
    'Year ' || year_number, '2016-01-04'::date + year_number * 365, '2016-01-04'::date + year_number * 365 + 364
FROM held;
INSERT INTO university.course_rooms (account_id, course_id, room_id)
SELECT DISTINCT 1, 'C' || (year_number * 300 + room_number), main_room_id FROM held;
INSERT INTO university.enrolments (account_id, course_id, person_id)
SELECT
    1, 'C' || (year_number * 300 + room_number),
    'user' || to_char(year_number * 6000 + (room_number * 53 + place) % 20000, 'FM000000')
FROM (SELECT DISTINCT year_number, room_number FROM held) AS rooms
CROSS JOIN generate_series(0, 59) AS places (place);
INSERT INTO university.timetable (account_id, course_id, room_id, planned_start_at, planned_end_at)
SELECT 1, 'C' || (year_number * 300 + room_number), main_room_id, started_at, started_at + interval '1 hour'
FROM held WHERE NOT is_breakout;
DROP TABLE held;
