--- one_fact_step: one fact of one account takes effect, and its events come back in the reply.
-- The end of the worker's own script with its guard and its outbox left out: what a team writes
-- that calls a script for each message and publishes what the script says.
-- KEYS[1] is the meta key of a shard; ARGV: fact, cause, lines, applied_at_ms.
-- Replies { step, entry or nothing, outcome, settlements... }.

local step = {
  meta_key = KEYS[1],
  prefix = guard.prefix(KEYS[1]),
  number_before = tonumber(redis.call('HGET', KEYS[1], 'step') or '0'),
  fact_stream = ARGV[1],
  causes = ARGV[2],
  lines = ARGV[3],
  lines_max = 5000,
  event_bytes_max = 900000,
  step_bytes_max = 4000000,
  settled_entries_max = 100,
  applied_at = ARGV[4],
  heads = {},
  pieces = {},
  change_count = 0,
  event_bytes = 0,
  changed_records = {},
  changed_record_count = 0,
  changed_stocks = {},
  changed_stock_count = 0,
  removals = {},
  removed_records = {},
  shortfalls = 0,
  settlements = {},
}

reading.read(step)
local outcomes = deciding.decide(step)
local number = writing.write(step)

local reply = { number, '', outcomes[1] }
if number > step.number_before then
  reply[2] = redis.call('GETDEL', step.prefix .. 'o:' .. string.format('%.0f', number))
end
for member, is_due in pairs(step.settlements) do
  if is_due then
    reply[#reply + 1] = member
  end
end
return reply
