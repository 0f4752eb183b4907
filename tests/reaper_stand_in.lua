-- The functions of REAPER that the script calls, over one item: `lua5.4 reaper_stand_in.lua SCRIPT START_QN NOTE...`
-- A NOTE is start,end,pitch in quarter notes of the project. Prints what the script did, one thing a line.
local script, start = arg[1], tonumber(arg[2])
local PPQ, QN_A_BAR, SECONDS_A_QN = 960, 3, 0.5
local notes = {}
for index = 3, #arg do
  local from, to, pitch = arg[index]:match("([%d.]+),([%d.]+),(%d+)")
  notes[#notes + 1] = { (from - start) * PPQ, (to - start) * PPQ, tonumber(pitch) }
end
local n_given, item, take = #notes, {}, {}
local function say(...) print(table.concat({ ... }, " ")) end
reaper = {
  GetSelectedMediaItem = function() return n_given > 0 and item or nil end,
  GetActiveTake = function() return take end,
  TakeIsMIDI = function() return true end,
  GetMediaItemInfo_Value = function(_, name) assert(name == "D_POSITION") return start * SECONDS_A_QN end,
  TimeMap2_timeToQN = function(_, time) return time / SECONDS_A_QN end,
  TimeMap2_QNToTime = function(_, qn) return qn * SECONDS_A_QN end,
  TimeMap_QNToMeasures = function(_, qn)
    local bar = math.floor(qn / QN_A_BAR)
    return bar + 1, bar * QN_A_BAR, (bar + 1) * QN_A_BAR
  end,
  TimeMap_GetTimeSigAtTime = function() return 3, 4, 120.0 end,
  MIDI_GetPPQPosFromProjQN = function(_, qn) return (qn - start) * PPQ end,
  MIDI_CountEvts = function() return true, n_given, 1, 0 end,
  MIDI_GetNote = function(_, i) local n = notes[i + 1] return true, false, false, n[1], n[2], 2, n[3], 70 end,
  MIDI_GetCC = function() return true, false, false, 0.0, 0xB0, 2, 64, 127 end,
  MIDI_SetItemExtents = function(_, from, to) say("extents", from, to) end,
  MIDI_InsertNote = function(_, selected, muted, from, to, channel, pitch, velocity)
    assert(selected and not muted and velocity >= 1 and velocity <= 127)
    say("note", from / PPQ + start, to / PPQ + start, pitch, channel)
  end,
  MIDI_InsertCC = function(_, _, _, at, kind, channel, number, value)
    assert(kind == 0xB0 and number == 64)
    say("pedal", at / PPQ + start, value, channel)
  end,
  MIDI_Sort = function() say("sorted") end,
  ExecProcess = function(command, patience)
    assert(patience > 0)
    local pipe = io.popen(command)
    local output = pipe:read("a")
    local _, _, code = pipe:close()
    return code .. "\n" .. output
  end,
  ShowMessageBox = function(message) say("message", message) end,
  Undo_BeginBlock = function() say("undo begins") end,
  Undo_EndBlock = function(name) say("undo", name) end,
  PreventUIRefresh = function() end,
  UpdateArrange = function() end,
}
dofile(script)
