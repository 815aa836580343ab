"""What runs inside Redis: each script is one atomic exchange, and Redis' clock rules it.

`EXCHANGE` is `counting.py` in Lua: KEYS are counters, ARGV has seven words for each: what to do (l leases, b takes
back; then s, f or h for the window), two words of the window (seconds; name and end; holder and ttl), limit, amount,
least, lot. It answers with the time, then five words for each lease, as `Grant` has them. A sliding counter is a hash
of slices (`w` is the window's length), a fixed one a hash of amounts and ends by name, a held one of holders. Every
key expires when nothing in it counts any more.
"""

from __future__ import annotations

from typing import Final

_CLOCK: Final = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local function extend(key, seconds)
  local ms = math.ceil(seconds * 1000)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, string.format('%.0f', ms)) end
end
"""

EXCHANGE: Final = (
    _CLOCK
    + """
local INF = math.huge
local SLICES, KEPT, HELD_RETRY = 60, 86400, 1
local out = {string.format('%.6f', now)}
local function num(text) if text == 'inf' then return INF end return tonumber(text) end
local function whole(n) return string.format('%.0f', n) end
local function time(n) if n == INF then return 'inf' end return string.format('%.6f', n) end
local function share(used, limit, amount, least)
  local n = math.min(amount, limit - used)
  if n > 0 and n >= least then return n end
  return 0
