#!lua flags=allow-oom,allow-cross-slot-keys
-- Identify the run of a server that can fail over, and purge what another run left. guard.lua does so too, but records
-- the run in a key; here keys move between servers. A replica rejects scripts that may write, and so does a primary
-- with too few replicas (min-replicas-to-write). Holds are purged too: a writer that placed its hold on the former
-- primary must learn that it was interrupted. Purging takes several steps; the caller marks the run after the last.
-- ARGV  none to identify the run only; else 1 number of the next pattern  2 its cursor  3... patterns of keys to purge
-- Returns {run id and replication id, 1 if it was a replica before, number of purged keys, number and cursor of the
--          next pattern}; after the last step that number is past the patterns
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
    purged = purged + (tonumber(done) or 0) -- a key of a slot that another node serves: nobody reads it here
  end
  cursor = page[1]
  place = cursor == "0" and place + 1 or place
end
local took_over = info:find("second_repl_offset:-1", 1, true) == nil
local run = info:match("run_id:(%w+)") .. ":" .. info:match("master_replid:(%w+)")
return { run, took_over and 1 or 0, purged, place, cursor or "0" }
