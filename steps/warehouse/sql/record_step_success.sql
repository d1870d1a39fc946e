INSERT INTO step_successes (step, run_id) VALUES (%(step)s, %(run_id)s)
