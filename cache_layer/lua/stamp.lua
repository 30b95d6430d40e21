-- Return the stamp, which vouches for many entries; create it if there is none and no writer holds it.
-- KEYS  1 value  2 holds
-- ARGV  1 random bytes, which form the nonce together with the server's time  2 TTL in seconds
-- Returns the current nonce; "" if a writer holds the stamp
local value = redis.pcall("GET", KEYS[1]) -- a key of another type gives an error table: the nonce replaces it
if type(value) == "string" and value ~= "" then
  return value
end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call("ZCOUNT", KEYS[2], "(" .. now, "+inf") > 0 then
  return ""
end
local made = ("%s:%s.%s"):format(ARGV[1], time[1], time[2]) -- if the client resends the command, it makes another
redis.call("SET", KEYS[1], made, "EX", ARGV[2])
return made
