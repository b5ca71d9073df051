--- guard: refuses to work on an unverified server, in another epoch, or on a torn shard.
-- Purpose: the check that every script makes before anything else.
-- Keys: meta
-- Arguments: epoch
-- Outcomes: epoch, server, torn
-- Needs: wire

local guard = {}

-- Who this server is: another process, or another history of writes, has another name.
function guard.server()
  local info = redis.call('INFO', 'server', 'replication')
  return string.match(info, 'run_id:(%x+)') .. '/' .. string.match(info, 'master_replid:(%x+)')
end

function guard.prefix(meta_key)
  local prefix = string.match(meta_key, '^({s%d+}:)meta$')
  assert(prefix, 'the first key is not the meta of a shard')
  return prefix
end

-- Gives meta, or nil and a refusal: reason, epoch in force.
function guard.admit(meta_key, epoch)
  local found = redis.call(
    'HMGET', meta_key, 'epoch', 'step', 'published', 'server', 'writing', 'layout'
  )
  local current = tonumber(found[1] or '0')
  if current == 0 then
    return nil, { 'epoch', 0 }
  end
  if found[4] ~= guard.server() then
    return nil, { 'server', current }
  end
  if current ~= tonumber(epoch) then
    return nil, { 'epoch', current }
  end
  if found[5] == '1' or found[6] ~= wire.LAYOUT then
    return nil, { 'torn', current }
  end
  return { epoch = current, step = tonumber(found[2]), published = tonumber(found[3]) }
end

-- Gives nil while the shard is being restored in this epoch, else a refusal: reason, epoch.
function guard.refuse_restoring(meta_key, epoch)
  local found = redis.call('HMGET', meta_key, 'epoch', 'server', 'writing')
  local current = tonumber(found[1] or '0')
  if current == 0 or current ~= tonumber(epoch) or found[3] ~= '1' then
    return { 'epoch', current }
  end
  if found[2] ~= guard.server() then
    return { 'server', current }
  end
  return nil
end

-- Gives what a look is of: epoch, step, and whether the mark of a torn step stands.
function guard.moment(meta_key)
  local found = redis.call('HMGET', meta_key, 'epoch', 'step', 'writing')
  return {
    tonumber(found[1] or '0'), tonumber(found[2] or '0'), found[3] == '1' and 1 or 0,
  }
end

return guard
