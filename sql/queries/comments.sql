-- What is said of tables of schema kaltura and, where there is a column_name, of each of their columns:
-- of those that the current role owns, as others may not comment on them.
SELECT
    relations.relname::text AS table_name,
    NULL::text AS column_name,
    obj_description(relations.oid, 'pg_class') AS comment
FROM pg_catalog.pg_class AS relations
INNER JOIN pg_catalog.pg_namespace AS namespaces ON relations.relnamespace = namespaces.oid
WHERE
    namespaces.nspname = 'kaltura' AND relations.relname = any(%(names)s)
    AND pg_has_role(relations.relowner, 'USAGE')
UNION ALL
SELECT
    relations.relname::text AS table_name,
    columns.attname::text AS column_name,
    col_description(relations.oid, columns.attnum) AS comment
FROM pg_catalog.pg_class AS relations
INNER JOIN pg_catalog.pg_namespace AS namespaces ON relations.relnamespace = namespaces.oid
INNER JOIN pg_catalog.pg_attribute AS columns
    ON relations.oid = columns.attrelid AND columns.attnum > 0 AND NOT columns.attisdropped
WHERE
    namespaces.nspname = 'kaltura' AND relations.relname = any(%(names)s)
    AND pg_has_role(relations.relowner, 'USAGE')
