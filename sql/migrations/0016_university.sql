-- What a university knows of its rooms and Kaltura does not: which room belongs to which course, who is enrolled, what was
-- timetabled. Filled by `python -m pipelines load-lists`, or by whoever has the data of the LMS in the same database.
CREATE SCHEMA IF NOT EXISTS university;
COMMENT ON SCHEMA university IS
'The university''s own lists: courses, their rooms, who is enrolled in them, and the timetable. '
'Filled from CSV files (load-lists), or from the LMS''s data by whoever has it here.';

CREATE TABLE IF NOT EXISTS university.courses (
    account_id bigint NOT NULL,
    course_id text COLLATE "C" NOT NULL,
    course_name text,
    department text,
    term text,
    starts_on date,
    ends_on date,
    attendance_threshold double precision NOT NULL DEFAULT 0.5,
    CONSTRAINT courses_pkey PRIMARY KEY (account_id, course_id),
    CONSTRAINT courses_term CHECK (ends_on >= starts_on),
    CONSTRAINT courses_threshold CHECK (attendance_threshold BETWEEN 0 AND 1)
);
COMMENT ON TABLE university.courses IS
'One row for each course, as often as it is held: a course of two terms has two ids.';
COMMENT ON COLUMN university.courses.account_id IS
'The Kaltura account (partner id) in which the course''s rooms are.';
COMMENT ON COLUMN university.courses.course_id IS
'The course, by the university''s own id. Unique within an account.';
COMMENT ON COLUMN university.courses.course_name IS 'What the course is called.';
COMMENT ON COLUMN university.courses.department IS
'The department, school or faculty that holds it: department_weekly adds up by this.';
COMMENT ON COLUMN university.courses.term IS 'The term, by the university''s own name for it.';
COMMENT ON COLUMN university.courses.starts_on IS
'The first local day whose sessions count; NULL: from the first that was loaded.';
COMMENT ON COLUMN university.courses.ends_on IS
'The last local day whose sessions count; NULL: up to the newest.';
COMMENT ON COLUMN university.courses.attendance_threshold IS
'For what share of a session somebody has to be there to have attended it, 0 to 1. 0: at all.';
COMMENT ON CONSTRAINT courses_pkey ON university.courses IS 'One row for each account and course.';
COMMENT ON CONSTRAINT courses_term ON university.courses IS
'A course does not end before it starts.';
COMMENT ON CONSTRAINT courses_threshold ON university.courses IS 'A share is 0 to 1.';

CREATE TABLE IF NOT EXISTS university.course_rooms (
    account_id bigint NOT NULL,
    course_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    CONSTRAINT course_rooms_pkey PRIMARY KEY (account_id, course_id, room_id)
);
CREATE INDEX IF NOT EXISTS course_rooms_by_room ON university.course_rooms (account_id, room_id);
COMMENT ON INDEX university.course_rooms_by_room IS 'For the courses of a room.';
COMMENT ON TABLE university.course_rooms IS
'One row for each course and main room that it is held in. A room may serve several courses: then '
'its sessions are those of each, in the course''s own term.';
COMMENT ON COLUMN university.course_rooms.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN university.course_rooms.course_id IS 'The course, as in courses.';
COMMENT ON COLUMN university.course_rooms.room_id IS
'The room: the id of its Kaltura entry. A breakout room needs no row.';
COMMENT ON CONSTRAINT course_rooms_pkey ON university.course_rooms IS
'One row for each account, course and room.';

CREATE TABLE IF NOT EXISTS university.enrolments (
    account_id bigint NOT NULL,
    course_id text COLLATE "C" NOT NULL,
    person_id text COLLATE "C",
    person_email text COLLATE "C",
    role text NOT NULL DEFAULT 'student',
    from_date date,
    to_date date,
    CONSTRAINT enrolments_key UNIQUE NULLS NOT DISTINCT (
        account_id, course_id, person_id, person_email, from_date
    ),
    CONSTRAINT enrolments_person CHECK (person_id IS NOT NULL OR person_email IS NOT NULL),
    CONSTRAINT enrolments_role CHECK (role IN ('student', 'teacher', 'assistant', 'observer')),
    CONSTRAINT enrolments_dates CHECK (to_date >= from_date)
);
COMMENT ON TABLE university.enrolments IS
'One row for each person in each course, and for each time that they were enrolled in it. '
'Personal data: analysts see it through the views of analytics alone, but for kaltura_analyst_pii.';
COMMENT ON COLUMN university.enrolments.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN university.enrolments.course_id IS 'The course, as in courses.';
COMMENT ON COLUMN university.enrolments.person_id IS
'The person''s user id at Kaltura, as in kaltura.attendees, or the pseudonym where PII_MODE or '
'RETENTION_DAYS keep no ids; NULL where the list names them by e-mail alone. Personal data.';
COMMENT ON COLUMN university.enrolments.person_email IS
'The e-mail address by which Kaltura knows the person; in PII_MODE full alone. Personal data.';
COMMENT ON COLUMN university.enrolments.role IS
'student, teacher, assistant or observer. Students alone are counted as absent or at risk.';
COMMENT ON COLUMN university.enrolments.from_date IS
'The first local day of the enrolment; NULL: from the course''s start.';
COMMENT ON COLUMN university.enrolments.to_date IS
'The last local day of the enrolment; NULL: to the course''s end.';
COMMENT ON CONSTRAINT enrolments_key ON university.enrolments IS
'One row for each account, course, person and first day.';
COMMENT ON CONSTRAINT enrolments_person ON university.enrolments IS
'A person is named, by id or by e-mail.';
COMMENT ON CONSTRAINT enrolments_role ON university.enrolments IS 'A role that there is.';
COMMENT ON CONSTRAINT enrolments_dates ON university.enrolments IS
'An enrolment does not end before it starts.';

CREATE TABLE IF NOT EXISTS university.timetable (
    account_id bigint NOT NULL,
    course_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    planned_start_at timestamptz NOT NULL,
    planned_end_at timestamptz NOT NULL,
    CONSTRAINT timetable_pkey PRIMARY KEY (account_id, course_id, room_id, planned_start_at),
    CONSTRAINT timetable_end CHECK (planned_end_at > planned_start_at)
);
COMMENT ON TABLE university.timetable IS
'One row for each session that was planned: a course in a room at a time.';
COMMENT ON COLUMN university.timetable.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN university.timetable.course_id IS 'The course, as in courses.';
COMMENT ON COLUMN university.timetable.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN university.timetable.planned_start_at IS 'When the session was to start.';
COMMENT ON COLUMN university.timetable.planned_end_at IS 'When it was to end.';
COMMENT ON CONSTRAINT timetable_pkey ON university.timetable IS
'One row for each account, course, room and planned start.';
COMMENT ON CONSTRAINT timetable_end ON university.timetable IS
'A planned session ends after it starts.';

-- Where the roles are there already, a loader of this version needs the rights before `make roles` is run again.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'kaltura_loader') THEN
        GRANT USAGE ON SCHEMA university TO kaltura_loader;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA university TO kaltura_loader;
    END IF;
END
$$;
