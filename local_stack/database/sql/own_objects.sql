-- Give all that the superuser of initdb (10) owns in this database, except PostgreSQL's own, to PGUSER. Safe to repeat.
DO $$
DECLARE statement text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {owner_name}) THEN
        EXECUTE format('CREATE ROLE %I LOGIN', {owner_name});
    END IF;
    FOR statement IN
        SELECT format('ALTER SCHEMA %I OWNER TO %I', nspname, {owner_name})
        FROM pg_namespace
        WHERE nspowner = 10 AND nspname !~ '^(pg_|information_schema$|public$)'
        UNION ALL
        SELECT format('ALTER %s %s OWNER TO %I',
                      CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                      pg_class.oid::regclass, {owner_name})
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE relowner = 10 AND relkind IN ('r', 'p', 'v', 'm', 'S') AND nspname !~ '^(pg_|information_schema$)'
          -- a column's sequence goes with its table
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND relkind = 'S' AND deptype IN ('a', 'i')
                          AND refclassid = 'pg_class'::regclass AND classid = 'pg_class'::regclass)
        UNION ALL
        SELECT format('ALTER ROUTINE %s OWNER TO %I', pg_proc.oid::regprocedure, {owner_name})
        FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE proowner = 10 AND nspname !~ '^(pg_|information_schema$)'
        UNION ALL
        SELECT format('ALTER TYPE %s OWNER TO %I', pg_type.oid::regtype, {owner_name})
        FROM pg_type JOIN pg_namespace ON pg_namespace.oid = typnamespace
        WHERE typowner = 10 AND typtype IN ('e', 'd') AND nspname !~ '^(pg_|information_schema$)'
        UNION ALL
        SELECT format('ALTER DATABASE %I OWNER TO %I', datname, {owner_name})
        FROM pg_database
        WHERE datdba = 10 AND datname = current_database()
    LOOP
        EXECUTE statement;
    END LOOP;
END $$
