-- The value may be old, whoever changed it: drop it, and refuse every fill and write-through under way.
-- KEYS  1 value  2 lease  3 last holder  4 absent  5 holds  6 last known value
--       7... of the versions beside: value, lease, absent, last known value
-- ARGV  1 "1": leave the key alone while a writer holds it, since nobody is served from it until its release
-- Gives 1 if there was a value, 0 if not, -1 if left alone
if ARGV[1] == "1" then
  local time = redis.call("TIME")
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if redis.call("ZCOUNT", KEYS[5], "(" .. now, "+inf") > 0 then
    return -1
  end
end
local had_value = redis.call("UNLINK", KEYS[1])
redis.call("UNLINK", KEYS[2], KEYS[3], KEYS[4], unpack(KEYS, 6))
return had_value
