-- A load that finds an erased person under another id has room for its own day alone. Whom other days may still have is
-- kept here, and not by the run: one that fails or is killed leaves them to the next.
ALTER TABLE kaltura.suppressions ADD COLUMN IF NOT EXISTS to_sweep boolean NOT NULL DEFAULT FALSE;
COMMENT ON COLUMN kaltura.suppressions.to_sweep IS
'A load has found an id to be theirs, and days from before may still have it: the next run takes '
'it out of them.';

-- What runs of before have left undone nobody can tell: the next one of each account looks once.
UPDATE kaltura.suppressions
SET to_sweep = TRUE
WHERE kind = 'person';

-- So it is with what the planner knows of people who were taken out: a run takes its samples anew when it ends, or the next does.
ALTER TABLE kaltura.privacy ADD COLUMN IF NOT EXISTS has_old_samples boolean NOT NULL DEFAULT FALSE;
COMMENT ON COLUMN kaltura.privacy.has_old_samples IS
'People have been taken out, and what the planner keeps of columns (pg_stats) may still have them: '
'the next run takes it anew.';
