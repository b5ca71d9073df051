--- guard: refuses another deployment's shard, an unverified server, another epoch, a torn shard.
-- Purpose: the check that every script makes before anything else.
-- Keys: meta
-- Arguments: epoch; number, of a call of a rebuild; and the last one of every call: deployment
-- Outcomes: foreign, epoch, server, torn, turn
-- Needs: wire

local guard = {}

-- Whose state the caller means. It stands behind the script's own arguments, and is taken off here.
guard.DEPLOYMENT = table.remove(ARGV)

-- By plain `find`: a pattern is tried at every byte of the text, which costs as much as a step.
local function value_of(info, name)
  local first = select(2, string.find(info, '\n' .. name .. ':', 1, true)) + 1
  return string.sub(info, first, string.find(info, '\r', first, true) - 1)
end

-- Who this server is: another process, another history of writes, or one that has thrown keys away
-- since, has another name.
function guard.server()
  local info = redis.call('INFO', 'server', 'replication', 'stats')
  return value_of(info, 'run_id') .. '/' .. value_of(info, 'master_replid') .. '/'
    .. value_of(info, 'evicted_keys')
end

function guard.prefix(meta_key)
  local prefix = string.match(meta_key, '^([^{}]*{s%d+}:)meta$')
  assert(prefix, 'the first key is not the meta of a shard')
  return prefix
end

-- Tells whether a shard is another deployment's; one of an older release names none.
function guard.is_foreign(deployment)
  return deployment and deployment ~= guard.DEPLOYMENT
end

-- Gives nil, or what a mere look at a shard of another deployment replies: an error.
function guard.refuse_foreign(meta_key)
  if guard.is_foreign(redis.call('HGET', meta_key, 'deployment')) then
    return redis.error_reply('FOREIGN the shard is the state of another deployment')
  end
  return nil
end

-- Gives meta, or nil and a refusal: reason, epoch in force.
function guard.admit(meta_key, epoch)
  local found = redis.call(
    'HMGET', meta_key, 'deployment', 'epoch', 'step', 'published', 'server', 'writing', 'layout'
  )
  if guard.is_foreign(found[1]) then
    return nil, { 'foreign', 0 }
  end
  local current = tonumber(found[2] or '0')
  if current == 0 then
    return nil, { 'epoch', 0 }
  end
  -- One of an older release is nobody's until its owner has claimed it.
  if not found[1] or found[5] ~= guard.server() then
    return nil, { 'server', current }
  end
  if current ~= tonumber(epoch) then
    return nil, { 'epoch', current }
  end
  if found[6] == '1' or found[7] ~= wire.LAYOUT then
    return nil, { 'torn', current }
  end
  return { epoch = current, step = tonumber(found[3]), published = tonumber(found[4]) }
end

-- Gives nil where this call of the rebuild in this epoch is the next one, else what to reply: that
-- it has been run already, however late it comes once more, or a refusal.
function guard.turn(meta_key, epoch, number)
  local found = redis.call(
    'HMGET', meta_key, 'deployment', 'epoch', 'server', 'writing', 'call'
  )
  if guard.is_foreign(found[1]) then
    return { 0, 'foreign', 0 }
  end
  local current, last = tonumber(found[2] or '0'), tonumber(found[5] or '0')
  if current == 0 or current ~= tonumber(epoch) then
    return { 0, 'epoch', current }
  end
  if found[3] ~= guard.server() then
    return { 0, 'server', current }
  end
  if tonumber(number) <= last then
    return { 1 }
  end
  if found[4] ~= '1' then
    return { 0, 'epoch', current }
  end
  if tonumber(number) > last + 1 then
    return { 0, 'turn', current }
  end
  return nil
end

-- The last write of a call of a rebuild: one that was cut off before it is run again.
function guard.end_turn(meta_key, number)
  redis.call('HSET', meta_key, 'call', number)
end

-- Gives what a look is of: epoch, step, and whether the mark of a torn step stands.
function guard.moment(meta_key)
  local found = redis.call('HMGET', meta_key, 'epoch', 'step', 'writing')
  return {
    tonumber(found[1] or '0'), tonumber(found[2] or '0'), found[3] == '1' and 1 or 0,
  }
end

return guard
