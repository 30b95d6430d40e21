-- The value may be outdated: drop it, and refuse all fills and write-throughs under way.
-- KEYS  1 value  2 lease  3 holds  4 last holder  5 absent  6 delivered changes  7 last known value
--       8... of the neighbouring schema versions: value, lease, absent, last known value
-- ARGV  1 "1": leave the key alone while a writer holds it, since nobody is served from it until it is released
--       2 comma-separated change ids: leave the key alone if writers have delivered them all
-- Returns 1 if there was a value, 0 if not; if left alone, -1 because it is held, -2 because all were delivered
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local pending = ARGV[2] == ""
for id in ARGV[2]:gmatch("%d+") do
  pending = pending or not redis.call("ZSCORE", KEYS[6], id)
end
if not pending then
  return -2
end
if ARGV[1] == "1" and redis.call("ZCOUNT", KEYS[3], "(" .. now, "+inf") > 0 then
  return -1
end
local had_value = redis.call("UNLINK", KEYS[1])
redis.call("UNLINK", KEYS[2], KEYS[4], KEYS[5], unpack(KEYS, 7))
return had_value
