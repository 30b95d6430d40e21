-- A reader has loaded the row: store its value, or an absent marker, unless a writer took the key since the claim.
-- KEYS  1 value  2 lease  3 absent  4 last known value
-- ARGV  1 token  2 bytes; "" for an absent marker  3 TTL in seconds; "0" only gives the lease back
--       4 TTL of the last known value; "0" stores none
-- Returns 1 if stored, else 0
if redis.call("GET", KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call("DEL", KEYS[2])
if ARGV[3] == "0" then
  return 0
end
redis.call("UNLINK", KEYS[1], KEYS[3], KEYS[4])
redis.call("SET", ARGV[2] == "" and KEYS[3] or KEYS[1], ARGV[2], "EX", ARGV[3])
if ARGV[4] ~= "0" then
  redis.call("SET", KEYS[4], ARGV[2], "EX", ARGV[4])
end
return 1
