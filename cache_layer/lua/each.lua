-- Runs one of the other scripts, which takes the place of "%s", for each of several entries: they all have as many keys.
-- KEYS  the first entry's, the second's, ...
-- ARGV  1 keys of one entry  2 arguments of one entry  3... the first entry's arguments, the second's, ...
-- Gives the answers in the same order
local function one(KEYS, ARGV)
%s
end
local key_count, argument_count = tonumber(ARGV[1]), tonumber(ARGV[2])
local answers = {}
for entry = 0, #KEYS / key_count - 1 do
  local keys, arguments = {}, {}
  for i = 1, key_count do
    keys[i] = KEYS[entry * key_count + i]
  end
  for i = 1, argument_count do
    arguments[i] = ARGV[2 + entry * argument_count + i]
  end
  answers[entry + 1] = one(keys, arguments)
end
return answers
