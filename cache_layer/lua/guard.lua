-- A new connection: nothing is trusted across a restart or a failover. Purge what another run of the server left, or
-- what this one got as a replica: the replication id is another one since it became the primary.
-- Holds stay: they only keep readers away, and after a FLUSHDB, which takes the recorded run id too, they are alive.
-- KEYS  1 the run id whose values are trusted
-- ARGV  patterns of the keys to purge
-- Gives the number of keys purged; -1 if the run id is the known one
local info = redis.call("INFO", "server") .. redis.call("INFO", "replication")
if not info:find("role:master") then
  return redis.error_reply("READONLY this is a replica: it may lack the last holds and invalidations")
end
local run_id = info:match("run_id:(%w+)") .. ":" .. info:match("master_replid:(%w+)")
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
