-- A writer has committed (or rolled back): end its hold and, if there was no other hold meanwhile, store the new value.
-- KEYS  1 value  2 lease  3 holds  4 last holder  5 absent  6 delivered changes  7 last known value
--       8... of the neighbouring schema versions: value, lease, absent, last known value
-- ARGV  1 holder  2 "1" if it was alone when it took the hold  3 bytes ("" stores nothing)  4 TTL in seconds
--       5 TTL of the last known value; "0" stores none  6 comma-separated ids of the changes that this delivers
-- Returns "stored" | "released" | "lost" (the hold was gone: the writer must wait out the local leases again)
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expiry = redis.call("ZSCORE", KEYS[3], ARGV[1])
redis.call("UNLINK", KEYS[1], KEYS[2], KEYS[5], unpack(KEYS, 7))
redis.call("ZREM", KEYS[3], ARGV[1])
if not expiry or tonumber(expiry) <= now then
  redis.call("DEL", KEYS[4]) -- a lost hold means nobody was alone
  return "lost"
end
for id in ARGV[6]:gmatch("%d+") do -- the relay may see these before the writer deletes them from the outbox
  redis.call("ZREMRANGEBYSCORE", KEYS[6], "-inf", now)
  redis.call("ZADD", KEYS[6], now + 5000, id)
  redis.call("PEXPIRE", KEYS[6], 5000)
end
if redis.call("GET", KEYS[4]) ~= ARGV[1] then
  return "released"
end
redis.call("DEL", KEYS[4])
if ARGV[2] == "1" and ARGV[3] ~= "" then
  redis.call("SET", KEYS[1], ARGV[3], "EX", ARGV[4])
  if ARGV[5] ~= "0" then
    redis.call("SET", KEYS[7], ARGV[3], "EX", ARGV[5])
  end
  return "stored"
end
return "released"
