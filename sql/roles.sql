-- Who may do what: three roles that nobody logs in as, given to logins by GRANT kaltura_analyst TO somebody.
-- Applied by `make roles`, by the owner of the schemas; may be repeated, and run by psql.
--   kaltura_loader       what a run needs: writes the schemas kaltura and university, analyses their tables, reads all.
--                        Creates and drops nothing.
--   kaltura_analyst      reads the schema analytics, where people are pseudonyms, and the university's lists but enrolments.
--   kaltura_analyst_pii  the same, and is shown who people are.
-- Views are dropped and made anew by migrations: the default privileges give them back to their readers.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY
        ARRAY['kaltura_loader', 'kaltura_analyst', 'kaltura_analyst_pii']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN
                    NULL;  -- made for another database of this server at the same moment
            END;
        END IF;
    END LOOP;
    -- A server may have taken CONNECT from public.
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO kaltura_loader', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO kaltura_analyst', current_database());
END
$$;
GRANT kaltura_analyst TO kaltura_analyst_pii;

REVOKE ALL ON SCHEMA kaltura, analytics, university FROM public;
REVOKE ALL ON ALL TABLES IN SCHEMA kaltura FROM public;
REVOKE ALL ON ALL TABLES IN SCHEMA university FROM public;
REVOKE ALL ON ALL TABLES IN SCHEMA analytics FROM public;
REVOKE ALL ON SCHEMA kaltura FROM kaltura_analyst, kaltura_analyst_pii;
REVOKE ALL ON ALL TABLES IN SCHEMA kaltura FROM kaltura_analyst, kaltura_analyst_pii;

GRANT USAGE ON SCHEMA kaltura, analytics, university TO kaltura_loader;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA kaltura TO kaltura_loader;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA university TO kaltura_loader;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA kaltura TO kaltura_loader;
GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO kaltura_loader;
REVOKE INSERT, UPDATE, DELETE ON TABLE kaltura.migrations FROM kaltura_loader;

-- ANALYZE, with which a run ends. Before Postgres 17 it is the owner's alone.
DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 170000 THEN
        EXECUTE 'GRANT MAINTAIN ON ALL TABLES IN SCHEMA kaltura, university TO kaltura_loader';
        EXECUTE 'ALTER DEFAULT PRIVILEGES IN SCHEMA kaltura GRANT MAINTAIN ON TABLES TO kaltura_loader';
    END IF;
END
$$;

GRANT USAGE ON SCHEMA analytics, university TO kaltura_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO kaltura_analyst;
GRANT SELECT ON TABLE
university.courses, university.course_rooms, university.timetable
TO kaltura_analyst;
GRANT SELECT ON TABLE university.enrolments TO kaltura_analyst_pii;

ALTER DEFAULT PRIVILEGES IN SCHEMA kaltura
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO kaltura_loader;
ALTER DEFAULT PRIVILEGES IN SCHEMA kaltura
GRANT USAGE ON SEQUENCES TO kaltura_loader;
ALTER DEFAULT PRIVILEGES IN SCHEMA analytics
GRANT SELECT ON TABLES TO kaltura_loader, kaltura_analyst;
