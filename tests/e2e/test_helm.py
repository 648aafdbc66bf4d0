"""The Helm chart: lint, schemas of Kubernetes, and what the pods may and may not do."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "helm" / "cofferdam"
EXAMPLES = sorted((REPOSITORY / "helm" / "examples").glob("*.yaml"))
SCHEMA = json.loads((Path(__file__).parent / "fixtures" / "kubernetes-1.33.schema.json").read_text())
# The Prometheus operator's types, as far as the chart uses them (its API reference, monitoring.coreos.com/v1).
RELABELING = {"type": "object", "additionalProperties": False, "required": ["targetLabel", "replacement"],
              "properties": {"targetLabel": {"type": "string"}, "replacement": {"type": "string"}}}
ENDPOINT = {"type": "object", "additionalProperties": False, "required": ["port", "interval"],
            "properties": {"port": {"type": "string"}, "interval": {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"},
                           "relabelings": {"type": "array", "items": RELABELING}}}
MONITORS = {"PodMonitor": "podMetricsEndpoints", "ServiceMonitor": "endpoints"}


def helm(*argv: str) -> subprocess.CompletedProcess:
    binary = os.environ.get("HELM") or next(
        (str(p) for p in [REPOSITORY / "build" / "tools" / "helm"] if p.exists()), shutil.which("helm"))
    if not binary:
        pytest.fail("no helm: scripts/install-helm.sh build/tools, or set HELM")
    return subprocess.run([binary, *argv], capture_output=True, text=True, check=False)


def template(values: Path, *argv: str) -> list[dict]:
    done = helm("template", "ci", str(CHART), "-f", str(values), "--namespace", "runners", "--kube-version", "1.33.0", *argv)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(documents: list[dict], kind: str) -> dict:
    found = [d for d in documents if d["kind"] == kind]
    assert len(found) == 1, [d["kind"] for d in documents]
    return found[0]


def example(name: str) -> Path:
    return REPOSITORY / "helm" / "examples" / f"{name}.yaml"


def schema_of(document: dict) -> dict:
    if document["kind"] in MONITORS:
        assert document["apiVersion"] == "monitoring.coreos.com/v1"
        key = MONITORS[document["kind"]]
        metadata = {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
        selector = {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"}
        spec = {"type": "object", "additionalProperties": False, "required": ["selector", key],
                "properties": {"selector": selector, key: {"type": "array", "minItems": 1, "items": ENDPOINT}}}
        return {"type": "object", "properties": {"metadata": metadata, "spec": spec}, "$defs": SCHEMA["$defs"]}
    return {"$ref": f"#/$defs/{SCHEMA['kinds'][document['kind']]}", "$defs": SCHEMA["$defs"]}


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda p: p.stem)
def test_examples_are_linted_and_fit_the_schemas_of_kubernetes(values):
    linted = helm("lint", "--strict", str(CHART), "-f", str(values))
    assert linted.returncode == 0, linted.stdout
    documents = template(values)
    assert {"ConfigMap", "ServiceAccount"} < {d["kind"] for d in documents}
    for document in documents:
        jsonschema.validate(document, schema_of(document))
        assert document["metadata"]["name"].startswith("ci-cofferdam"), document["metadata"]


def test_the_schemas_notice_mistakes():
    deployment = of_kind(template(example("minimal")), "Deployment")
    deployment["spec"]["template"]["spec"]["initContainers"][0]["restartPolici"] = "Always"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(deployment, schema_of(deployment))


@pytest.mark.parametrize("wrong", [
    ["mode=sidecars"], ["runner.image="], ["policy.allw={x}"], ["serve.listenPort=70000"], ["serve.interfaces={cni0}"],
    ["mode=node"], ["runner.securityContext.privileged=true"], ["runner.securityContext.allowPrivilegeEscalation=true"],
    ["runner.securityContext.capabilities.add={NET_ADMIN}"], ["podMonitor.interval=often"], ["unknown=1"],
], ids=lambda w: w[0])
def test_wrong_values_are_refused(wrong):
    done = helm("template", "ci", str(CHART), "-f", str(example("minimal")), "--kube-version", "1.33.0", "--set", *wrong)
    assert done.returncode != 0 and "values don't meet the specifications" in done.stderr, done


def test_old_clusters_are_refused():
    done = helm("template", "ci", str(CHART), "-f", str(example("minimal")), "--kube-version", "1.28.0")
    assert done.returncode != 0 and "kubeVersion" in done.stderr, done


@pytest.mark.parametrize("name", ["minimal", "github-runner", "gitlab-runner"])
def test_only_the_sidecar_may_touch_the_network(name):
    """The gateway is a native sidecar with NET_ADMIN and nothing else; the runner starts after it, without capabilities."""
    pod = of_kind(template(example(name)), "Deployment")["spec"]["template"]["spec"]
    (gateway,), (runner,) = pod["initContainers"], pod["containers"]
    assert gateway["restartPolicy"] == "Always" and gateway["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert gateway["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]}
    context = runner["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["privileged"] is False and context["allowPrivilegeEscalation"] is False
    assert not pod.get("hostNetwork") and not pod.get("shareProcessNamespace") and not pod["automountServiceAccountToken"]
    mounts = {m["name"]: m for m in runner["volumeMounts"]}
    assert mounts["ca"]["readOnly"] and "run" not in mounts and "policy" not in mounts, "the runner sees the CA and no more"


def test_the_node_gateway_sees_the_bridges_of_its_node():
    pod = of_kind(template(example("node")), "DaemonSet")["spec"]["template"]["spec"]
    assert pod["hostNetwork"] and [c["name"] for c in pod["containers"]] == ["gateway"]
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]}


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda p: p.stem)
def test_the_config_map_is_what_serve_reads(values):
    documents = template(values)
    config = yaml.safe_load(of_kind(documents, "ConfigMap")["data"]["serve.yaml"])
    given = yaml.safe_load(values.read_text())
    node = given.get("mode") == "node"
    assert config["version"] == 1 and config["intercept"] == ("router" if node else "local")
    assert config["serve"].get("interfaces") == (["cni0"] if node else None)
    assert config["serve"].get("mark") == (None if node else 0xC0FFE)
    assert {key: config[key] for key in given["policy"]} == given["policy"]
    assert config["audit"]["sinks"] == [{"stdout": {}}]
    ports = {p["containerPort"] for d in documents if d["kind"] in ("Deployment", "DaemonSet")
             for c in [*d["spec"]["template"]["spec"].get("initContainers", []), *d["spec"]["template"]["spec"]["containers"]]
             for p in c.get("ports", [])}
    assert config["serve"]["metrics"] == f"0.0.0.0:{ports.pop()}"


def test_a_changed_policy_rolls_the_pods_out():
    def checksum(*argv: str) -> str:
        deployment = of_kind(template(example("minimal"), *argv), "Deployment")
        return deployment["spec"]["template"]["metadata"]["annotations"]["checksum/policy"]

    assert checksum() == checksum("--set", "replicas=2")
    assert checksum() != checksum("--set", "policy.allow={https://other.example/}")


def test_the_second_wall():
    """What leaves the pod even without the gateway: the cluster's DNS, and web ports of public addresses."""
    spec = of_kind(template(example("minimal")), "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    dns, web = spec["egress"]
    assert {p["port"] for p in dns["ports"]} == {53}
    assert dns["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]
    assert {p["port"] for p in web["ports"]} == {80, 443}
    assert "169.254.0.0/16" in web["to"][0]["ipBlock"]["except"]
    pod = of_kind(template(example("minimal")), "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert spec["podSelector"]["matchLabels"].items() <= pod.items()
    extra = of_kind(template(example("gitlab-runner")), "NetworkPolicy")["spec"]["egress"]
    assert extra[-1]["ports"] == [{"port": 5432, "protocol": "TCP"}]


@pytest.mark.parametrize("name, kind", [("github-runner", "PodMonitor"), ("gitlab-runner", "ServiceMonitor")])
def test_monitors_select_the_pods_and_name_the_scrape_job(name, kind):
    documents = template(example(name))
    spec = of_kind(documents, kind)["spec"]
    (endpoint,) = spec[MONITORS[kind]]
    assert endpoint["port"] == "metrics" and {"targetLabel": "job", "replacement": "cofferdam"} in endpoint["relabelings"]
    wanted = spec["selector"]["matchLabels"].items()
    selected = of_kind(documents, "Service") if kind == "ServiceMonitor" else of_kind(documents, "Deployment")["spec"]["template"]
    assert wanted <= selected["metadata"]["labels"].items()
