#!lua flags=allow-oom,allow-cross-slot-keys
-- Which run of a server that others may replace is this? And purge what another run left, as guard.lua does, which
-- keeps a key: here keys move between servers. A script that may write is refused by a replica, and by a primary that
-- has too few replicas (min-replicas-to-write).
-- ARGV  patterns of the keys to purge; none only asks
-- Gives {run id and replication id, 1 if it was a replica before, number of keys purged}
local info = redis.call("INFO", "server") .. redis.call("INFO", "replication")
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
local took_over = info:find("second_repl_offset:-1", 1, true) == nil
return { info:match("run_id:(%w+)") .. ":" .. info:match("master_replid:(%w+)"), took_over and 1 or 0, purged }
