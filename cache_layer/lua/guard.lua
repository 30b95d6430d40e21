-- A new connection: nothing is trusted across a restart or a failover. Purge what another run of the server left, or
-- what this one got as a replica: the replication id is another one since it became the primary.
-- Holds stay: they only keep readers away, and after a FLUSHDB, which takes the recorded run too, they are alive.
-- ARGV  1 the key that records the run whose values are trusted  2 for how many ms others may trust a predecessor
--       3... patterns of the keys to purge
-- Gives the number of keys purged; -1 if the run is the known one, -2 if it took over and is not to be used yet
local info = redis.call("INFO", "server") .. redis.call("INFO", "replication")
if not info:find("role:master") then
  return redis.error_reply("READONLY this is a replica: it may lack the last holds and invalidations")
end
local run_id = info:match("run_id:(%w+)") .. ":" .. info:match("master_replid:(%w+)")
local record, known, tag = ARGV[1], redis.pcall("GET", ARGV[1]), 0
while type(known) == "table" and tag < 16384 do -- in a cluster: another node has its slot, so try the next one
  tag = tag + 1
  record = ARGV[1] .. "{" .. tag .. "}"
  known = redis.pcall("GET", record)
end
if type(known) == "table" then
  return known
end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local usable_from
if known then
  known, usable_from = known:match("^([^@]+)@?(%d*)")
end
if known == run_id then
  redis.call("PERSIST", record) -- changes nothing, but a primary that has too few replicas (min-replicas-to-write) refuses
  return now < (tonumber(usable_from) or 0) and -2 or -1
end
local purged = 0
for i = 3, #ARGV do
  local cursor = "0"
  repeat
    local page = redis.call("SCAN", cursor, "MATCH", ARGV[i], "COUNT", 1000)
    cursor = page[1]
    for _, key in ipairs(page[2]) do
      if not key:find("}:holds$") then
        purged = purged + redis.call("UNLINK", key)
      end
    end
  until cursor == "0"
end
if ARGV[2] ~= "0" and not info:find("second_repl_offset:-1", 1, true) then
  run_id = run_id .. "@" .. now + ARGV[2]
end
redis.call("SET", record, run_id)
return purged
