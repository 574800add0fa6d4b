from gateway.inject.wanted import Address, Remark, Wanted


def test_a_remark_is_a_line_as_check_writes_it() -> None:
    assert str(Remark("note", "Deployment/web", "is fine")) == "note     Deployment/web: is fine"
    assert str(Remark("problem", "", "the stream is empty")) == "problem  the stream is empty"


def test_by_default_it_stands_where_no_api_does() -> None:
    wanted = Wanted(image="x")
    assert (str(wanted.listen), str(wanted.admin), wanted.part) == (":15080", ":15090", "workload")
    assert str(Address("[::1]", 1)) == "[::1]:1"
