from gateway.store.script import Script


def test_redis_knows_a_script_by_its_sha1() -> None:
    # redis-cli SCRIPT LOAD "return 1"
    assert Script("return 1").sha == "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
    assert "return" not in repr(Script("return 1"))
