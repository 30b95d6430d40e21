-- What vouches for many entries: the stamp as it is; while no writer holds it, made anew if there is none.
-- KEYS  1 value  2 holds
-- ARGV  1 random bytes, which make the nonce with the server's time  2 TTL in seconds
-- Gives the nonce that is in force; "" if a writer holds the stamp
local value = redis.pcall("GET", KEYS[1]) -- a key of another type gives an error table: the nonce takes its place
if type(value) == "string" and value ~= "" then
  return value
end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call("ZCOUNT", KEYS[2], "(" .. now, "+inf") > 0 then
  return ""
end
local made = ("%s:%s.%s"):format(ARGV[1], time[1], time[2]) -- sent again by the client, this command makes another
redis.call("SET", KEYS[1], made, "EX", ARGV[2])
return made
