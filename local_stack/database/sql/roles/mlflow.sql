-- MLflow's database (MLFLOW_DATABASE): its server changes rows, not tables. The watcher reads the registry, and writes
-- an alias and a version's description. The console reads the registry.
GRANT CONNECT ON DATABASE :"database" TO :"mlflow", :"watcher", :"console";
GRANT USAGE ON SCHEMA public TO :"mlflow", :"watcher", :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"mlflow";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO :"mlflow";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"mlflow";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO :"mlflow";

DO $$
DECLARE name text; rights text; watcher text := current_setting('streamflow.watcher');
        console text := current_setting('streamflow.console');
BEGIN
    FOR name, rights IN
        SELECT tablename, CASE
            WHEN tablename = 'registered_model_aliases' THEN 'SELECT, INSERT, UPDATE, DELETE'
            WHEN tablename = 'model_versions' THEN 'SELECT, UPDATE (description, last_updated_time)'
            WHEN tablename = 'registered_models' THEN 'SELECT, UPDATE (last_updated_time)'
            WHEN tablename = 'webhooks' THEN 'SELECT (webhook_id, workspace)' -- MLflow looks for workspaces there
            ELSE 'SELECT' END
        FROM pg_tables
        WHERE schemaname = 'public' AND tablename IN
            ('alembic_version', 'experiments', 'experiment_tags', 'logged_models', 'logged_model_metrics',
             'logged_model_params', 'logged_model_tags', 'model_versions', 'model_version_tags', 'registered_models',
             'registered_model_aliases', 'registered_model_tags', 'webhooks', 'workspaces')
    LOOP
        BEGIN
            EXECUTE format('GRANT %s ON public.%I TO %I', rights, name, watcher);
            EXECUTE format('GRANT %s ON public.%I TO %I', substring(rights FROM '^SELECT(?: \([^)]*\))?'), name,
                           console);
        EXCEPTION WHEN undefined_column THEN NULL; -- tables of an older MLflow, before `mlflow db upgrade`
        END;
    END LOOP;
    IF to_regclass('public.alembic_version') IS NOT NULL THEN
        EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON public.alembic_version FROM %I',
                       current_setting('streamflow.mlflow'));
    END IF;
END $$
