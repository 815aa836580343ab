-- A POST of about 1 KB with the caller's key; the result as one JSON line. Arguments after `--`: key, model, and the
-- file of the body where it is another.
function init(arguments)
  local key, model = arguments[1], arguments[2]
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  wrk.headers["authorization"] = "Bearer " .. key
  local text = string.rep("What is the capital of France? ", 29)
  wrk.body = '{"model":"' .. model .. '","temperature":0.2,"messages":[{"role":"user","content":"' .. text .. '"}]}'
  if arguments[3] then
    wrk.body = io.open(arguments[3]):read("*a")
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status
  local complaint = string.format("connect %d, read %d, write %d, status %d",
    errors.connect, errors.read, errors.write, errors.status)
  io.write(string.format(
    '\nresult {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"slow":%d,"failed":%d,"complaint":"%s"}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.timeout, failed, complaint))
end
