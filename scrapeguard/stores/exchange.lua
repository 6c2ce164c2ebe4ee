-- One exchange, which nothing else comes between: hand in a batch, let the oldest go, take what others handed in.
--
-- KEYS  1 the stream, 2 the name of the data (random; it goes when the server is emptied, and others read from the start)
-- ARGV  1 a name for the data if there is none, 2 the worker, 3 the body or '', 4 the name of the data that was read,
--       5 the id up to which it was read or '', 6 milliseconds kept, 7 bytes kept, 8 bytes handed out, 9 bytes of a body,
--       10 bytes that a batch counts besides its body
-- Gives the name of the data, the id up to which it is read now, and id and body of each batch in turn.
--
-- An entry holds w (worker), t (the sum of the weights of all up to it) and b (body). Others are passed over.
local stream, worker, body = KEYS[1], ARGV[2], ARGV[3]
local max_age, max_kept, max_out = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local max_body, overhead = tonumber(ARGV[9]), tonumber(ARGV[10])
local STEP = 16

local function read(entry)
    local f = entry[2]
    if #f == 6 and f[1] == 'w' and f[3] == 't' and f[5] == 'b' and tonumber(f[4]) and #f[6] <= max_body then
        return { worker = f[2], total = tonumber(f[4]), body = f[6], weight = #f[6] + overhead }
    end
end

local function number(value)
    return string.format('%.0f', value)
end

-- Milliseconds and sequence of an id, as numbers.
local function parts(id)
    local ms, seq = string.match(id, '^(%d+)-(%d+)$')
    return tonumber(ms), tonumber(seq)
end

local function before(one, other)
    local ms, seq = parts(one)
    local other_ms, other_seq = parts(other)
    return ms < other_ms or (ms == other_ms and seq < other_seq)
end

local clock = redis.call('TIME')
local oldest = math.max(0, tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000) - max_age)

redis.call('SET', KEYS[2], ARGV[1], 'NX')
local data = redis.call('GET', KEYS[2])
local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
local position = ARGV[5]
if data ~= ARGV[4] or position == '' or not last or before(last[1], position) then
    position = number(oldest) .. '-0'
end
if parts(position) < oldest then
    position = number(oldest) .. '-0'
end

if body ~= '' then
    local entry = last and read(last)
    local total = (entry and entry.total or 0) + #body + overhead
    redis.call('XADD', stream, '*', 'w', worker, 't', number(total), 'b', body)
    redis.call('XTRIM', stream, 'MINID', number(oldest))
    while true do
        local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
        local kept = read(first)
        if kept and kept.total <= total and total - kept.total + kept.weight <= max_kept then
            break
        end
        redis.call('XDEL', stream, first[1])
    end
    -- Where nobody comes any more, nothing stays.
    redis.call('PEXPIRE', stream, number(max_age))
end

local answer, size = { data, position }, 0
while true do
    local entries = redis.call('XRANGE', stream, '(' .. answer[2], '+', 'COUNT', STEP)
    for _, found in ipairs(entries) do
        local entry = read(found)
        if entry and entry.worker ~= worker then
            size = size + entry.weight
            if size > max_out then
                return answer
            end
            answer[#answer + 1] = found[1]
            answer[#answer + 1] = entry.body
        end
        answer[2] = found[1]
    end
    if #entries < STEP then
        return answer
    end
end
