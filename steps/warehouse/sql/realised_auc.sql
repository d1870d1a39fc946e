-- Of each version and month, by the newest run of the monitor.
SELECT DISTINCT ON (version, month) version, month, estimate, low, high FROM monitoring
WHERE metric = 'AUC' AND slice = %(slice)s AND estimate IS NOT NULL AND low IS NOT NULL
ORDER BY version, month, id DESC
