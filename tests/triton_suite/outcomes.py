"""The file of outcomes that a test run writes."""

import json
from pathlib import Path


def read(path):
    """The outcomes in a file; none where there is no file."""
    if not path or not Path(path).exists():
        return []
    return [json.loads(line) for line in Path(path).read_text().splitlines()]
