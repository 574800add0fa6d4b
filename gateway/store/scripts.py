"""What Redis does as one step with the list of what is revoked.

Keys of each: entries (a hash), until (a sorted set of the same fields), changes (a stream of the fields that changed).
"""

from typing import Final

from gateway.store.script import Script

#: changes that are remembered: whoever was away for longer reads the whole list
CHANGES: Final = 10_000

#: field, what stands there (empty: nothing), what takes its place, its end, the most entries. `done`, `full`, or
#: `other` and what stands there instead
PUT: Final = Script(f"""
local old = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if old ~= ARGV[2] then return {{'other', old}} end
if old == '' and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return {{'full'}} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', {CHANGES}, '*', 'field', ARGV[1])
return {{'done'}}
""")

#: field, value and end of each: what is not there is put there. How many were not
PUT_BACK: Final = Script(f"""
local put = 0
for at = 1, #ARGV, 3 do
  if redis.call('HSETNX', KEYS[1], ARGV[at], ARGV[at + 1]) == 1 then
    put = put + 1
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', {CHANGES}, '*', 'field', ARGV[at])
  end
  redis.call('ZADD', KEYS[2], 'NX', ARGV[at + 2], ARGV[at])
end
return put
""")

#: seconds since the epoch: what has ended by then is forgotten; each process does so by itself. How many those were
END: Final = Script("""
local ended = 0
while true do
  local fields = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, 1000)
  if #fields == 0 then return ended end
  redis.call('HDEL', KEYS[1], unpack(fields))
  redis.call('ZREM', KEYS[2], unpack(fields))
  ended = ended + #fields
  if ended >= 10000 then return ended end
end
""")

#: how many entries and ends there are, and the ids of the first and the last change
STATE: Final = Script("""
local first = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)
first = first[1] and first[1][1] or ''
last = last[1] and last[1][1] or ''
return {redis.call('HLEN', KEYS[1]), redis.call('ZCARD', KEYS[2]), first, last}
""")
