--- step: one atomic step: a prefix of facts of one shard takes effect, or nothing does.
-- Purpose: read every key once, decide every fact in memory, write every touched key once.
-- Keys: meta
-- Arguments: epoch, facts, causes, lines, lines_per_step_max, event_bytes_max,
--   step_bytes_max, outbox_steps_max, settled_entries_max, applied_at_ms
-- Outcomes: foreign, epoch, server, torn, outbox_full, changed, repeat, refused, conflict,
--   balance_differs, out_of_bounds
-- Needs: wire, guard, reading, deciding, writing
-- Replies { 0, reason, epoch } or { 1, step, published, one character per fact taken }.

local meta, refusal = guard.admit(KEYS[1], ARGV[1])
if not meta then
  return { 0, refusal[1], refusal[2] }
end
if meta.step - meta.published >= tonumber(ARGV[8]) then
  return { 0, 'outbox_full', meta.epoch }
end

local step = {
  meta_key = KEYS[1],
  prefix = guard.prefix(KEYS[1]),
  number_before = meta.step,
  fact_stream = ARGV[2],
  causes = ARGV[3],
  lines = ARGV[4],
  lines_max = tonumber(ARGV[5]),
  event_bytes_max = tonumber(ARGV[6]),
  step_bytes_max = tonumber(ARGV[7]),
  settled_entries_max = tonumber(ARGV[9]),
  applied_at = ARGV[10], -- by the caller's clock: a script has none
  heads = {}, -- of changes: key, status before, status, reason, instant, rarities; ...
  pieces = {}, -- bytes of msgpack: cause, reservation; ...
  change_count = 0,
  event_bytes = 0,
  changed_records = {},
  changed_record_count = 0,
  changed_stocks = {}, -- in the order of first touch
  changed_stock_count = 0,
  removals = {}, -- key, status, when the retention ended, early facts; ...
  removed_records = {}, -- in the same order
  shortfalls = 0, -- stocks of which a balance of this step counted less than is held
  settlements = {}, -- member of the settle index -> score, or false to remove it
}

-- Read.
reading.read(step)

-- Decide. Anything that can fail fails here, before anything is written.
local outcomes = deciding.decide(step)

-- Write.
local number = writing.write(step)

return { 1, number, meta.published, table.concat(outcomes) }
