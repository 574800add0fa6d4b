from tests.inject.manifests import DEPLOYMENT, NUMERIC, SERVICE, injected, said

COMMAND = "bearer-gateway inject -f api.yaml --config gateway.yaml"


def test_two_steps_are_commands() -> None:
    text = (DEPLOYMENT + NUMERIC).replace("  name: web\n", "  name: web\n  namespace: shop\n")
    told = said(injected(text, command=COMMAND))
    assert (
        "warning  Service/web leads to the API by its number and is NOT GUARDED YET. In this order no request is lost:\n"
        f"           {COMMAND} --part workload | kubectl apply -f -\n"
        "           kubectl rollout status deployment/web -n shop\n"
        f"           {COMMAND} --part service | kubectl apply -f -"
    ) in told
    pod = (
        NUMERIC
        + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: web}}\nspec:\n  containers: [{name: a}]\n"
    )
    assert "kubectl wait --for=condition=Ready pod/p" in said(
        injected(pod.replace("name: a}", "name: a, ports: [{containerPort: 8080}]}"))
    )


def test_one_step_is_enough_for_a_name() -> None:
    told = said(injected(DEPLOYMENT + SERVICE, command=COMMAND))
    assert "NOT GUARDED" not in told
    assert "named ports of a native sidecar are found by Services since Kubernetes 1.32" in told
    assert f"close it by {COMMAND} --part service" in told
    assert "close it" not in said(injected(DEPLOYMENT + SERVICE, loopback=True))
    assert "close it" not in said(injected(DEPLOYMENT + SERVICE, part="all"))
    assert "1.32" not in said(injected(DEPLOYMENT + SERVICE, is_native=False))


def test_a_service_elsewhere_is_thought_of() -> None:
    told = said(injected(DEPLOYMENT))
    assert "note     Deployment/web: no Service of the stream leads to its port 8080: one elsewhere must say " in told
    assert "say `targetPort: 15080` or `targetPort: http`" in told
    assert "must say `targetPort: 8080` or" in said(injected(DEPLOYMENT, take_port=True))


def test_a_port_that_is_closed_for_a_service_elsewhere_is_a_warning() -> None:
    told = said(injected(DEPLOYMENT, part="service"))
    assert "warning  Deployment/web: its port 8080 is closed by a NetworkPolicy now, and no Service" in told
    assert "`targetPort: 8080` is cut off. That Service must say `targetPort: 15080` or `targetPort: http`" in told
    assert "cut off" not in said(injected(DEPLOYMENT + SERVICE, part="service"))
    wide = "---\nkind: NetworkPolicy\nmetadata: {name: old}\nspec: {podSelector: {}, ingress: [{}]}\n"
    assert "cut off" not in said(injected(DEPLOYMENT + wide, part="service"))
    narrow = wide.replace("{}]", "{ports: [{port: 8080}]}]")
    assert "cut off" in said(injected(DEPLOYMENT + narrow, part="service"))


def test_where_the_api_must_listen_is_said() -> None:
    assert "the gateway listens on 15080 for the API on 8080\n" in said(injected(DEPLOYMENT)) + "\n"
    assert "container api must listen on 127.0.0.1:8080 only" in said(injected(DEPLOYMENT, loopback=True))
