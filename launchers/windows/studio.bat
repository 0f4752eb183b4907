@echo off
rem Opens the studio in the browser; a MIDI file dropped on this is watched: save it in your DAW, and the page knows.
call "%~dp0_setup.bat" studio || goto end
if "%~1"=="" (
  "%PIANOMUSE%" -m pianomuse studio
) else (
  "%PIANOMUSE%" -m pianomuse studio --watch "%~f1"
)
:end
pause
