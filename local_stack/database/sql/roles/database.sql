-- Both databases: what PostgreSQL allows everybody, and only the owner needs.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC; -- connections and temporary tables
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql TO :"owner";
GRANT USAGE, CREATE ON SCHEMA public TO :"owner";

-- Advisory locks, sleeping, large objects, snapshots, messages in the write-ahead log, ending other sessions, …
DO $$
DECLARE function regprocedure;
BEGIN
    FOR function IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND proname <> 'pg_is_in_recovery'
          AND (provolatile = 'v' AND proname ~ '^(pg_|lo_|loread|lowrite|brin_|gin_)'
               OR proname IN ('pg_current_xact_id', 'txid_current'))
          AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', function, current_setting('streamflow.owner'));
    END LOOP;
END $$
