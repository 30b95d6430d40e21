-- wrk's script: entity types one after the other. Arguments: the token, then the codes. Prints figures as JSON.
local requests, last = {}, 0

function init(args)
  for number = 2, #args do
    requests[number - 1] = wrk.format("GET", "/api/v1/entity/type/" .. args[number],
      { ["Host"] = wrk.host .. ":" .. wrk.port, ["Authorization"] = "Bearer " .. args[1] })
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency, _)
  local failed = summary.errors
  io.write(string.format('\n{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
