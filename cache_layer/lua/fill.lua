-- A reader has loaded the row: store its value, or note that there is none, unless a writer took the key since.
-- KEYS  1 value  2 lease  3 absent
-- ARGV  1 token  2 "value" | "absent" | "nothing" (only gives the lease back)  3 bytes  4 TTL in seconds
-- Gives 1 if stored, else 0
if redis.call("GET", KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call("DEL", KEYS[2])
if ARGV[2] == "nothing" then
  return 0
end
redis.call("UNLINK", KEYS[1], KEYS[3])
redis.call("SET", ARGV[2] == "value" and KEYS[1] or KEYS[3], ARGV[3], "EX", ARGV[4])
return 1
