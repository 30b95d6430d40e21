#!lua flags=allow-oom,allow-cross-slot-keys
-- Which run of a server that others may replace is this? And purge what another run left, as guard.lua does, which
-- keeps a key: here keys move between servers. A script that may write is refused by a replica, and by a primary that
-- has too few replicas (min-replicas-to-write). Holds go too: a writer whose hold was with the former primary must learn
-- that it was not here all the time. It purges in steps: only what waited for has ended is noted.
-- ARGV  none only asks; else 1 the pattern to go on with  2 its cursor  3... patterns of the keys to purge
-- Gives {run id and replication id, 1 if it was a replica before, number of keys purged, pattern and cursor of the next
--       step}; after the last one there is no such pattern
local info = redis.call("INFO", "server") .. redis.call("INFO", "replication")
local place, cursor, purged = tonumber(ARGV[1]) or 1, ARGV[2], 0
for _ = 1, 10 do
  if not ARGV[place + 2] then
    break
  end
  local page = redis.call("SCAN", cursor, "MATCH", ARGV[place + 2], "COUNT", 1000)
  for _, key in ipairs(page[2]) do
    local done = redis.pcall("UNLINK", key)
    if type(done) == "table" and not done.err:find("non local key") then
      return done
    end
    purged = purged + (tonumber(done) or 0) -- a key whose slot is another's: nobody is served from it
  end
  cursor = page[1]
  place = cursor == "0" and place + 1 or place
end
local took_over = info:find("second_repl_offset:-1", 1, true) == nil
local run = info:match("run_id:(%w+)") .. ":" .. info:match("master_replid:(%w+)")
return { run, took_over and 1 or 0, purged, place, cursor or "0" }
