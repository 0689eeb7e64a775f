-- In which time zone the days of each account are cut: what partition_date means.
CREATE TABLE IF NOT EXISTS kaltura.calendars (
    partner_id bigint NOT NULL,
    timezone text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT calendars_pkey PRIMARY KEY (partner_id)
);
COMMENT ON TABLE kaltura.calendars IS
'One row for each account: the time zone at whose midnights its days are cut. A pull with another '
'PARTITION_TIMEZONE is refused.';
COMMENT ON COLUMN kaltura.calendars.partner_id IS 'The Kaltura account: its partner id.';
COMMENT ON COLUMN kaltura.calendars.timezone IS
'PARTITION_TIMEZONE, by its IANA name: Europe/Berlin, say.';
COMMENT ON COLUMN kaltura.calendars.recorded_at IS
'When it was recorded: by the account''s first pull.';
COMMENT ON CONSTRAINT calendars_pkey ON kaltura.calendars IS 'One row for each account.';
