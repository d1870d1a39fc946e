-- Brings one month of one table in line with its staging table; rows that are the same already are not written.
INSERT INTO {table} AS stored ({columns})
SELECT {columns} FROM {staging} ORDER BY user_id
ON CONFLICT (user_id, {month}) DO UPDATE SET ({values}) = ROW ({new_values})
WHERE ({stored_values}) IS DISTINCT FROM ({new_values})
