-- Run another script, put in place of "%s", for several entries, which all have the same number of keys.
-- KEYS  the first entry's, the second's, ...
-- ARGV  1 keys per entry  2 arguments per entry  3... the first entry's arguments, the second's, ...
-- Returns the results in the same order
local function one(KEYS, ARGV)
%s
end
local key_count, argument_count = tonumber(ARGV[1]), tonumber(ARGV[2])
local answers = {}
for entry = 0, #KEYS / key_count - 1 do
  local keys = { unpack(KEYS, entry * key_count + 1, (entry + 1) * key_count) }
  local arguments = { unpack(ARGV, 2 + entry * argument_count + 1, 2 + (entry + 1) * argument_count) }
  answers[entry + 1] = one(keys, arguments)
end
return answers
