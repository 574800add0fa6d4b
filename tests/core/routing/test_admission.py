from gateway.core.config.routes import RouteSection
from gateway.core.http.outgoing import Outgoing
from gateway.core.routing.admission import Admission
from gateway.core.routing.route import compile_route


def test_an_admission_shows_its_route_and_no_header_value() -> None:
    admission = Admission(
        route=compile_route(RouteSection(path="/*", name="all")),
        identity=None,
        target=b"/",
        lines=Outgoing([], [b"Cookie: ", b"c2VjcmV0", b"\r\n"]),
    )
    assert repr(admission) == "Admission(route all, identity None)"
    assert not admission.by_gateway
    assert admission.headers == ((b"Cookie", b"c2VjcmV0"),)
