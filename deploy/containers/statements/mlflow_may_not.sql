TRUNCATE runs
DROP TABLE runs
ALTER TABLE runs ADD mine int
CREATE INDEX mine ON runs (name)
CREATE TABLE public.mine (x int)
UPDATE alembic_version SET version_num = 'mine'
