SELECT step, max(at) FROM step_successes GROUP BY step ORDER BY step
