-- What the monitor found: a figure a row, of a month, a version and a slice of its users or one of its features. A run
-- appends its rows; of a version and as_of, those of the newest run count.
CREATE TABLE IF NOT EXISTS monitoring (
    id        bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    month     date             NOT NULL, -- of the figure: realised quality is also that of earlier months
    version   text             NOT NULL,
    metric    text             NOT NULL CHECK (metric <> ''),
    slice     text             NOT NULL CHECK (slice <> ''),
    n         bigint           NOT NULL CHECK (n >= 0),
    estimate  double precision,
    low       double precision,
    high      double precision,
    verdict   text             NOT NULL CHECK (verdict IN ('none', 'ok', 'watch', 'alarm')),
    reference text             NOT NULL, -- what the figure is compared with; '' for a figure that stands alone
    threshold double precision,
    reason    text             NOT NULL,
    as_of     date             NOT NULL, -- the month that was monitored
    run_id    text             NOT NULL,
    made_at   timestamptz      NOT NULL DEFAULT clock_timestamp(),
    CHECK ((low IS NULL) = (high IS NULL)),
    CHECK (low <= high)
);
CREATE INDEX IF NOT EXISTS monitoring_by_version ON monitoring (version, as_of, id);

CREATE OR REPLACE TRIGGER monitoring_is_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON monitoring
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
