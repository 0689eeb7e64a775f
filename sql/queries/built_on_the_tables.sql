-- What stands outside of the schemas kaltura and university and would go with them, or lose a part of itself: whatever
-- Postgres has noted (pg_depend) as resting on one of their tables, row types, indexes, constraints, sequences or
-- functions, or on the schemas themselves. Default privileges are rights, which are given again.
WITH noted AS (
    SELECT
        depends.classid,
        depends.objid,
        depends.objsubid
    FROM pg_depend AS depends
    CROSS JOIN
        pg_identify_object(depends.refclassid, depends.refobjid, depends.refobjsubid) AS beneath
    WHERE
        coalesce(beneath.schema, CASE beneath.type WHEN 'schema' THEN beneath.name END)
        IN ('kaltura', 'university')
        -- Members of an operator family, which is named by itself, have no schema either.
        AND depends.classid::regclass::text NOT IN ('pg_default_acl', 'pg_amop', 'pg_amproc')
),

-- A rule, trigger, default or policy has no schema of its own but that of its table. A view is what its rule makes it.
placed AS (
    SELECT
        coalesce(relation.relnamespace::regnamespace::text, self.schema) AS schema,
        CASE
            WHEN rule.rulename = '_RETURN' THEN 'pg_class'::regclass ELSE noted.classid
        END AS classid,
        CASE WHEN rule.rulename = '_RETURN' THEN relation.oid ELSE noted.objid END AS objid,
        noted.objsubid
    FROM noted
    CROSS JOIN pg_identify_object(noted.classid, noted.objid, noted.objsubid) AS self
    LEFT JOIN pg_rewrite AS rule
        ON noted.classid = 'pg_rewrite'::regclass AND noted.objid = rule.oid
    LEFT JOIN pg_trigger AS trig
        ON noted.classid = 'pg_trigger'::regclass AND noted.objid = trig.oid
    LEFT JOIN pg_attrdef AS preset
        ON noted.classid = 'pg_attrdef'::regclass AND noted.objid = preset.oid
    LEFT JOIN pg_policy AS policy
        ON noted.classid = 'pg_policy'::regclass AND noted.objid = policy.oid
    LEFT JOIN pg_class AS relation
        ON coalesce(rule.ev_class, trig.tgrelid, preset.adrelid, policy.polrelid) = relation.oid
)

SELECT DISTINCT format('%s %s', named.type, named.identity) AS name
FROM placed
CROSS JOIN pg_identify_object(placed.classid, placed.objid, placed.objsubid) AS named
WHERE coalesce(placed.schema, '') NOT IN ('kaltura', 'university', 'pg_toast')
ORDER BY name
