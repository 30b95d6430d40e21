#!lua flags=allow-oom
-- On a new connection: trust nothing across a restart or a failover. Purge what another run of the server left, and
-- what this one received as a replica: its replication id changed when it became the primary.
-- A server that accepts no writes (a replica; one that could not save its snapshot) learns of no change: it fails here.
-- Holds of another run are purged: their writers must learn that they were interrupted. After a FLUSHDB, which also
-- removes the recorded run id, holds stay: they are valid, and only keep readers away.
-- A schema version is trusted only while every process that connected since has this version or one next to it, since
-- only their writes drop its values.
-- KEYS  1 the run id whose values are trusted, and the trusted schema versions (if missing: 1)
-- ARGV  1 schema version of this process  2... patterns of the keys to purge
-- Returns the number of purged keys; -1 if the run id is the known one
local own = tonumber(ARGV[1])
local info = redis.call("INFO", "server") .. redis.call("INFO", "replication")
if not info:find("role:master") then
  return redis.error_reply("READONLY this is a replica: it may lack the last holds and invalidations")
end
local run_id = info:match("run_id:(%w+)") .. ":" .. info:match("master_replid:(%w+)")
local known, versions = (redis.call("GET", KEYS[1]) or ""):match("^(%S*)(.*)$")
local left, is_known = "", false
for version in (versions == "" and " 1" or versions):gmatch("%d+") do
  if math.abs(version - own) <= 1 then
    left = left .. " " .. version
  end
  is_known = is_known or tonumber(version) == own
end
if is_known and known == run_id then
  if versions ~= "" and left ~= versions then
    redis.call("SET", KEYS[1], run_id .. left)
  end
  return -1
end
local is_another_run = known ~= "" and known ~= run_id
local purged = 0
for i = 2, #ARGV do
  local cursor = "0"
  repeat
    local page = redis.call("SCAN", cursor, "MATCH", ARGV[i], "COUNT", 1000)
    cursor = page[1]
    for _, key in ipairs(page[2]) do
      if is_another_run or not key:find("}:holds$") then
        purged = purged + redis.call("UNLINK", key)
      end
    end
  until cursor == "0"
end
redis.call("SET", KEYS[1], ("%s %d %d %d"):format(run_id, own - 1, own, own + 1))
return purged
