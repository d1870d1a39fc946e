SELECT at, version, run_id, dataset_sha256, from_version, reason
FROM serving_history WHERE model = %(model)s ORDER BY at, id
