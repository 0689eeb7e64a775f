-- Tables with rows and an index over an expression of which the planner knows nothing: nothing is, until ANALYZE.
SELECT DISTINCT
    pg_namespace.nspname,
    relation.relname
FROM pg_index
INNER JOIN pg_class AS relation ON pg_index.indrelid = relation.oid
INNER JOIN pg_namespace ON relation.relnamespace = pg_namespace.oid
INNER JOIN pg_class AS found_by ON pg_index.indexrelid = found_by.oid
WHERE
    pg_index.indexprs IS NOT NULL
    AND pg_namespace.nspname IN ('kaltura', 'university')
    AND pg_relation_size(relation.oid) > 0
    AND NOT EXISTS (
        SELECT FROM pg_stats
        WHERE
            pg_stats.schemaname = pg_namespace.nspname
            AND pg_stats.tablename = found_by.relname
    )
ORDER BY pg_namespace.nspname, relation.relname
