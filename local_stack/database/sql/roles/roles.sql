-- The six roles without a password, and their limits. Safe to repeat: it also undoes what a role has set for itself.
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['owner', 'mlflow', 'watcher', 'reader', 'log', 'console'] LOOP
        name := current_setting('streamflow.' || name);
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I', name);
        END IF;
        -- PostgreSQL demotes any superuser but the first
        IF (SELECT oid FROM pg_roles WHERE rolname = name) <> 10 THEN
            EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', name);
        END IF;
        EXECUTE format('ALTER ROLE %I LOGIN', name);
    END LOOP;
END $$;

-- materialize and prune end their sessions if they stand in the way
GRANT :"watcher", :"reader", :"log", :"console" TO :"owner";

ALTER ROLE :"reader" CONNECTION LIMIT :reader_connections;
ALTER ROLE :"log" CONNECTION LIMIT :log_connections;
ALTER ROLE :"watcher" CONNECTION LIMIT 10;
ALTER ROLE :"console" CONNECTION LIMIT 20;
ALTER ROLE :"mlflow" CONNECTION LIMIT 40;

DO $$
DECLARE part text; name text; setting text; base text; value text; seconds int;
BEGIN
    FOREACH part IN ARRAY ARRAY['reader=10', 'log=10', 'console=10', 'watcher=30', 'mlflow=60'] LOOP
        name := current_setting('streamflow.' || split_part(part, '=', 1));
        seconds := split_part(part, '=', 2);
        EXECUTE format('ALTER ROLE %I RESET ALL', name);
        FOR base IN SELECT datname FROM pg_db_role_setting JOIN pg_database ON setdatabase = pg_database.oid
                    WHERE setrole = quote_ident(name)::regrole LOOP
            EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET ALL', name, base);
        END LOOP;
        FOR setting, value IN
            SELECT * FROM (VALUES ('statement_timeout', seconds || 's'), ('lock_timeout', seconds || 's'),
                                  ('idle_in_transaction_session_timeout', seconds || 's'),
                                  ('transaction_timeout', 2 * seconds || 's'), -- from PostgreSQL 17
                                  ('temp_file_limit', '256MB')) AS limits -- only a superuser can change it
            WHERE EXISTS (SELECT FROM pg_settings WHERE pg_settings.name = column1) LOOP
            EXECUTE format('ALTER ROLE %I SET %I = %L', name, setting, value);
        END LOOP;
    END LOOP;
    EXECUTE format('ALTER ROLE %I SET default_transaction_read_only = on', current_setting('streamflow.reader'));
    EXECUTE format('ALTER ROLE %I SET default_transaction_read_only = on', current_setting('streamflow.console'));
END $$
