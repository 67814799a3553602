-- needs: record log ending
-- A refresh, by the table of `sessions.rotation`. KEYS: the session. ARGV: log, at, dice, presented, leeway,
-- idle. Gives whether a replica must have what is written, the outcome, the reason, the record, and what is to be told.
local base, sid = place_of(KEYS[1])
local presented, leeway, idle = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local session, raw = load_session(base, sid)
if not session then return home_of(base, sid) end

local epoch, suspended_until = principal_of(base, session[REALM], session[USER_ID])
local reason = refusal(session, epoch, suspended_until, AT)
if reason ~= '' then
  return {vouch_again(base, sid, session), 'refused', reason, raw, untold}
end

local gen, predecessor = session[GEN], session[PREDECESSOR]
local outcome
if presented == gen then
  outcome, gen, predecessor = 'rotated', gen + 1, gen
elseif presented > gen then
  outcome, gen, predecessor = 'adopted', presented + 1, presented
elseif presented == predecessor and AT - session[ROTATED_AT] <= leeway then
  return {0, 'same', '', raw, untold}
elseif presented == predecessor and session[CONFIRMED] == 0 then
  outcome, gen = 'replaced', gen + 1
else
  end_session(base, sid, session, 'reuse')
  return {1, 'reuse', 'reuse', cmsgpack.pack(session), untold}
end

session[GEN], session[PREDECESSOR], session[ROTATED_AT], session[CONFIRMED] = gen, predecessor, AT, 0
session[LAST_SEEN_AT] = math.max(session[LAST_SEEN_AT], AT)
session[IDLE_UNTIL] = math.max(session[IDLE_UNTIL], math.min(AT + idle, session[UNTIL]))
put_session(base, sid, session, AT)
return {0, outcome, '', cmsgpack.pack(session), untold}
