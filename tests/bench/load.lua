-- wrk ... -- TOKENS START: GET with the tokens of a file in turn, from the one after START; "-" for none.
-- Prints one line of JSON at the end.

local requests, count, at = {}, 0, 0

function init(args)
   if args[1] == "-" then
      requests[1] = wrk.format("GET")
      count = 1
      return
   end
   for token in io.lines(args[1]) do
      count = count + 1
      requests[count] = wrk.format("GET", nil, { Host = wrk.headers["Host"], Authorization = "Bearer " .. token })
   end
   at = tonumber(args[2]) % count
end

function request()
   at = at + 1
   if at > count then at = 1 end
   return requests[at]
end

function done(summary, latency, _)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %.6f, "bytes": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d, ' ..
      '"status": %d, "p50": %.1f, "p90": %.1f, "p99": %.1f}\n',
      summary.requests, summary.duration / 1e6, summary.bytes, errors.connect, errors.read, errors.write,
      errors.timeout, errors.status, latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
