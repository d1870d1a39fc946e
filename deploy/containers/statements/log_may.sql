INSERT INTO prediction_log (answered_at, request_id, user_id, code, milliseconds) VALUES (now(), 'a', 'b', 'ok', 1)
INSERT INTO prediction_log (answered_at, request_id, user_id, code, milliseconds) VALUES ('1999-01-01', 'a', 'b', 'ok', 1)
