from tests.inject.manifests import DEPLOYMENT, NUMERIC, SERVICE, injected, objects, pod_of, said

MONITORS = """\
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  podMetricsEndpoints: [{port: http}, {port: other}]
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: web}
spec:
  selector: {matchLabels: {team: a}}
  endpoints:
  - targetPort: http
  - port: http
"""
SCALER = """\
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
"""


def test_probes_and_hooks_of_the_api_follow_its_port() -> None:
    text = DEPLOYMENT + "        lifecycle: {preStop: {httpGet: {path: /, port: http}}}\n"
    text += "      - name: other\n        image: x\n        livenessProbe: {httpGet: {port: http}}\n"
    api, other = pod_of(objects(injected(text).text)["Deployment/web"])["containers"]
    assert api["ports"] == [{"name": "http-api", "containerPort": 8080}]
    assert api["readinessProbe"]["httpGet"]["port"] == "http-api"
    assert api["lifecycle"]["preStop"]["httpGet"]["port"] == "http-api"
    assert other["livenessProbe"]["httpGet"]["port"] == "http"


def test_monitors_follow_the_api() -> None:
    labelled = SERVICE.replace("  name: web\nspec", "  name: web\n  labels: {team: a}\nspec")
    patched = injected(DEPLOYMENT + labelled + MONITORS)
    found = objects(patched.text)
    assert found["PodMonitor/web"]["spec"]["podMetricsEndpoints"] == [{"port": "http-api"}, {"port": "other"}]
    assert found["ServiceMonitor/web"]["spec"]["endpoints"] == [{"targetPort": "http-api"}, {"port": "http"}]
    told = said(patched)
    assert "PodMonitor/web: asks Deployment/web for metrics at the API's port as before, now http-api" in told
    assert "ServiceMonitor/web: asks for metrics at port http of Service/web" in told
    assert "`targetPort: http-api` in place of `port`" in told


def test_monitors_of_others_stay() -> None:
    text = DEPLOYMENT + SERVICE + MONITORS.replace("app: web", "app: shop")
    found = objects(injected(text).text)
    assert found["PodMonitor/web"]["spec"]["podMetricsEndpoints"][0] == {"port": "http"}
    assert found["ServiceMonitor/web"]["spec"]["endpoints"][0] == {"targetPort": "http"}


def test_what_stands_beside_two_workloads_is_changed_once() -> None:
    second = DEPLOYMENT.replace("  name: web\n", "  name: canary\n")
    patched = injected(f"{DEPLOYMENT}---\n{second}{NUMERIC}{MONITORS}", part="all")
    found = objects(patched.text)
    assert found["Service/web"]["spec"]["ports"][0]["targetPort"] == 15080
    assert found["PodMonitor/web"]["spec"]["podMetricsEndpoints"][0] == {"port": "http-api"}


def test_an_autoscaler_hears_of_the_gateways_share() -> None:
    told = said(injected(DEPLOYMENT + SCALER))
    form = "{type: ContainerResource, containerResource: {name: cpu, container: api, target: {type: Utilization, averageUtilization: 70}}}"
    assert form in told
    old = SCALER[: SCALER.index("  metrics")] + "  targetCPUUtilizationPercentage: 80\n"
    assert "averageUtilization: 80" in said(injected(DEPLOYMENT + old))
    assert "scales" not in said(injected(DEPLOYMENT + SCALER.replace("name: web}\n  metrics", "name: b}\n  metrics")))


def test_ways_around_are_said() -> None:
    text = DEPLOYMENT.replace("containerPort: 8080", "containerPort: 8080\n          hostPort: 80")
    text = text.replace(
        "      labels: {app: web}", '      annotations: {prometheus.io/port: "8080"}\n      labels: {app: web}'
    )
    told = said(injected(text))
    assert "port 8080 is a port of its node as well (hostPort): not guarded there" in told
    assert "its annotation prometheus.io/port has Prometheus ask the API itself, at 8080" in told
