"""Write the tables of docs/howto/resume-and-change-settings.md anew from the settings themselves."""

from __future__ import annotations

import sys
from pathlib import Path

from pianomuse.train.command import SECTIONS
from pianomuse.train.resume import table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "howto" / "resume-and-change-settings.md"
BEGIN, END = "<!-- tables: python scripts/write_settings_table.py -->", "<!-- end of tables -->"


def main() -> int:
    """Replace what stands between the two marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(SECTIONS)}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
