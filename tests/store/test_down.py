from gateway.store.down import StoreDown


def test_it_says_whether_the_store_is_there() -> None:
    assert not StoreDown("it cannot be reached").responded
    assert StoreDown("it is full", responded=True).responded
    assert str(StoreDown("it is full")) == "it is full"
