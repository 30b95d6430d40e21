-- A reader has loaded the value: store it, unless a writer took the key since the lease was given.
-- KEYS  1 value  2 lease
-- ARGV  1 token  2 bytes ("" gives the lease back and stores nothing)  3 TTL in seconds
-- Gives 1 if stored, else 0
if redis.call("GET", KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call("DEL", KEYS[2])
if ARGV[2] == "" then
  return 0
end
redis.call("SET", KEYS[1], ARGV[2], "EX", ARGV[3])
return 1
