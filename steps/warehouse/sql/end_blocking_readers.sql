-- Sessions that block the process `pid`, of roles that the owner is a member of: the gateway's and the watcher's.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE pid = ANY(pg_blocking_pids(%(pid)s))
  AND usesysid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
  AND pg_has_role(usesysid, 'USAGE')
  AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
