r"""Find Visual Studio's C++ tools on Windows and give the environment they need; nothing to do elsewhere.

PyTorch's extension builder looks for `cl` on PATH before it would load the tools by itself, and setuptools' search is
private and moves. So this does what a "x64 Native Tools" prompt does: ask vswhere where Visual Studio (or its Build
Tools) is, run its vcvars64.bat, and read the variables it set. Two environment variables overrule the search:

    PIANOMUSE_VCVARS      path of a vcvars64.bat (or vcvarsall.bat x64's wrapper) to run
    PIANOMUSE_VCVARS_VER  toolset, such as 14.38: nvcc refuses compilers newer than it knows
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pianomuse.errors import ConfigError

_INSTALL = (
    "install 'Build Tools for Visual Studio' with 'Desktop development with C++' (visualstudio.microsoft.com), "
    "or use backend='triton' or 'chunked'"
)
_COMPONENT = "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"
_FLAGS = {"DISTUTILS_USE_SDK": "1", "MSSdk": "1", "VSLANG": "1033"}  # search no more; messages in English
_OURS = ("PATH", "INCLUDE", "LIB", "LIBPATH")  # what vcvars has to set afresh
_SECONDS = 120  # vcvars takes some seconds, longer while a virus scanner reads it for the first time


def environment(platform: str = sys.platform) -> dict[str, str]:
    """Return the variables to set so that `cl`, `link` and nvcc find each other; {} where nothing is needed.

    Raises:
        ConfigError: the tools are not there or do not work; the message says what to install or set.
    """
    if platform != "win32":
        return {}
    if os.environ.get("VSCMD_ARG_TGT_ARCH", "").lower() == "x64" and shutil.which("cl"):
        return dict(_FLAGS)  # a prompt with the tools; a 32-bit one would be a trap
    vcvars = _vcvars()
    variables = _remembered(vcvars)
    if variables is None:
        variables = _run_vcvars(vcvars)
        _remember(vcvars, variables)
    path = os.pathsep.join([variables["PATH"], os.environ.get("PATH", "")])
    _check_tools(path, vcvars)
    return variables | {"PATH": path} | _FLAGS


def _vcvars() -> Path:
    """Return the vcvars64.bat of the newest installation that has one."""
    given = os.environ.get("PIANOMUSE_VCVARS")
    if given:
        if not Path(given).is_file():
            raise ConfigError(f"PIANOMUSE_VCVARS names no file: {given}; set it to the path of a vcvars64.bat")
        return Path(given)
    folder = os.environ.get("PROGRAMFILES(X86)", r"C:\Program Files (x86)")
    vswhere = Path(folder) / "Microsoft Visual Studio" / "Installer" / "vswhere.exe"
    if not vswhere.is_file():
        raise ConfigError(f"Visual Studio is not installed (no {vswhere}); {_INSTALL}")
    command = [str(vswhere), "-products", "*", "-prerelease", "-sort", "-requires", _COMPONENT]
    answer = _output([*command, "-property", "installationPath", "-utf8"], "vswhere.exe").decode("utf-8", "replace")
    installations = [Path(line.strip()) for line in answer.splitlines() if line.strip()]
    for installation in installations:
        vcvars = installation / "VC" / "Auxiliary" / "Build" / "vcvars64.bat"
        if vcvars.is_file():
            return vcvars
    where = f"; looked in {', '.join(map(str, installations))}" if installations else ""
    raise ConfigError(f"Visual Studio has no C++ tools for x64{where}; {_INSTALL}")


def _run_vcvars(vcvars: Path) -> dict[str, str]:
    """Run vcvars64.bat and return the variables it sets or changes; PATH holds only what it adds."""
    root = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"))
    short_path = os.pathsep.join(map(str, [root / "System32", root, root / "System32" / "Wbem"]))
    # a long PATH, or a stray quote in it, breaks vcvars; names go through variables, which no batch file has to quote
    before = {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in _OURS and not name.upper().startswith(("VSCMD_", "__VSCMD"))
    }
    before |= {"PATH": short_path, "PM_VCVARS": str(vcvars), "PM_ARGUMENTS": _toolset_argument()}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        script = Path(folder) / "pm.bat"
        script.write_bytes(b'@call "%PM_VCVARS%" %PM_ARGUMENTS% >nul\r\n@if errorlevel 1 exit /b 1\r\n@set\r\n')
        shell = os.environ.get("COMSPEC", str(root / "System32" / "cmd.exe"))
        output = _output([shell, "/d", "/u", "/c", script.name], str(vcvars), cwd=folder, variables=before)
    after = parse_set(output)
    missing = [name for name in ("PATH", "INCLUDE", "LIB") if name not in after]
    if missing:
        raise ConfigError(f"{vcvars} did not set {', '.join(missing)}; repair Visual Studio, or {_INSTALL}")
    old_folders = {folder.lower() for folder in short_path.split(os.pathsep)}
    added = [folder for folder in after["PATH"].split(os.pathsep) if folder and folder.lower() not in old_folders]
    known = {name.upper(): value for name, value in before.items()}
    changed = {name: value for name, value in after.items() if known.get(name.upper()) != value}
    return changed | {"PATH": os.pathsep.join(added)}


def parse_set(output: bytes) -> dict[str, str]:
    """Return the variables that cmd's `set` printed, in UTF-16 after /u; PATH, INCLUDE and LIB in capitals."""
    is_utf16 = output[:2] == b"\xff\xfe" or b"\0" in output[:200]
    text = output.decode("utf-16-le" if is_utf16 else "utf-8", "replace").lstrip("\ufeff")
    variables = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name and not name.startswith(" "):
            variables[name.upper() if name.upper() in _OURS else name] = value
    return variables


