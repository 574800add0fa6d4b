"""Names tell nothing, are the same for all who share a secret, and stay the same when secrets are replaced."""

import asyncio
import base64

import pytest

from gateway.store.down import StoreDown
from gateway.store.names import _MARK, TAG, Names
from gateway.store.sealing import Seals

OLD, NEW, OTHER = "o" * 32, "n" * 32, "x" * 32


class Kept:
    """A Redis that knows two commands."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    async def command(self, *parts: bytes | float | str) -> object:
        if parts[0] == b"MGET":
            await asyncio.sleep(0)
            return [self.values.get(key) for key in parts[1:] if isinstance(key, bytes)]
        _, key, value, *nx = parts
        assert isinstance(key, bytes)
        assert isinstance(value, bytes)
        if not nx or key not in self.values:
            self.values[key] = value
        await asyncio.sleep(0)
        return b"OK"


async def agreed(kept: Kept, *secrets: str, names: Names | None = None) -> Names:
    names = names or Names()
    await names.agree(kept, Seals(secrets), now=0.0)
    return names


async def test_a_name_tells_nothing_and_no_two_parts_have_one() -> None:
    names = await agreed(Kept(), OLD)
    whole = [
        names.name(use, parts)
        for use, parts in [
            ("replay", (b"alice", b"1")),
            ("replay", (b"alice1",)),
            ("replay", (b"alice", b"", b"1")),
            ("rates", (b"alice", b"1")),
        ]
    ]
    assert len(set(whole)) == 4
    assert all(name.startswith(TAG) and b"alice" not in name for name in whole)
    assert len(base64.urlsafe_b64decode(whole[0].rpartition(b":")[2])) == 18


async def test_all_who_share_a_secret_have_the_same_names() -> None:
    kept = Kept()
    one, two, stranger = await agreed(kept, OLD), await agreed(kept, OLD), await agreed(Kept(), OTHER)
    assert one.name("u", (b"k",)) == two.name("u", (b"k",)) != stranger.name("u", (b"k",))


async def test_who_has_none_of_the_secrets_takes_nothing_for_absent() -> None:
    kept, names = Kept(), Names()
    one = await agreed(kept, OLD)
    before = dict(kept.values)
    for _ in range(2):
        with pytest.raises(StoreDown, match="named under another secret"):
            await agreed(kept, OTHER, names=names)
    assert not names.are_known
    assert kept.values == before
    await agreed(kept, OTHER, OLD, names=names)
    assert names.name("u", ()) == one.name("u", ())


async def test_of_strangers_who_begin_at_one_moment_one_remains() -> None:
    kept = Kept()
    found = await asyncio.gather(agreed(kept, OLD), agreed(kept, OTHER), return_exceptions=True)
    assert [type(one) for one in found] == [Names, StoreDown]
    found = await asyncio.gather(agreed(kept, OLD), agreed(kept, OTHER), return_exceptions=True)
    assert [type(one) for one in found] == [Names, StoreDown]


async def test_replacing_secrets_changes_no_name() -> None:
    kept = Kept()
    name = (await agreed(kept, OLD)).name("u", (b"k",))
    for secrets in ((OLD, NEW), (NEW, OLD), (NEW,)):
        assert (await agreed(kept, *secrets)).name("u", (b"k",)) == name


async def test_who_runs_through_a_sudden_replacement_takes_the_names_along() -> None:
    kept = Kept()
    names = await agreed(kept, OLD)
    name = names.name("u", (b"k",))
    await agreed(kept, NEW, names=names)
    assert (await agreed(kept, NEW)).name("u", (b"k",)) == name


async def test_what_was_lost_is_put_back() -> None:
    kept = Kept()
    names = await agreed(kept, OLD)
    kept.values.clear()
    assert not await names.agree(kept, Seals([OLD]), now=0.0)
    assert (await agreed(kept, OLD)).name("u", ()) == names.name("u", ())


async def test_of_two_keys_the_one_under_the_oldest_secret_counts() -> None:
    kept = Kept()
    old = await agreed(kept, OLD)
    mark = kept.values.pop(_MARK)
    hasty = await agreed(kept, NEW)
    kept.values[_MARK] = mark
    assert old.name("u", ()) != hasty.name("u", ())
    assert (await agreed(kept, NEW, OLD)).name("u", ()) == old.name("u", ())
    assert await hasty.agree(kept, Seals([NEW]), now=0.0), "it took the key of the others"
    assert hasty.name("u", ()) == old.name("u", ())


async def test_rubbish_in_its_place_is_written_over() -> None:
    kept = Kept()
    names = await agreed(kept, OLD)
    kept.values = dict.fromkeys(kept.values, b"rubbish")
    await agreed(kept, OLD, names=names)
    assert (await agreed(kept, OLD)).name("u", ()) == names.name("u", ())
    # Where nobody is left who knew it, what was kept is lost: whoever begins anew takes the mark away.
    kept.values = dict.fromkeys(kept.values, b"rubbish")
    with pytest.raises(StoreDown):
        await agreed(kept, OLD)
    del kept.values[_MARK]
    assert (await agreed(kept, OLD)).name("u", ()) != names.name("u", ())
