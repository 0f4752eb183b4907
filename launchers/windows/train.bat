@echo off
rem Drop a folder that prepare.bat made (datasets\NAME) on this: trains runs\NAME, or goes on with it.
if "%~1"=="" (
  echo Drop a prepared dataset, a folder in datasets, on this icon.
  goto end
)
call "%~dp0_setup.bat" train || goto end
if exist "runs\%~n1\config.toml" (
  "%PIANOMUSE%" -m pianomuse train "%~f1" --out "runs\%~n1" --resume
) else (
  "%PIANOMUSE%" -m pianomuse train "%~f1" --out "runs\%~n1" --preset small-piano
)
:end
pause
