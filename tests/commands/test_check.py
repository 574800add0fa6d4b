"""`check` as a shell sees it: exit codes, and what is printed where."""

from pathlib import Path

import pytest

from gateway.cli import main
from tests.commands.program import SOUND, WITH_SECRET, Run, run


def test_a_sound_configuration_is_0_and_says_where_values_came_from(config: Path) -> None:
    done = run("check", "--config", str(config), GATEWAY_LISTEN="127.0.0.1:8081")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("The configuration is sound.\n")
    assert "value    listen: from GATEWAY_LISTEN" in done.stdout
    assert f"value    issuers[0].issuer: from file {config} line 4" in done.stdout
    assert (
        "note     issuers[0].audience: must be in the tokens; with auth0: the client sends the parameter" in done.stdout
    )


def test_every_problem_is_printed_at_once_and_the_exit_code_is_1(config: Path, here: Run) -> None:
    config.write_text(SOUND.replace("audience:", "audiense:") + "lissen: ':8080'\nlimits: {header_count: lots}\n")
    done = here("check", "--config", str(config))
    assert done.returncode == 1
    assert "did you mean audience?" in done.stdout
    assert "did you mean listen?" in done.stdout
    assert "problem  limits.header_count: " in done.stdout
    assert done.stdout.endswith("The configuration has 3 problems.\n")


def test_three_variables_are_enough(here: Run) -> None:
    done = here(
        "check",
        GATEWAY_UPSTREAM="http://127.0.0.1:3000",
        GATEWAY_ISSUER="https://login.example.com",
        GATEWAY_AUDIENCE="https://api.example.com",
    )
    assert done.returncode == 0


def test_check_reads_secrets_and_does_not_show_them(config: Path, here: Run) -> None:
    config.write_text(WITH_SECRET)
    done = here("check", "--config", str(config), SHOP_TOKEN="geheim")
    assert done.returncode == 0
    assert done.stdout.endswith("The configuration is sound.\n")
    assert f"value    upstreams.shop.authorization.bearer.env: from file {config} line 11" in done.stdout
    assert "geheim" not in done.stdout + done.stderr


def test_what_is_unsafe_is_named(config: Path, here: Run) -> None:
    config.write_text(SOUND.replace("preset: auth0", "allow_unclassified: true"))
    done = here("check", "--config", str(config))
    assert done.returncode == 0
    assert "warning  issuers[0].allow_unclassified: " in done.stdout


def test_draining_longer_than_the_grace_is_a_problem_and_within_it_no_warning(config: Path, here: Run) -> None:
    config.write_text(SOUND + "limits: {drain: 40s}\n")
    done = here("check", "--config", str(config), "--grace", "30s")
    assert done.returncode == 1
    assert "problem  limits.drain: is 45s with drain_delay, and after 30s it is killed\n" in done.stdout
    assert "limits.drain: is 30s or more" in here("check", "--config", str(config)).stdout
    done = here("check", "--config", str(config), "--grace", "1m")
    assert (done.returncode, "limits.drain:" in done.stdout.replace("value    limits.drain:", "")) == (0, False)


def test_a_grace_that_is_no_duration_is_a_wrong_command_line(config: Path, here: Run) -> None:
    done = here("check", "--config", str(config), "--grace", "soon")
    assert (done.returncode, "must be a duration" in done.stderr) == (2, True)


AROUND = "routes[0] /admin/*: GET /admin.json  is taken by routes[1] /* (public)"


def test_a_request_that_gets_around_a_route_is_printed_and_with_strict_a_problem(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(
        SOUND + "routes: [{path: /admin/*, methods: [GET], scopes: [admin]}, {path: /*, access: public}]\n"
    )
    assert main(["check", "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert f"warning  {AROUND}\n" in out
    assert out.endswith("The configuration is sound.\n")
    assert main(["check", "--strict", "--config", str(config)]) == 1
    out = capsys.readouterr().out
    assert f"problem  {AROUND}\n" in out
    # What somebody wrote down is no surprise.
    assert "warning  routes[1].access: is public: anybody may call it\n" in out
    assert out.splitlines()[-1].endswith(" problems.") or out.splitlines()[-1].endswith(" problem.")


def test_with_strict_what_lets_nobody_in_by_surprise_is_sound(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(
        SOUND + "unmatched: refuse\nroutes: [{path: /health, access: public}, {path: /admin/*, scopes: [admin]}]\n"
    )
    assert main(["check", "--strict", "--config", str(config)]) == 0
    assert capsys.readouterr().out.endswith("The configuration is sound.\n")
    config.write_text(SOUND + "routes: [{path: admin}]\n")
    assert main(["check", "--strict", "--config", str(config)]) == 1
    assert "problem  routes[0].path: must begin with a slash" in capsys.readouterr().out


def test_with_strict_a_warning_of_that_kind_is_a_problem(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(SOUND + "unmatched: refuse\nroutes: [{path: /a}, {path: /a, scopes: [x]}]\n")
    assert main(["check", "--config", str(config)]) == 0
    assert "warning  routes[1]: is never reached" in capsys.readouterr().out
    assert main(["check", "--strict", "--config", str(config)]) == 1
    assert "problem  routes[1]: is never reached" in capsys.readouterr().out
