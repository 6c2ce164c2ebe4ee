-- Asks scrapeguard about a request, and answers in place of the app what it says.
--
--   http-request lua.scrapeguard http://HOST:PORT closed|open
--
-- `open` lets requests pass while nobody answers there. Sets txn.scrapeguard_verdict, and for each header in which the
-- site announces something a variable of its name, such as txn.scrapeguard_content_usage.

local ANNOUNCED = { "content-usage", "tdm-reservation", "tdm-policy", "x-robots-tag", "link" }
-- Between two machines only, not of the request; of the answer, what HAProxy writes itself.
local NOT_ASKED = { ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
                    ["keep-alive"] = true, ["te"] = true, ["expect"] = true, ["host"] = true }
local NOT_ANSWERED = { ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["date"] = true }
local FILES = { ["/robots.txt"] = true, ["/license.xml"] = true, ["/.well-known/tdmrep.json"] = true }
local MOST_LINES = 80
local TIMEOUT = 2000    -- milliseconds

-- The header lines of the question, or nothing where they are too many: HAProxy can send 101 and ends on more.
local function question(txn)
    local headers, lines = {}, 0
    for name, values in pairs(txn.http:req_get_headers()) do
        if name:sub(1, 14) == "x-scrapeguard-" then
            txn.http:req_del_header(name)
        elseif not NOT_ASKED[name] then
            headers[name] = {}
            for at = 0, #values do
                headers[name][at + 1] = values[at]
                lines = lines + 1
            end
        end
    end
    headers["x-forwarded-method"] = { txn.sf:method() }
    headers["x-forwarded-uri"] = { txn.sf:pathq() }
    headers["x-forwarded-host"] = { txn.sf:req_hdr("host") }
    headers["x-forwarded-proto"] = { txn.sf:ssl_fc() == 1 and "https" or "http" }
    headers["x-forwarded-for"] = { txn.sf:src() }
    return lines <= MOST_LINES and headers or nil
end

local function answer(txn, said)
    local reply = txn:reply({ status = said.status })
    for name, values in pairs(said.headers) do
        if not NOT_ANSWERED[name] then
            for at = 0, #values do
                reply:add_header(name, values[at])
            end
        end
    end
    reply:set_body(said.body)
    txn:done(reply)
end

local function ask(url, headers)
    return core.httpclient():get({ url = url, headers = headers, timeout = TIMEOUT })
end

-- What is for everybody, refused or not; nothing where scrapeguard has nothing to announce, and the app may answer.
local function announced(txn, service, headers)
    local method, path = txn.sf:method(), txn.sf:path()
    if FILES[path] and (method == "GET" or method == "HEAD") then
        local said = ask(service .. path, headers)
        return said and (said.status == 200 or said.status == 304) and said
    end
end

core.register_action("scrapeguard", { "http-req" }, function(txn, service, failing)
    local headers = question(txn)
    if not headers then
        txn:done(txn:reply({ status = 431 }))
        return
    end
    local file = announced(txn, service, headers)
    if file then
        answer(txn, file)
        return
    end
    local said = ask(service .. "/decide/haproxy", headers)
    local verdict = said and said.headers and said.headers["x-scrapeguard-verdict"]
    verdict = verdict and verdict[0]
    if verdict == "allow" or verdict == "observe" then
        txn:set_var("txn.scrapeguard_verdict", verdict)
        for _, name in ipairs(ANNOUNCED) do
            local values = said.headers[name]
            if values then
                txn:set_var("txn.scrapeguard_" .. name:gsub("-", "_"), values[0])
            end
        end
    elseif verdict then
        answer(txn, said)
    elseif failing == "open" and (not said or not said.status or said.status == 0 or said.status >= 502) then
        txn:set_var("txn.scrapeguard_verdict", "allow")
    else
        txn:done(txn:reply({ status = 503 }))
    end
end, 2)
