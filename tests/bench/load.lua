-- wrk ... -- SHAPE TOKENS START PROOFS: requests of one shape, with the tokens of a file in turn, from the one after
-- START; "-" for none. PROOFS: a file of DPoP proofs, each used once. Prints one line of JSON at the end.

local BROWSER = {
   { "Connection", "keep-alive" },
   { "sec-ch-ua-platform", '"Linux"' },
   { "User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36" },
   { "Accept", "application/json, text/plain, */*" },
   { "sec-ch-ua", '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"' },
   { "sec-ch-ua-mobile", "?0" },
   { "Sec-Fetch-Site", "same-origin" },
   { "Sec-Fetch-Mode", "cors" },
   { "Sec-Fetch-Dest", "empty" },
   { "Referer", "https://shop.example.com/orders?page=2" },
   { "Accept-Encoding", "gzip, deflate, br, zstd" },
   { "Accept-Language", "en-GB,en;q=0.9,de-DE;q=0.8,de;q=0.7" },
   { "Priority", "u=1, i" },
}
local KIBIBYTE = '{"order": "' .. string.rep("x", 1024 - 13) .. '"}'

local shape, tokens, at = "plain", {}, 0
-- what stands before the token
local before
-- whole requests, where no two of one token differ
local whole = {}
local proofs, used = {}, 0
local client, asked = "", 0

local function lines(path)
   local read = {}
   for line in io.lines(path) do read[#read + 1] = line end
   return read
end

-- Of whom X-Forwarded-For says that the request with a token comes: somebody in 198.18.0.0/15 (RFC 2544).
local function forwarded(number)
   local address = string.format("198.18.%d.%d", math.floor(number / 250) % 256, number % 250 + 1)
   return "X-Forwarded-For: " .. address .. "\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: api.example.com\r\n"
end

local function composed(token, number)
   local authorization = token and before .. token .. "\r\n" or ""
   local method, more, body = "GET", "", ""
   if shape == "browser" then
      for _, header in ipairs(BROWSER) do more = more .. header[1] .. ": " .. header[2] .. "\r\n" end
   elseif shape == "fronted" then
      more = forwarded(number)
   elseif shape == "post" then
      method, body = "POST", KIBIBYTE
      more = "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n"
   end
   return method .. " " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\n" .. authorization .. more .. "\r\n" .. body
end

function init(args)
   shape = args[1]
   before = shape == "dpop" and "Authorization: DPoP " or "Authorization: Bearer "
   if args[2] == "-" then
      whole[1] = composed(nil, 1)
      return
   end
   tokens = lines(args[2])
   for number, token in ipairs(tokens) do whole[number] = composed(token, number) end
   at = tonumber(args[3]) % #tokens
   if args[4] then proofs = lines(args[4]) end
   -- Everything but the empty line at the end.
   for number, request in ipairs(whole) do
      if shape == "traced" or shape == "dpop" then whole[number] = string.sub(request, 1, -3) end
   end
   client = string.format("%08x", os.time())
end

local function traced(head)
   asked = asked + 1
   local number = string.format("%08x", asked)
   return head .. "traceparent: 00-4bf92f3577b34da6" .. client .. number .. "-00f067aa" .. number .. "-01\r\n" ..
      "X-Request-Id: " .. client .. "-0000-4000-8000-0000" .. number .. "\r\n\r\n"
end

function request()
   at = at + 1
   if at > #whole then at = 1 end
   if shape == "traced" then return traced(whole[at]) end
   if shape == "dpop" then
      used = used + 1
      -- Where there are not enough the last one is used twice, refused, and the run no result.
      return whole[at] .. "DPoP: " .. proofs[math.min(used, #proofs)] .. "\r\n\r\n"
   end
   return whole[at]
end

function done(summary, latency, _)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %.6f, "bytes": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d, ' ..
      '"status": %d, "p50": %.1f, "p90": %.1f, "p99": %.1f}\n',
      summary.requests, summary.duration / 1e6, summary.bytes, errors.connect, errors.read, errors.write,
      errors.timeout, errors.status, latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
