-- For a PostgreSQL server of your own: both databases and the six roles, without passwords. Safe to repeat. As a
-- superuser, with psql 14 or newer, with the names that PGUSER, PGDATABASE and MLFLOW_DATABASE will have:
--   psql -v owner=streamflow -v warehouse=streamflow -v mlflow_database=mlflow -d postgres -f all.sql
-- It takes CONNECT on the databases postgres and template1 from PUBLIC (server.sql): leave that line out where others
-- use the server. Then `\password NAME` for each role, and the passwords into .env. Run it again once the tables exist.
\set ON_ERROR_STOP on
\set mlflow :owner '_mlflow'
\set watcher :owner '_watcher'
\set reader :owner '_reader'
\set log :owner '_log'
\set console :owner '_console'
\if :{?reader_connections}
\else
    \set reader_connections 40
\endif
\if :{?log_connections}
\else
    \set log_connections 10
\endif
\ir names.sql
;
\ir roles.sql
;
\ir server.sql
;
SELECT format('CREATE DATABASE %I OWNER %I', name, :'owner')
FROM unnest(ARRAY[:'warehouse', :'mlflow_database']) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec
\set database :warehouse
\connect :"database"
\ir names.sql
;
\ir database.sql
;
\ir warehouse.sql
;
\set database :mlflow_database
\connect :"database"
\ir names.sql
;
\ir database.sql
;
\ir mlflow.sql
;
