-- What could not be used of the reports, by day and reason: counts, and never the lines themselves.

CREATE VIEW analytics.rejected_rows AS
SELECT
    partner_id AS account_id,
    report_id,
    partition_date AS session_date,
    reason,
    column_name,
    is_repaired,
    count(*) AS row_count
FROM kaltura.rejects
GROUP BY partner_id, report_id, partition_date, reason, column_name, is_repaired;

COMMENT ON VIEW analytics.rejected_rows IS
'One row for each account, report, day and reason for which lines could not be used, or not wholly '
'(account_id, report_id, session_date, reason, column_name, is_repaired). Of each day what its '
'newest load still has; the lines themselves are in kaltura.rejects.';
COMMENT ON COLUMN analytics.rejected_rows.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.rejected_rows.report_id IS
'6000 (sessions), 6001 (attendance) or 6002 (breakouts).';
COMMENT ON COLUMN analytics.rejected_rows.session_date IS
'The local day that was asked for; the first of several where the line tells no day.';
COMMENT ON COLUMN analytics.rejected_rows.reason IS
'Why the lines could not be used, or why figures of them are left out.';
COMMENT ON COLUMN analytics.rejected_rows.column_name IS
'The column that is to blame, or the columns with commas between; NULL where a line is no row.';
COMMENT ON COLUMN analytics.rejected_rows.is_repaired IS
'Whether the rows are in the other views all the same, with NULL in the columns to blame.';
COMMENT ON COLUMN analytics.rejected_rows.row_count IS 'How many lines.';
