@echo off
rem Drop a MIDI file (or MusicXML) on this: the folder with the ideas, beside it, opens.
if "%~1"=="" (
  echo Drop a MIDI file on this icon.
  goto end
)
call "%~dp0_setup.bat" compose || goto end
"%PIANOMUSE%" -m pianomuse complete "%~f1" && start "" "%~dpn1 ideas"
:end
pause
