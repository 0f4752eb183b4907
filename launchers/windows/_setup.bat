@echo off
rem Makes the folder .venv beside this project: _setup.bat compose, studio or train. Called by the other launchers.
chcp 65001 >nul
set PYTHONUTF8=1
cd /d "%~dp0..\.."
set "PIANOMUSE=%CD%\.venv\Scripts\python.exe"
where py >nul 2>nul && (set "FINDER=py -3") || (set "FINDER=python")
%FINDER% -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>nul || goto nopython
set "PROFILE=%~1"
if "%PROFILE%"=="train" set "PROFILE=compose"
%FINDER% scripts\setup_env.py %PROFILE% || goto failed
if not "%~1"=="train" exit /b 0
"%PIANOMUSE%" -c "import torch, accelerate, datasets" 2>nul && exit /b 0
if "%PIANOMUSE_TORCH_INDEX%"=="" (
  where nvidia-smi >nul 2>nul && set "PIANOMUSE_TORCH_INDEX=https://download.pytorch.org/whl/cu128"
)
set "INDEX="
if not "%PIANOMUSE_TORCH_INDEX%"=="" set "INDEX=--extra-index-url %PIANOMUSE_TORCH_INDEX%"
echo Installing what training needs: PyTorch is 0.2 to 3 GB.
"%PIANOMUSE%" -m pip --disable-pip-version-check install -c constraints.txt %INDEX% ".[train]" || goto failed
exit /b 0

:nopython
echo PianoMuse needs Python 3.11 or newer: https://www.python.org/downloads/ (tick "Add python.exe to PATH"),
echo then start this again.
exit /b 1

:failed
echo A step failed; what is said above tells why. Mend it and start this again.
exit /b 1