end
local function grant(amount, left, lot, til, retry)
  for _, word in ipairs({whole(amount), whole(left), lot, time(til), time(retry)}) do out[#out + 1] = word end
end

local function ring(key, seconds)
  local cells, total, newest = {}, 0, nil
  local head = math.floor(now * SLICES / tonumber(seconds))
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if all[i] == 'w' then
      if all[i + 1] ~= seconds then
        redis.call('DEL', key)
        cells, newest = {}, nil
        break
      end
    else
      local at = tonumber(all[i])
      cells[at] = tonumber(all[i + 1])
      if newest == nil or at > newest then newest = at end
    end
  end
  if newest ~= nil and newest > head and newest - head <= SLICES then head = newest end
  for at, n in pairs(cells) do
    if at < head - SLICES then
      redis.call('HDEL', key, whole(at))
      cells[at] = nil
    elseif at > head then
      redis.call('HDEL', key, whole(at))
      redis.call('HINCRBY', key, whole(head), whole(n))
      cells[at] = nil
      total = total + n
    else
      total = total + n
    end
  end
  return head, total, cells
end

local function ring_add(key, seconds, at, amount)
  redis.call('HSET', key, 'w', seconds)
  redis.call('HINCRBY', key, whole(at), whole(amount))
  extend(key, tonumber(seconds) * (SLICES + 1) / SLICES + 1)
end

local function ring_retry(head, total, cells, seconds, need, limit)
  if need > limit then return INF end
  local over = total + need - limit
  if over <= 0 then return 0 end
  for at = head - SLICES, head do
    over = over - (cells[at] or 0)
    if over <= 0 then return math.max(0, (at + SLICES + 1) * tonumber(seconds) / SLICES - now) end
  end
  return tonumber(seconds)
end

local function total_of(key, name, ends)
  local count = redis.call('HGET', key, 'a:' .. name)
  if count then return tonumber(count) end
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'e:' and num(all[i + 1]) + KEPT < now then
      redis.call('HDEL', key, all[i], 'a:' .. string.sub(all[i], 3))
    end
  end
  return 0
end

local function total_add(key, name, ends, amount)
  redis.call('HINCRBY', key, 'a:' .. name, whole(amount))
  redis.call('HSET', key, 'e:' .. name, ends)
  if ends ~= 'inf' then extend(key, math.max(1, tonumber(ends) + KEPT - now)) end
end

local function holding(key, holder)
  local used, mine = 0, 0
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local cut = string.find(all[i + 1], ':', 1, true)
    if tonumber(string.sub(all[i + 1], cut + 1)) <= now then
      redis.call('HDEL', key, all[i])
    else
      local n = tonumber(string.sub(all[i + 1], 1, cut - 1))
      used = used + n
      if all[i] == holder then mine = n end
    end
  end
  return used, mine
end

local function hold(key, holder, ttl, count)
  if count > 0 then
    redis.call('HSET', key, holder, whole(count) .. ':' .. string.format('%.6f', now + tonumber(ttl)))
    extend(key, tonumber(ttl) + 1)
  else
    redis.call('HDEL', key, holder)
  end
end

for i, key in ipairs(KEYS) do
  local base = (i - 1) * 7
  local op, a, b = ARGV[base + 1], ARGV[base + 2], ARGV[base + 3]
  local limit, amount, least, lot = num(ARGV[base + 4]), num(ARGV[base + 5]), num(ARGV[base + 6]), ARGV[base + 7]
  if op == 'ls' then
    local head, total, cells = ring(key, a)
    local n = share(total, limit, amount, least)
    if n > 0 then ring_add(key, a, head, n) end
    cells[head] = (cells[head] or 0) + n
    total = total + n
    local retry = 0
    if n < amount then retry = ring_retry(head, total, cells, a, n > 0 and 1 or least, limit) end
    grant(n, limit - total, whole(head), (head + 1) * tonumber(a) / SLICES, retry)
  elseif op == 'bs' then
    local head, total, cells = ring(key, a)
    if amount < 0 then
      ring_add(key, a, head, -amount)
    else
      local at = tonumber(lot)
      local n = math.min(amount, cells[at] or 0)
      if n > 0 then redis.call('HINCRBY', key, whole(at), whole(-n)) end
    end
  elseif op == 'lf' then
    local used = total_of(key, a, b)
    local n = share(used, limit, amount, least)
    if n > 0 then total_add(key, a, b, n) end
    local retry, need = 0, n > 0 and 1 or least
    if n < amount and used + n + need > limit then retry = need > limit and INF or math.max(0, num(b) - now) end
    grant(n, limit - used - n, a, num(b), retry)
  elseif op == 'bf' then
    local used = total_of(key, a, b)
    local n = math.max(-used, -amount)
    if n ~= 0 then total_add(key, a, b, n) end
  elseif op == 'lh' then
    local used, mine = holding(key, a)
    local n = share(used, limit, amount, least)
    hold(key, a, b, mine + n)
    local retry, need = 0, n > 0 and 1 or least
    if n < amount and used + n + need > limit then retry = need > limit and INF or HELD_RETRY end
    grant(n, limit - used - n, whole(mine + n), now + tonumber(b), retry)
  elseif op == 'bh' then
    local _, mine = holding(key, a)
    hold(key, a, b, math.max(0, mine - amount))
  end
end
return out
"""
)

# KEYS: a set. ARGV: member, ttl, limit.
VISIT: Final = (
    _CLOCK
    + """
local member, ttl, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.6f', now))
local count = redis.call('ZCARD', KEYS[1])
if not redis.call('ZSCORE', KEYS[1], member) then
  if count >= limit then return -1 end
  count = count + 1
end
redis.call('ZADD', KEYS[1], string.format('%.6f', now + ttl), member)
extend(KEYS[1], ttl + 1)
return count
"""
)

# KEYS: a table. ARGV: field, value, ttl.
NOTE: Final = (
    _CLOCK
    + """
local ttl = tonumber(ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.6f', now + ttl) .. ':' .. ARGV[2])
extend(KEYS[1], ttl + 1)
return 1
"""
)

# KEYS: a table. Answers with fields and values in turn; forgets what is over.
TABLE: Final = (
    _CLOCK
    + """
local out = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local cut = string.find(all[i + 1], ':', 1, true)
  if tonumber(string.sub(all[i + 1], 1, cut - 1)) <= now then
    redis.call('HDEL', KEYS[1], all[i])
  else
    out[#out + 1] = all[i]
    out[#out + 1] = string.sub(all[i + 1], cut + 1)
  end
end
return out
"""
)
