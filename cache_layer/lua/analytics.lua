-- Add what one process counted since its last report.
-- KEYS  1 mark of this report  2 totals of the minute  3 of the hour  4 hits of the day  5 stored entries, by expiry
--       6 their hits so far  7 last invalidations  8 totals of the moment
-- ARGV  1 now in s  2 TTL of the minute in s  3 TTL of all else in s  4 maximum of entries  5 number of totals
--       6 TTL of the moment in s; 0 if the report covers more than one moment
--       then name and number per total, then per entry: key, hits, stored in s, TTL in s, invalidated in s, cause
-- Returns 1; 0 if this report was added before
if not redis.call("SET", KEYS[1], "", "NX", "EX", 3600) then
  return 0
end
local function count(name, number)
  redis.call("HINCRBY", KEYS[2], name, number)
  redis.call("HINCRBY", KEYS[3], name, number)
  if tonumber(ARGV[6]) > 0 then
    redis.call("HINCRBY", KEYS[8], name, number)
  end
end
local function finish(key, how, hits)
  count("ended:" .. how, 1)
  if hits == 0 and redis.call("HEXISTS", KEYS[6], key) == 0 then
    count("unread:" .. how, 1)
  end
  redis.call("HDEL", KEYS[6], key)
  redis.call("ZREM", KEYS[5], key)
end
local function has_room(hash, key)
  return redis.call("HEXISTS", hash, key) == 1 or redis.call("HLEN", hash) < tonumber(ARGV[4])
end
local entries = 7 + 2 * ARGV[5]
for i = 7, entries - 1, 2 do
  count(ARGV[i], ARGV[i + 1])
end
for i = entries, #ARGV, 6 do
  local key, hits, stored, invalidated = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 4])
  local expiry = tonumber(redis.call("ZSCORE", KEYS[5], key) or 0)
  if stored > 0 and (expiry > 0 or redis.call("ZCARD", KEYS[5]) < tonumber(ARGV[4])) then
    if expiry > 0 then
      finish(key, invalidated > 0 and invalidated <= stored and "invalidated" or expiry <= stored and "expired" or "renewed", hits)
    end
    expiry = stored + ARGV[i + 3]
    redis.call("ZADD", KEYS[5], expiry, key)
  end
  if hits > 0 and has_room(KEYS[4], key) then
    redis.call("HINCRBY", KEYS[4], key, hits)
  end
  if hits > 0 and expiry > 0 then
    redis.call("HINCRBY", KEYS[6], key, hits)
  end
  local since = expiry - ARGV[i + 3]
  if expiry > 0 and (invalidated > since or invalidated == since and stored == 0) then
    finish(key, "invalidated", hits)
  end
  if invalidated > 0 and has_room(KEYS[7], key) then
    redis.call("HSET", KEYS[7], key, invalidated .. " " .. ARGV[i + 5])
  end
end
for _, key in ipairs(redis.call("ZRANGEBYSCORE", KEYS[5], "-inf", ARGV[1], "LIMIT", 0, 1000)) do
  finish(key, "expired", 0)
end
for i = 2, 7 do
  redis.call("EXPIRE", KEYS[i], ARGV[i == 2 and 2 or 3])
end
if tonumber(ARGV[6]) > 0 then
  redis.call("EXPIRE", KEYS[8], ARGV[6])
end
return 1
