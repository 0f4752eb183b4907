"""Score a blind listening test: python scripts/score_listening_test.py key.json ratings.json [more ratings ...]."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pianomuse.evaluate.listening import score_answers


def main() -> None:
    """Print the mean rating of each writer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("key", type=Path)
    parser.add_argument("ratings", type=Path, nargs="+")
    arguments = parser.parse_args()
    answers = [json.loads(path.read_text("utf-8")) for path in arguments.ratings]
    found = score_answers(json.loads(arguments.key.read_text("utf-8")), answers)
    print(f"{len(answers)} listeners; mean rating, 1 to 5, with 95 % intervals over works")
    for who, estimate in sorted(found.items(), key=lambda item: -item[1].value):
        print(f"{who:16}{estimate.value:6.2f}   ({estimate.low:.2f} … {estimate.high:.2f}), {estimate.n_works} works")
    print(json.dumps({who: estimate.to_json() for who, estimate in found.items()}))


if __name__ == "__main__":
    main()
