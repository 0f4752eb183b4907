-- Completes the selected MIDI item in REAPER with PianoMuse: `pianomuse serve` runs on this computer, REAPER calls it.
-- Install and use: README.md beside this file. Plain Lua and curl; no Python, nothing to compile.

local SERVER = os.getenv("PIANOMUSE_URL") or "http://127.0.0.1:8642"
local BARS, IDEAS, ADVENTURE = 4, 4, "balanced" -- calm, balanced or bold
local PATIENCE_MS = 120000
local SUSTAIN, CONTROL_CHANGE = 64, 0xB0

local function stop(message)
  reaper.ShowMessageBox(message, "PianoMuse", 0)
end

-- The selected item: its take, ticks a quarter, and the quarter note its first bar begins at.
local function selected()
  local item = reaper.GetSelectedMediaItem(0, 0)
  local take = item and reaper.GetActiveTake(item)
  if not take or not reaper.TakeIsMIDI(take) then return nil end
  local start = reaper.TimeMap2_timeToQN(0, reaper.GetMediaItemInfo_Value(item, "D_POSITION"))
  local _, bar_start = reaper.TimeMap_QNToMeasures(0, start)
  local zero = reaper.MIDI_GetPPQPosFromProjQN(take, bar_start)
  local ppq = reaper.MIDI_GetPPQPosFromProjQN(take, bar_start + 1) - zero
  return { item = item, take = take, start = start, bar_start = bar_start, zero = zero, ppq = math.floor(ppq + 0.5) }
end

-- Notes and pedal of the take as JSON, in ticks from the bar line; also the channel of its last note.
local function events_of(found)
  local _, n_notes, n_controls = reaper.MIDI_CountEvts(found.take)
  local notes, pedals, channel = {}, {}, 0
  for index = 0, n_notes - 1 do
    local _, _, is_muted, from, to, chan, pitch, velocity = reaper.MIDI_GetNote(found.take, index)
    if not is_muted then
      local tick, length = from - found.zero, math.max(to - from, 1)
      notes[#notes + 1] = string.format(
        '{"tick":%d,"duration":%d,"pitch":%d,"velocity":%d,"track":0}',
        math.max(math.floor(tick + 0.5), 0), math.floor(length + 0.5), pitch, math.max(velocity, 1))
      channel = chan
    end
  end
  for index = 0, n_controls - 1 do
    local _, _, is_muted, at, kind, _, number, value = reaper.MIDI_GetCC(found.take, index)
    if not is_muted and kind == CONTROL_CHANGE and number == SUSTAIN then
      local tick = math.max(math.floor(at - found.zero + 0.5), 0)
      pedals[#pedals + 1] = string.format('{"tick":%d,"down":%s}', tick, tostring(value >= 64))
    end
  end
  return notes, pedals, channel
end

local function request_for(found, notes, pedals)
  local time = reaper.TimeMap2_QNToTime(0, found.bar_start)
  local numerator, denominator, bpm = reaper.TimeMap_GetTimeSigAtTime(0, time)
  local project = string.format(
    '{"title":"REAPER","ppq":%d,"notes":[%s],"pedals":[%s],"tempos":[{"tick":0,"bpm":%.6f}],' ..
    '"metres":[{"tick":0,"numerator":%d,"denominator":%d}],"tracks":[{"name":"Piano","program":0,"channel":0}]}',
    found.ppq, table.concat(notes, ","), table.concat(pedals, ","), bpm * 4 / denominator, numerator, denominator)
  return string.format('{"project":%s,"bars":%d,"candidates":%d,"adventure":"%s"}', project, BARS, IDEAS, ADVENTURE)
end

-- Send it with curl; the body goes through a file, so nothing has to be quoted. Returns the lines, or nil and why.
local function ask(body)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(body)
  file:close()
  local command = string.format(
    'curl -sS -X POST -H "Content-Type: application/json" --data-binary "@%s" "%s/api/v1/complete"', path, SERVER)
  local answer = reaper.ExecProcess(command, PATIENCE_MS) or ""
  os.remove(path)
  local code, lines = answer:match("^(%-?%d+)\r?\n(.*)$")
  if code ~= "0" then
    return nil, "PianoMuse does not answer at " .. SERVER .. ". Start it in a terminal: pianomuse serve"
  end
  local problem = lines:match('"error"%s*:%s*{.-"message"%s*:%s*"(.-)"[,}]')
    or lines:match('"event"%s*:%s*"error".-"message"%s*:%s*"(.-)"[,}]')
  if problem then return nil, problem end
  return lines
end

-- The best idea: its notes, its pedal, and where the new bars end.
local function best_of(lines)
  local number = lines:match('"event"%s*:%s*"ranked"%s*,%s*"ideas"%s*:%s*%[%s*(%d+)')
  local end_tick = lines:match('"event"%s*:%s*"start".-"end_tick"%s*:%s*(%d+)')
  for line in lines:gmatch("[^\r\n]+") do
    if line:match('"event"%s*:%s*"finished"') and line:match('"idea"%s*:%s*(%d+)') == number then
      local reason = line:match('"reason"%s*:%s*{%s*"message"%s*:%s*"(.-)"')
      return line:match('"notes"%s*:%s*(%b[])'), line:match('"pedals"%s*:%s*(%b[])'), tonumber(end_tick), reason
    end
  end
end

local function insert(found, channel, notes, pedals, end_tick)
  local end_qn = found.bar_start + end_tick / found.ppq
  reaper.MIDI_SetItemExtents(found.item, found.start, end_qn)
  local zero = reaper.MIDI_GetPPQPosFromProjQN(found.take, found.bar_start)
  local n = 0
  for note in notes:gmatch("%b{}") do
    local tick, length = tonumber(note:match('"tick"%s*:%s*(%d+)')), tonumber(note:match('"duration"%s*:%s*(%d+)'))
    local pitch, velocity = tonumber(note:match('"pitch"%s*:%s*(%d+)')), tonumber(note:match('"velocity"%s*:%s*(%d+)'))
    reaper.MIDI_InsertNote(found.take, true, false, zero + tick, zero + tick + length, channel, pitch, velocity, true)
    n = n + 1
  end
  for pedal in pedals:gmatch("%b{}") do
    local value = pedal:match('"down"%s*:%s*true') and 127 or 0
    local tick = tonumber(pedal:match('"tick"%s*:%s*(%d+)'))
    reaper.MIDI_InsertCC(found.take, false, false, zero + tick, CONTROL_CHANGE, channel, SUSTAIN, value)
  end
  reaper.MIDI_Sort(found.take)
  return n
end

local function main()
  local found = selected()
  if not found then return stop("Select one MIDI item first; PianoMuse goes on where its notes stop.") end
  local notes, pedals, channel = events_of(found)
  local lines, problem = ask(request_for(found, notes, pedals))
  if not lines then return stop(problem) end
  local new_notes, new_pedals, end_tick, reason = best_of(lines)
  if not new_notes then return stop("No idea came back: run the script again.") end
  reaper.Undo_BeginBlock()
  reaper.PreventUIRefresh(1)
  local n = insert(found, channel, new_notes, new_pedals, end_tick)
  reaper.PreventUIRefresh(-1)
  reaper.UpdateArrange()
  reaper.Undo_EndBlock("PianoMuse: " .. n .. " notes (" .. (reason or "") .. ")", -1)
end

main()
