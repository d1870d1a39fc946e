-- The gateway's role: it can only read features and the definitions of feature services. Safe to repeat.
-- Run it as the owner of the warehouse; the caller replaces {role} and {password}.
DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {password};
CREATE SCHEMA IF NOT EXISTS feast_online;
CREATE SCHEMA IF NOT EXISTS feast_registry;
GRANT USAGE ON SCHEMA feast_online, feast_registry TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA feast_online, feast_registry TO {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA feast_online, feast_registry GRANT SELECT ON TABLES TO {role};
