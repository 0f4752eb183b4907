"""Finding Visual Studio's C++ tools, with a Windows made of shell scripts: vswhere, cmd, vcvars64.bat, cl and link."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pianomuse.errors import ConfigError
from pianomuse.wkv import msvc

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the tools are faked with POSIX scripts")

# runs the batch file's first line the way cmd would, then prints all variables in UTF-16 as `cmd /u` does
CMD = f"""#!{sys.executable}
import os, runpy, sys
assert sys.argv[1:] == ["/d", "/u", "/c", "pm.bat"], sys.argv
assert open("pm.bat").read().splitlines()[0] == '@call "%PM_VCVARS%" %PM_ARGUMENTS% >nul'
open(os.environ["LOG"], "a").write("run " + os.environ["PM_ARGUMENTS"] + "\\n")
runpy.run_path(os.environ["PM_VCVARS"])
sys.stdout.buffer.write("".join(f"{{n}}={{v}}\\r\\n" for n, v in os.environ.items()).encode("utf-16-le"))
"""

VCVARS = """
import os
assert "INCLUDE" not in os.environ and "VSCMD_VER" not in os.environ
os.environ["Path"] = {tools!r} + os.pathsep + os.environ.pop("PATH")
os.environ["INCLUDE"] = "C:\\\\VC\\\\include"
os.environ["LIB"] = "C:\\\\VC\\\\lib;with=sign"
os.environ["VSCMD_ARG_TGT_ARCH"] = "x64"
os.environ["WindowsSDKVersion"] = "10.0 é"
"""


@dataclass
class Windows:
    """A fake installation; `log` has a line for every run of vcvars."""

    root: Path
    tools: Path
    vcvars: Path
    vswhere: Path
    log: Path

    def runs(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Windows:
    tools = tmp_path / "VS" / "VC" / "bin"
    for name in ("cl", "link"):
        script(tools / name, "#!/bin/sh\n")
    vcvars = script(tmp_path / "VS" / "VC" / "Auxiliary" / "Build" / "vcvars64.bat", VCVARS.format(tools=str(tools)))
    programs = tmp_path / "Program Files (x86)"
    vswhere = script(
        programs / "Microsoft Visual Studio" / "Installer" / "vswhere.exe",
        f"#!/bin/sh\necho '{tmp_path / 'broken'}'\necho '{tmp_path / 'VS'}'\n",
    )
    log = tmp_path / "log"
    variables = {
        "PROGRAMFILES(X86)": programs,
        "SYSTEMROOT": tmp_path / "Windows",
        "COMSPEC": script(tmp_path / "cmd.exe", CMD),
        "LOCALAPPDATA": tmp_path / "AppData",
        "LOG": log,
        "INCLUDE": "stale",
        "VSCMD_VER": "stale",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    for name in ("VSCMD_ARG_TGT_ARCH", "PIANOMUSE_VCVARS", "PIANOMUSE_VCVARS_VER"):
        monkeypatch.delenv(name, raising=False)
    return Windows(tmp_path, tools, vcvars, vswhere, log)


def test_off_windows_there_is_nothing_to_do(windows: Windows) -> None:
    for platform in ("linux", "darwin"):
        assert msvc.environment(platform) == {}
    assert windows.runs() == []


def test_the_variables_of_vcvars_are_found_and_the_path_of_before_comes_after(windows: Windows) -> None:
    variables = msvc.environment("win32")
    assert variables["INCLUDE"] == "C:\\VC\\include"
    assert variables["LIB"] == "C:\\VC\\lib;with=sign"
    assert variables["WindowsSDKVersion"] == "10.0 é"
    assert variables["DISTUTILS_USE_SDK"] == variables["MSSdk"] == "1"
    assert variables["VSLANG"] == "1033"
    assert variables["PATH"] == str(windows.tools) + os.pathsep + os.environ["PATH"]
    assert "LOG" not in variables  # what did not change is left alone
    assert os.environ["INCLUDE"] == "stale"  # and nothing is set here


def test_vcvars_runs_once_until_it_or_the_toolset_changes(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    assert msvc.environment("win32") == msvc.environment("win32")
    assert windows.runs() == ["run "]
    monkeypatch.setenv("PIANOMUSE_VCVARS_VER", "14.38")
    msvc.environment("win32")
    assert windows.runs() == ["run ", "run -vcvars_ver=14.38"]
    os.utime(windows.vcvars, ns=(1, 1))
    msvc.environment("win32")
    assert len(windows.runs()) == 3


@pytest.mark.parametrize("damage", ["", "[]", '{"key": 1}', '{"key": [], "variables": 3}'])
def test_a_damaged_cache_is_made_anew(windows: Windows, damage: str) -> None:
    cache = windows.root / "AppData" / "pianomuse" / "vcvars.json"
    cache.parent.mkdir(parents=True)
    cache.write_text(damage)
    first = msvc.environment("win32")
    assert windows.runs() == ["run "]
    assert json.loads(cache.read_text())["variables"]["LIB"] == first["LIB"]


def test_a_prompt_with_the_x64_tools_is_left_as_it_is_and_a_32_bit_one_is_not(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{windows.tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("VSCMD_ARG_TGT_ARCH", "x64")
    assert set(msvc.environment("win32")) == {"DISTUTILS_USE_SDK", "MSSdk", "VSLANG"}
    assert windows.runs() == []
    monkeypatch.setenv("VSCMD_ARG_TGT_ARCH", "x86")
    assert msvc.environment("win32")["VSCMD_ARG_TGT_ARCH"] == "x64"
    assert windows.runs() == ["run "]


def test_another_vcvars_can_be_named(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    windows.vswhere.unlink()
    monkeypatch.setenv("PIANOMUSE_VCVARS", str(windows.vcvars))
    assert "INCLUDE" in msvc.environment("win32")
    monkeypatch.setenv("PIANOMUSE_VCVARS", "nowhere.bat")
    with pytest.raises(ConfigError, match=r"PIANOMUSE_VCVARS names no file: nowhere\.bat"):
        msvc.environment("win32")


def expect(message: str) -> None:
    """One line that says what is wrong."""
    with pytest.raises(ConfigError, match=message) as caught:
        msvc.environment("win32")
    assert "\n" not in str(caught.value)


def test_every_failure_is_one_line_that_says_what_to_do(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIANOMUSE_VCVARS_VER", "14 & del")
    expect("PIANOMUSE_VCVARS_VER is '14 & del'; give a toolset number")
    monkeypatch.delenv("PIANOMUSE_VCVARS_VER")

    script(windows.vcvars, "import sys; sys.stderr.write('no Windows SDK\\n'); sys.exit(1)")
    expect(r"vcvars64\.bat failed with code 1: no Windows SDK; repair Visual Studio, or install 'Build Tools")
    script(windows.vcvars, "import os; os.environ['PATH'] = 'x'")
    expect(r"vcvars64\.bat did not set INCLUDE, LIB")
    script(windows.vcvars, VCVARS.format(tools=str(windows.root)))
    expect(r"cl\.exe is not on the PATH it set")
    script(windows.vcvars, VCVARS.format(tools=str(windows.tools)))

    (windows.tools / "link").unlink()
    git = script(windows.root / "git" / "link", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", f"{git.parent}{os.pathsep}{os.environ['PATH']}")
    expect(r"link\.exe must lie beside .*/git/link comes first")

    windows.vcvars.unlink()
    expect(r"no C\+\+ tools for x64; looked in .*broken, .*VS; install")
    script(windows.vswhere, "#!/bin/sh\n")
    expect(r"no C\+\+ tools for x64; install")
    script(windows.vswhere, "#!/bin/sh\necho broken >&2\nexit 3\n")
    expect(r"vswhere\.exe failed with code 3: broken")
    windows.vswhere.unlink()
    expect("Visual Studio is not installed")


def test_what_set_prints_is_read_in_both_encodings() -> None:
    text = "Path=C:\\a;C:\\b\r\nA=b=c\r\n=C:=C:\\x\r\nnoise\r\n"
    wanted = {"PATH": "C:\\a;C:\\b", "A": "b=c"}
    assert msvc.parse_set(text.encode("utf-16-le")) == wanted
    assert msvc.parse_set(b"\xff\xfe" + text.encode("utf-16-le")) == wanted
    assert msvc.parse_set(text.encode()) == wanted
