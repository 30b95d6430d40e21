-- wrk's script: reads of entity types, at random or one after the other. Prints figures as JSON.
-- Arguments: a file with a line "code CODE" or "token TOKEN" for each, the seed, or "none" for one after the other.
local heads, tails, last, at_random = {}, {}, 0, false

function init(args)
  for line in io.lines(args[1]) do
    local kind, value = line:match("^(%a+) (.+)$")
    if kind == "code" then
      heads[#heads + 1] = "GET /api/v1/entity/type/" .. value .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
        .. "\r\nAuthorization: Bearer "
    else
      tails[#tails + 1] = value .. "\r\n\r\n"
    end
  end
  at_random = args[2] ~= "none"
  if at_random then
    math.randomseed(tonumber(args[2]))
  end
end

function request()
  if at_random then
    return heads[math.random(#heads)] .. tails[math.random(#tails)]
  end
  last = last + 1
  return heads[(last - 1) % #heads + 1] .. tails[(last - 1) % #tails + 1]
end

function done(summary, latency, _)
  local failed = summary.errors
  io.write(string.format('\n{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
