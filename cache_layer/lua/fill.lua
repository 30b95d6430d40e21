-- A reader has loaded the row: store its value, or an absent marker, unless a writer took the key since the claim.
-- KEYS  1 value  2 lease  3 absent  4 last known value
-- ARGV  1 token  2 "value" | "absent" | "nothing" (only gives the lease back)  3 bytes  4 TTL in seconds
--       5 TTL of the last known value; "0" stores none
-- Returns 1 if stored, else 0
if redis.call("GET", KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call("DEL", KEYS[2])
if ARGV[2] == "nothing" then
  return 0
end
redis.call("UNLINK", KEYS[1], KEYS[3], KEYS[4])
redis.call("SET", ARGV[2] == "value" and KEYS[1] or KEYS[3], ARGV[3], "EX", ARGV[4])
if ARGV[5] ~= "0" then
  redis.call("SET", KEYS[4], ARGV[3], "EX", ARGV[5])
end
return 1
