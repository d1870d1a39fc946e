INSERT INTO serving_history (model, at, version, run_id, dataset_sha256, from_version, reason)
VALUES (%(model)s, %(at)s, %(version)s, %(run_id)s, %(dataset_sha256)s, %(from_version)s, %(reason)s)
