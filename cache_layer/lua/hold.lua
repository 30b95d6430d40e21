-- A writer is about to change the row: nobody may serve the key from the cache, or fill it, until it is released.
-- KEYS  1 value  2 lease  3 holds  4 last holder  5 absent  6 delivered changes  7 last known value
--       8... of the neighbouring schema versions: value, lease, absent, last known value
-- ARGV  1 holder: an id of this attempt alone  2 hold in ms
-- Returns 1 if no other hold is in force, else 0
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("UNLINK", KEYS[1], KEYS[2], KEYS[5], unpack(KEYS, 7))
redis.call("ZREMRANGEBYSCORE", KEYS[3], "-inf", now)
local alone = redis.call("ZCARD", KEYS[3]) == 0
redis.call("ZADD", KEYS[3], now + ARGV[2], ARGV[1])
if redis.call("PTTL", KEYS[3]) < tonumber(ARGV[2]) then
  redis.call("PEXPIRE", KEYS[3], ARGV[2])
end
redis.call("SET", KEYS[4], ARGV[1], "PX", ARGV[2])
return alone and 1 or 0
