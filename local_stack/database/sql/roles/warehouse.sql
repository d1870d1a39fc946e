-- The warehouse's database (PGDATABASE): the reader reads features; the watcher reads seals, decisions and what its metrics
-- show, of labels only the months that have any, of cutovers only which version served when, and appends cutovers and its
-- own decisions (the table's policies refuse others); the gateway's second role appends to the prediction log; the console
-- reads what its pages show, and appends requests to approve or refuse a version (the table's policies refuse others).
GRANT CONNECT ON DATABASE :"database" TO :"watcher", :"reader", :"log", :"console";
CREATE SCHEMA IF NOT EXISTS feast_online AUTHORIZATION :"owner";
CREATE SCHEMA IF NOT EXISTS feast_registry AUTHORIZATION :"owner";
GRANT USAGE ON SCHEMA feast_online, feast_registry TO :"reader";
GRANT SELECT ON ALL TABLES IN SCHEMA feast_online, feast_registry TO :"reader";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA feast_online, feast_registry GRANT SELECT ON TABLES TO :"reader";
GRANT USAGE ON SCHEMA public TO :"watcher", :"log", :"console";

-- the watcher starts before the first month is loaded
DO $$
DECLARE name text; rights text;
BEGIN
    FOR name, rights IN VALUES
        ('seals', 'SELECT'), ('schema_migrations', 'SELECT'), ('serving_history', 'INSERT, SELECT (model, at, version, run_id)'),
        ('months', 'SELECT'), ('labels', 'SELECT (period_start)'), ('step_successes', 'SELECT'), ('monitoring', 'SELECT'),
        ('decisions', 'SELECT, INSERT') LOOP
        IF to_regclass('public.' || name) IS NOT NULL THEN
            EXECUTE format('GRANT %s ON public.%I TO %I', rights, name, current_setting('streamflow.watcher'));
        END IF;
    END LOOP;
    FOREACH name IN ARRAY ARRAY[
        'months', 'churn_scores', 'monitoring', 'decisions', 'serving_history', 'campaigns',
        'campaign_gains', 'campaign_profits'
    ] LOOP
        IF to_regclass('public.' || name) IS NOT NULL THEN
            EXECUTE format('GRANT SELECT ON public.%I TO %I', name, current_setting('streamflow.console'));
        END IF;
    END LOOP;
    IF to_regclass('public.decision_requests') IS NOT NULL THEN
        EXECUTE format('GRANT SELECT, INSERT (model, version, question, action, requested_by) '
                       'ON public.decision_requests TO %I', current_setting('streamflow.console'));
    END IF;
    IF to_regclass('public.prediction_log') IS NOT NULL THEN
        EXECUTE format('GRANT INSERT ON public.prediction_log TO %I', current_setting('streamflow.log'));
    END IF;
END $$
