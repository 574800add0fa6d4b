"""`schema` prints what editors take."""

import json

import jsonschema
import pytest

from tests.commands.program import Run


def test_the_schema_is_a_json_schema_that_takes_the_sound_file_and_no_other(here: Run) -> None:
    done = here("schema")
    schema = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    sound = {
        "upstream": "http://127.0.0.1:3000",
        "issuers": [{"issuer": "https://tenant.eu.auth0.com/", "audience": "https://api.example.com"}],
        "limits": {"header_timeout": "10s", "header_bytes": "32KiB"},
    }
    jsonschema.validate(sound, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**sound, "lissen": ":8080"}, schema)
