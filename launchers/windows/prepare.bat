@echo off
rem Drop a folder of MIDI files on this: it becomes datasets\NAME, to train on.
if "%~1"=="" (
  echo Drop a folder of MIDI files on this icon.
  goto end
)
call "%~dp0_setup.bat" train || goto end
"%PIANOMUSE%" -m pianomuse prepare "%~f1" --out "datasets\%~n1"
:end
pause
