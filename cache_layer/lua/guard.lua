-- A new connection: nothing is trusted across a restart or a failover. Purge what another run of the server left.
-- Holds stay: they only keep readers away, and after a FLUSHDB, which takes the recorded run id too, they are alive.
-- KEYS  1 the run id whose values are trusted
-- ARGV  patterns of the keys to purge
-- Gives the number of keys purged; -1 if the run id is the known one
redis.call("PERSIST", KEYS[1]) -- a replica refuses to write, so nobody reads from one
local run_id = redis.call("INFO", "server"):match("run_id:(%w+)")
if redis.call("GET", KEYS[1]) == run_id then
  return -1
end
local purged = 0
for _, pattern in ipairs(ARGV) do
  local cursor = "0"
  repeat
    local page = redis.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
    cursor = page[1]
    for _, key in ipairs(page[2]) do
      if not key:find("}:holds$") then
        purged = purged + redis.call("UNLINK", key)
      end
    end
  until cursor == "0"
end
redis.call("SET", KEYS[1], run_id)
return purged
