import msgspec

from gateway.observe.access_line import AccessLine


def test_what_is_absent_is_left_out_and_the_rest_is_in_its_order() -> None:
    line = AccessLine("2026-01-02T03:04:05.678Z", method="GET", status=401, outcome="refused", bytes_in=0)
    assert msgspec.json.encode(line) == (
        b'{"ts":"2026-01-02T03:04:05.678Z","method":"GET","status":401,"outcome":"refused","bytes_in":0}'
    )
