from gateway.core.config.secret import Secret


def test_where_a_secret_is_can_be_the_key_of_what_it_is() -> None:
    secrets = {Secret(file="/run/a"): "one", Secret(env="A"): "two"}
    assert secrets[Secret(file="/run/a")] == "one"
    assert secrets[Secret(env="A")] == "two"
    assert Secret(env="/run/a") not in secrets
