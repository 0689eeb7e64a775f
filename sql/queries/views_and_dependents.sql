-- The views of schema analytics with the given names, and every view and materialized view that is built on one of
-- them: each after those it is built on, with all that it takes to make it again; and what has to be run first where this login
-- may not drop it, make it anew and give it back. Who may act for an owner has its rights, and may become it (acting).
WITH RECURSIVE ours AS (
    SELECT pg_class.oid
    FROM pg_class
    INNER JOIN pg_namespace ON pg_class.relnamespace = pg_namespace.oid
    WHERE
        pg_namespace.nspname = 'analytics'
        AND pg_class.relkind = 'v'
        AND pg_class.relname = any(%(names)s)
),

built AS (
    SELECT
        ours.oid,
        0 AS depth
    FROM ours
    UNION
    SELECT
        rule.ev_class AS oid,
        built.depth + 1 AS depth
    FROM built
    INNER JOIN pg_depend AS depends
        ON
            built.oid = depends.refobjid
            AND depends.refclassid = 'pg_class'::regclass
            AND depends.classid = 'pg_rewrite'::regclass
    INNER JOIN pg_rewrite AS rule ON depends.objid = rule.oid
    WHERE
        rule.ev_class <> built.oid
        AND rule.ev_class NOT IN (SELECT ours.oid FROM ours)
),

found AS (
    SELECT
        relation.*,
        max(built.depth) AS depth,
        format('%%I.%%I', pg_namespace.nspname, relation.relname) AS name,
        CASE relation.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS kind
    FROM built
    INNER JOIN pg_class AS relation ON built.oid = relation.oid
    INNER JOIN pg_namespace ON relation.relnamespace = pg_namespace.oid
    WHERE relation.relkind IN ('v', 'm')
    GROUP BY relation.oid, pg_namespace.nspname
),

login AS (
    SELECT
        pg_roles.oid,
        pg_roles.rolname,
        pg_roles.rolsuper,
        %(acting)s::text AS acting,
        %(inherited)s::text AS inherited
    FROM pg_roles
    WHERE pg_roles.rolname = current_user
),

owner AS (
    SELECT
        pg_roles.oid,
        pg_roles.rolname,
        pg_roles.rolsuper,
        login.rolsuper
        OR (
            pg_has_role(pg_roles.oid, 'USAGE')
            AND pg_has_role(pg_roles.oid, login.acting)
        ) AS is_acted_for
    FROM pg_roles
    CROSS JOIN login
),

-- Nobody acts for a superuser who is none; and ours are better off with the owner of the tables.
judged AS (
    SELECT
        found.oid,
        NOT owner.is_acted_for AND (owner.rolsuper OR found.depth = 0) AS goes_over
    FROM found
    INNER JOIN owner ON found.relowner = owner.oid
),

next_owner AS (
    SELECT
        found.oid,
        CASE WHEN judged.goes_over THEN login.oid ELSE found.relowner END AS role_oid
    FROM found
    INNER JOIN judged ON found.oid = judged.oid
    CROSS JOIN login
)

SELECT
    found.depth,
    found.name,
    found.relkind = 'm' AS is_materialized,
    quote_ident(pg_get_userbyid(found.relowner)) AS owner,
    coalesce(array_to_string(found.reloptions, ', '), '') AS options,
    pg_get_viewdef(found.oid) AS definition,
    found.relispopulated AS is_populated,
    array(
        SELECT pg_get_indexdef(pg_index.indexrelid)
        FROM pg_index
        WHERE pg_index.indrelid = found.oid
        ORDER BY pg_index.indexrelid
    )
    || array(
        SELECT pg_get_triggerdef(pg_trigger.oid)
        FROM pg_trigger
        WHERE pg_trigger.tgrelid = found.oid AND NOT pg_trigger.tgisinternal
        ORDER BY pg_trigger.tgname
    )
    || array(
        SELECT
            format(
                'COMMENT ON %%s IS %%L',
                CASE pg_description.objsubid
                    WHEN 0 THEN found.kind || ' ' || found.name
                    ELSE 'COLUMN ' || found.name || '.' || quote_ident(pg_attribute.attname)
                END,
                pg_description.description
            )
        FROM pg_description
        LEFT JOIN pg_attribute
            ON pg_attribute.attrelid = found.oid AND pg_description.objsubid = pg_attribute.attnum
        WHERE
            pg_description.objoid = found.oid
            AND pg_description.classoid = 'pg_class'::regclass
        ORDER BY pg_description.objsubid
    ) AS made_with_it,
    array(
        SELECT
            format(
                'GRANT %%s%%s ON %%s TO %%s%%s',
                held.privilege_type,
                held.columns,
                found.name,
                coalesce(quote_ident(pg_roles.rolname), 'PUBLIC'),
                CASE WHEN held.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
            )
        FROM (
            SELECT
                acl.*,
                '' AS columns
            FROM aclexplode(found.relacl) AS acl
            UNION ALL
            SELECT
                acl.*,
                format(' (%%I)', pg_attribute.attname) AS columns
            FROM pg_attribute, aclexplode(pg_attribute.attacl) AS acl
            WHERE pg_attribute.attrelid = found.oid
        ) AS held
        LEFT JOIN pg_roles ON held.grantee = pg_roles.oid
        WHERE held.grantee <> found.relowner
    ) AS grants,
    array_remove(
        ARRAY[
            CASE
                WHEN NOT owner.is_acted_for THEN
                    CASE
                        WHEN judged.goes_over
                            THEN
                                format(
                                    'ALTER %%s %%s OWNER TO %%I',
                                    found.kind,
                                    found.name,
                                    login.rolname
                                )
                        ELSE
                            format('GRANT %%I TO %%I', owner.rolname, login.rolname)
                            || login.inherited
                    END
            END,
            CASE
                WHEN
                    NOT login.rolsuper
                    AND NOT (
                        has_schema_privilege(next_owner.role_oid, found.relnamespace, 'USAGE')
                        AND has_schema_privilege(next_owner.role_oid, found.relnamespace, 'CREATE')
                    )
                    THEN format(
                        'GRANT USAGE, CREATE ON SCHEMA %%s TO %%s',
                        found.relnamespace::regnamespace,
                        next_owner.role_oid::regrole
                    )
            END
        ],
        NULL
    ) AS wanted
FROM found
INNER JOIN owner ON found.relowner = owner.oid
CROSS JOIN login
INNER JOIN judged ON found.oid = judged.oid
INNER JOIN next_owner ON found.oid = next_owner.oid
ORDER BY found.depth, found.oid