def _toolset_argument() -> str:
    version = os.environ.get("PIANOMUSE_VCVARS_VER", "")
    if version and not version.replace(".", "").isdigit():
        raise ConfigError(f"PIANOMUSE_VCVARS_VER is {version!r}; give a toolset number such as 14.38")
    return f"-vcvars_ver={version}" if version else ""


def _output(command: list[str], what: str, cwd: str | None = None, variables: dict[str, str] | None = None) -> bytes:
    try:
        done = subprocess.run(command, capture_output=True, cwd=cwd, env=variables, timeout=_SECONDS, check=False)
    except OSError as failure:
        raise ConfigError(f"{what} cannot be run ({failure}); repair Visual Studio, or {_INSTALL}") from failure
    except subprocess.TimeoutExpired as failure:
        raise ConfigError(f"{what} did not end within {_SECONDS} s; run it in a console to see why") from failure
    if done.returncode:
        said = (done.stderr or done.stdout).replace(b"\0", b"").decode("utf-8", "replace").strip().splitlines()
        last = said[-1] if said else "no message"
        raise ConfigError(f"{what} failed with code {done.returncode}: {last}; repair Visual Studio, or {_INSTALL}")
    return done.stdout


def _check_tools(path: str, vcvars: Path) -> None:
    compiler, linker = shutil.which("cl", path=path), shutil.which("link", path=path)
    if compiler is None:
        raise ConfigError(f"{vcvars} ran, but cl.exe is not on the PATH it set; repair Visual Studio, or {_INSTALL}")
    if linker is None or Path(linker).parent != Path(compiler).parent:
        found = linker or "none"
        raise ConfigError(f"link.exe must lie beside {compiler}, but {found} comes first (Git has one); mend the PATH")


def _cache_file(vcvars: Path) -> Path:
    folder = os.environ.get("LOCALAPPDATA") or tempfile.gettempdir()
    return Path(folder) / "pianomuse" / "vcvars.json"


def _key(vcvars: Path) -> list[str]:
    return [str(vcvars), str(vcvars.stat().st_mtime_ns), _toolset_argument()]


def _remembered(vcvars: Path) -> dict[str, str] | None:
    """Return what the same vcvars64.bat gave before, if its compiler is still there."""
    try:
        kept = json.loads(_cache_file(vcvars).read_text(encoding="utf-8"))
        variables = {str(name): str(value) for name, value in kept["variables"].items()}
        is_same = kept["key"] == _key(vcvars)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return variables if is_same and shutil.which("cl", path=variables.get("PATH", "")) else None


def _remember(vcvars: Path, variables: dict[str, str]) -> None:
    file = _cache_file(vcvars)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps({"key": _key(vcvars), "variables": variables}), encoding="utf-8")
        aside.replace(file)
    except OSError:
        return  # a cache that cannot be written costs some seconds the next time, nothing else
