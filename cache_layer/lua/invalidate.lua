-- The value may be old, whoever changed it: drop it, and refuse every fill and write-through under way.
-- KEYS  1 value  2 lease  3 last holder
-- Gives 1 if there was a value, else 0
local had_value = redis.call("UNLINK", KEYS[1])
redis.call("UNLINK", KEYS[2], KEYS[3])
return had_value
