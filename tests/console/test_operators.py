"""The key, the secret and tokens let in; where somebody comes from does not, and wrong ones are few."""

import pytest

from gateway.console.operators import MAX_ADDRESSES, MAX_CREDENTIAL, MAX_WRONG, NotAllowed, Operators, TooManyWrong

SECRET = "s" * 32
HERE = "127.0.0.1"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Verifier:
    asked = 0

    async def __call__(self, token: str) -> str | None:
        self.asked += 1
        return "alice" if token == "good.token.x" else None


async def identified(operators: Operators, value: str, address: str = HERE) -> str:
    return await operators.identify([value], address)


async def test_each_of_the_three_lets_in_and_the_log_can_say_which() -> None:
    operators = Operators(secret=lambda: SECRET, verify=Verifier())
    assert len(operators.key) >= 43
    assert operators.key != Operators().key
    assert await identified(operators, f"Bearer {operators.key}") == "whoever has the console's key"
    assert await identified(operators, f"bearer  {SECRET}") == "whoever has the operators' secret"
    assert await identified(operators, "Bearer good.token.x") == "alice"
    assert operators.key not in repr(operators)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        ["Basic abc"],
        ["Bearer wrong"],
        ["Bearer \udcff"],
        ["Bearer " + "x" * (MAX_CREDENTIAL + 1)],
        ["Bearer KEY", "Bearer KEY"],
    ],
)
async def test_nothing_else_does(values: list[str]) -> None:
    operators = Operators()
    with pytest.raises(NotAllowed):
        await operators.identify([value.replace("KEY", operators.key) for value in values], HERE)


async def test_a_secret_is_that_of_now() -> None:
    secrets = ["old" * 11, "new" * 11]
    operators = Operators(secret=lambda: secrets[-1])
    with pytest.raises(NotAllowed):
        await identified(operators, f"Bearer {secrets[0]}")
    assert await identified(operators, f"Bearer {secrets[1]}")


async def test_after_ten_wrong_ones_no_token_is_looked_into_for_a_minute_and_the_key_is_still_good() -> None:
    clock, verifier = Clock(), Verifier()
    operators = Operators(verify=verifier, clock=clock)
    for _ in range(MAX_WRONG):
        with pytest.raises(NotAllowed):
            await identified(operators, "Bearer a.b.c")
    for value in ("Bearer a.b.c", "Bearer good.token.x"):
        with pytest.raises(TooManyWrong) as caught:
            await identified(operators, value)
        assert 0 < caught.value.wait <= 60
    assert verifier.asked == MAX_WRONG
    assert await identified(operators, f"Bearer {operators.key}")
    assert await identified(operators, "Bearer good.token.x", "10.0.0.1") == "alice"
    clock.now += 60.0
    assert await identified(operators, "Bearer good.token.x") == "alice"


async def test_good_ones_do_not_add_up() -> None:
    operators = Operators(verify=Verifier())
    for _ in range(3 * MAX_WRONG):
        await identified(operators, "Bearer good.token.x")


async def test_addresses_of_one_network_count_as_one_and_few_are_remembered() -> None:
    operators = Operators(clock=Clock())
    for number in range(MAX_WRONG):
        with pytest.raises(NotAllowed):
            await identified(operators, "Bearer x", f"2001:db8::{number}")
    with pytest.raises(TooManyWrong):
        await identified(operators, "Bearer x", "2001:db8::ffff%eth0")
    for number in range(2 * MAX_ADDRESSES):
        with pytest.raises(NotAllowed):
            await identified(operators, "Bearer x", f"10.0.{number // 256}.{number % 256}")
    assert repr(operators) == f"<Operators, wrong ones from {MAX_ADDRESSES} addresses>"


async def test_who_has_no_address_is_one_as_well() -> None:
    operators = Operators()
    for _ in range(MAX_WRONG):
        with pytest.raises(NotAllowed):
            await identified(operators, "Bearer x", "")
    with pytest.raises(TooManyWrong):
        await identified(operators, "Bearer x", "")
