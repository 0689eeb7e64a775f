-- What the function compares with is settled when it is made. A body that is text is read anew in each query, by the
-- search_path of whoever asks: an operator = of theirs was asked for every id.

-- No SET search_path here: the planner puts the body in place of the call only without one.
CREATE OR REPLACE FUNCTION analytics.is_nobody(id text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN id IN ('', '0', 'Unknown', 'Error');
