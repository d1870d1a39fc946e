-- Beside the table that is read. Indexes come when the rows are there: to build them once is a third of the work.
DROP TABLE IF EXISTS {next};
CREATE TABLE {next} (LIKE {table} INCLUDING DEFAULTS)
