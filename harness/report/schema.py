# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of results.json: `python -m harness.report.schema` writes docs/results.schema.json."""

from __future__ import annotations

import json
from pathlib import Path

from harness import home
from harness.report.files import write_atomically
from harness.report.model import RunResult
from harness.settings import PROJECT_ROOT

SCHEMA_FILE = PROJECT_ROOT / "docs" / "results.schema.json"


def schema() -> str:
    """The schema as the text of the committed file."""
    body = RunResult.model_json_schema(mode="serialization")
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **body, "title": "results.json"}
    return json.dumps(document, indent=2) + "\n"


def main(file: Path = SCHEMA_FILE) -> None:
    """Write the schema."""
    write_atomically(file, schema())
    print(file)


if __name__ == "__main__":
    home.require_checkout("harness.report.schema")
    main()
