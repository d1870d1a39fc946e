CREATE TABLE public.mine (x int)
CREATE TEMPORARY TABLE mine (x int)
CREATE SCHEMA mine
CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE ROLE mine
CREATE DATABASE mine
DROP EXTENSION plpgsql
DO $$BEGIN PERFORM 1; END$$
SELECT pg_advisory_lock(360208)
SELECT pg_advisory_lock(1, 2)
SELECT pg_advisory_lock_shared(360210)
SELECT pg_advisory_xact_lock(360209)
SELECT pg_try_advisory_lock(360210)
SELECT pg_try_advisory_xact_lock_shared(360210)
SELECT pg_sleep(0)
SELECT pg_sleep_for('0 s')
SELECT pg_sleep_until(now())
SELECT pg_terminate_backend(1)
SELECT pg_cancel_backend(1)
SELECT pg_reload_conf()
SELECT pg_switch_wal()
SELECT pg_export_snapshot()
SELECT pg_current_xact_id()
SELECT txid_current()
SELECT pg_logical_emit_message(false, 'fill', 'the log')
SELECT pg_create_physical_replication_slot('mine', true)
SELECT pg_read_file('/etc/passwd')
SELECT pg_ls_dir('.')
SELECT lo_creat(-1)
SELECT lo_create(0)
SELECT lo_from_bytea(0, 'x')
SELECT lo_import('/etc/passwd')
SELECT * FROM pg_authid
SELECT * FROM pg_shadow
COPY (SELECT 1) TO PROGRAM 'true'
COPY (SELECT 1) TO '/tmp/out'
ALTER SYSTEM SET fsync = off
SET session_replication_role = replica
SET temp_file_limit = -1
SET ROLE streamflow
SET ROLE postgres
SET SESSION AUTHORIZATION streamflow
ALTER ROLE streamflow PASSWORD 'x'
ALTER ROLE CURRENT_USER SUPERUSER
ALTER ROLE CURRENT_USER CREATEDB
ALTER ROLE CURRENT_USER CONNECTION LIMIT -1
GRANT streamflow TO CURRENT_USER
GRANT pg_signal_backend TO CURRENT_USER
CHECKPOINT
