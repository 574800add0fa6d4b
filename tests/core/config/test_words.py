import pytest

from gateway.core.config.words import ConfigProblem, did_you_mean, joined, may_be_shown, named, shown_keys


def test_paths_name_members_of_sections_and_lists() -> None:
    assert joined(joined(joined("", "issuers"), 0), "audience") == "issuers[0].audience"


def test_paths_name_members_of_mappings_by_their_keys_or_where_those_may_be_secrets_by_their_numbers() -> None:
    keys = ["X-A", "X.Y", "X-Key hunter2", "X-Key: hunter2", "/realm/roles"]
    assert named("headers", keys) == {
        "X-A": "headers.X-A",
        "X.Y": "headers['X.Y']",
        "X-Key hunter2": "headers[key 3]",
        "X-Key: hunter2": "headers[key 4]",
        "/realm/roles": "headers['/realm/roles']",
    }
    assert named("", ["realm", "X-Key hunter2"]) == {"realm": "realm", "X-Key hunter2": "[key 2]"}
    assert list(shown_keys(keys).values()) == ["X-A", "X.Y", "key 3", "key 4", "/realm/roles"]


@pytest.mark.parametrize(
    "key",
    [
        "", "X-User-Id", "X.Y", "x_y", "!#$%&'*+-.^_`|~", "sub", "/resource_access/my-api/roles", "/a~1b/~0", "größe", "shop",
        "https://example.com/roles", "http://schemas.example.com/2005/05/identity/claims/name",
        "https://example.com:8443/roles", "urn:zitadel:iam:org:project:roles", "urn:x", "cognito:groups", "custom:unit",
        "a" * 80, "https://" + "a" * 80,
    ],
)  # fmt: skip
def test_names_of_headers_claims_and_upstreams_are_shown(key: str) -> None:
    assert may_be_shown(key)


@pytest.mark.parametrize(
    "key",
    [
        " ", "X-Key hunter2", "X-Key: hunter2", "X-Key:hunter2", "X-Key=hunter2", "X-Key\thunter2", "hunter2\n",
        "hunter\x00", "hunter\ud800", "hunter\u202e2", "hunter\xa02", "a" * 81, "https://" + "a" * 81,
        "https://admin:hunter2@example.com/", "https://example.com/?key=hunter2", "https://example.com: hunter2",
        "https://example.com:hunter2", "https://example.com:8443:hunter2", "urn:a b", "{hunter2}", "<hunter2>", "hunter2,",
        "-----BEGIN PRIVATE KEY-----", "eyJhbGciOiJub25lIn0=",
    ],
)  # fmt: skip
def test_what_names_never_look_like_is_not_shown(key: str) -> None:
    assert not may_be_shown(key)


def test_the_nearest_word_is_suggested_and_none_that_is_far() -> None:
    assert did_you_mean("auth", ["okta", "auth0"]) == " (did you mean auth0?)"
    assert did_you_mean("zzz", ["okta", "auth0"]) == ""
    assert did_you_mean("my shop", ["my shops"]) == ""


def test_a_problem_reads_as_its_path_and_a_sentence() -> None:
    assert str(ConfigProblem("limits.drain", "must not be negative")) == "limits.drain: must not be negative"
    assert str(ConfigProblem("", "the file does not exist")) == "the file does not exist"
