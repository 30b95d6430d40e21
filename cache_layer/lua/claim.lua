-- A reader found no usable value: return a value that appeared meanwhile, or take the lease to fill the key.
-- KEYS  1 value  2 lease  3 holds  4 absent
-- ARGV  1 token  2 lease in ms  3 "1" to ignore the value: the reader can't decode it, or is refreshing it
-- Returns {"value", bytes} | {"held"} | {"absent"} | {"filling"} | {"lease"}
if ARGV[3] ~= "1" then
  local value = redis.pcall("GET", KEYS[1]) -- a key of another type gives an error table: ignore it too
  if type(value) == "string" then
    return { "value", value }
  end
end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call("ZCOUNT", KEYS[3], "(" .. now, "+inf") > 0 then
  return { "held" }
end
if redis.call("EXISTS", KEYS[4]) == 1 then
  return { "absent" }
end
if redis.call("SET", KEYS[2], ARGV[1], "NX", "PX", ARGV[2]) then
  return { "lease" }
end
return { "filling" }
