-- Of two pulls the database says which is the later one, by a number that it gives out before the first request: no
-- clock decides any more. A pull made while a clock was ahead held its days for as long as that, or for ever.
CREATE SEQUENCE IF NOT EXISTS kaltura.pulls;
COMMENT ON SEQUENCE kaltura.pulls IS
'Numbers of pulls, each given out before the first request: of two pulls the higher one knows '
'more.';

ALTER TABLE kaltura.loads
ADD COLUMN IF NOT EXISTS pull bigint,
ADD COLUMN IF NOT EXISTS clock_ahead_seconds double precision,
ADD COLUMN IF NOT EXISTS rows_superseded integer NOT NULL DEFAULT 0;

-- What lies in the future is put back to when it was written: figures are known up to then at most.
UPDATE kaltura.room_sessions AS known SET window_end = loads.loaded_at
FROM kaltura.loads AS loads
WHERE
    loads.id = known.load_id
    AND loads.window_end > loads.loaded_at
    AND known.window_end > loads.loaded_at;
UPDATE kaltura.attendees AS known SET window_end = loads.loaded_at
FROM kaltura.loads AS loads
WHERE
    loads.id = known.load_id
    AND loads.window_end > loads.loaded_at
    AND known.window_end > loads.loaded_at;
UPDATE kaltura.breakout_sessions AS known SET window_end = loads.loaded_at
FROM kaltura.loads AS loads
WHERE
    loads.id = known.load_id
    AND loads.window_end > loads.loaded_at
    AND known.window_end > loads.loaded_at;
UPDATE kaltura.loads SET
    pulled_at = least(pulled_at, loaded_at, now()),
    window_end = least(window_end, loaded_at)
WHERE pulled_at > least(loaded_at, now()) OR window_end > loaded_at;

-- Pulls so far in the order in which they began. Whatever is pulled from now on comes after them.
UPDATE kaltura.loads SET pull = ordered.pull
FROM (
    SELECT
        loads.id,
        dense_rank() OVER (ORDER BY loads.pulled_at) AS pull
    FROM kaltura.loads AS loads
) AS ordered
WHERE loads.id = ordered.id AND loads.pull IS NULL;
SELECT setval('kaltura.pulls', max(pull)) FROM kaltura.loads
HAVING max(pull) IS NOT NULL;

-- A loader of the version before goes on beside this one: its pulls get their number when they are loaded.
ALTER TABLE kaltura.loads ALTER COLUMN pull SET DEFAULT nextval('kaltura.pulls');
-- squawk-ignore adding-not-nullable-field
ALTER TABLE kaltura.loads ALTER COLUMN pull SET NOT NULL;

-- squawk-ignore ban-drop-constraint
ALTER TABLE kaltura.loads DROP CONSTRAINT IF EXISTS loads_every_row_is_accounted_for;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE kaltura.loads ADD CONSTRAINT loads_every_row_is_accounted_for CHECK (
    rows_received
    = rows_merged + rows_rejected + rows_other_days + rows_superseded
    + inserted + updated + unchanged
);

COMMENT ON COLUMN kaltura.loads.pull IS
'The pull, by a number that the database gave out before its first request: of two pulls the '
'higher one knows more.';
COMMENT ON COLUMN kaltura.loads.pulled_at IS
'When the pull began, before its first request, by Kaltura''s clock. Which of two pulls knows '
'more is told by pull.';
COMMENT ON COLUMN kaltura.loads.clock_ahead_seconds IS
'By how much the clock of the machine that pulled was ahead of Kaltura''s, in seconds; '
'below 0 where it was behind. NULL where no reply told the time.';
COMMENT ON COLUMN kaltura.loads.rows_superseded IS
'Rows that the table knows further or from a later pull: what it holds of their '
'sessions was left as it is.';
COMMENT ON COLUMN kaltura.loads.rows_received IS
'Rows received that fall to this day: equals rows_merged + rows_rejected + rows_other_days + '
'rows_superseded + inserted + updated + unchanged.';
COMMENT ON COLUMN kaltura.loads.unchanged IS
'Rows that were equal to those in the table, and not touched.';
COMMENT ON CONSTRAINT loads_every_row_is_accounted_for ON kaltura.loads IS
'No row that was received is lost without being counted.';
