INSERT INTO seals (model, version, version_created_ms, model_id, envelope)
VALUES (%(model)s, %(version)s, %(version_created_ms)s, %(model_id)s, %(envelope)s)
