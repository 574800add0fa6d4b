from gateway.core.config.words import ConfigProblem, did_you_mean, joined


def test_paths_name_members_of_sections_lists_and_odd_names() -> None:
    assert joined(joined(joined("", "issuers"), 0), "audience") == "issuers[0].audience"
    assert joined("identity_headers", "X.Y") == "identity_headers['X.Y']"


def test_the_nearest_word_is_suggested_and_none_that_is_far() -> None:
    assert did_you_mean("auth", ["okta", "auth0"]) == " (did you mean auth0?)"
    assert did_you_mean("zzz", ["okta", "auth0"]) == ""


def test_a_problem_reads_as_its_path_and_a_sentence() -> None:
    assert str(ConfigProblem("limits.drain", "must not be negative")) == "limits.drain: must not be negative"
    assert str(ConfigProblem("", "the file does not exist")) == "the file does not exist"
