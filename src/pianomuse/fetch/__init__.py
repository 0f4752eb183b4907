"""Public corpora and weights: download, check, unpack, and lay out for `pianomuse prepare` and `train --init`."""
