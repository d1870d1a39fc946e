"""Who may connect to whom, computed from the network policies; both ends of each connection must allow it."""

import copy
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rollout.settings import load_settings
from tests.deploy.manifests import NAME, Object, containers_of, environment_of, named, pod_templates, template_of
from tests.rollout import certificates

PODS = ("gateway", "watcher", "mlflow", "steps", "console")
CLIENTS, PEOPLE, NAMES, POSTGRES = "the user's namespace of clients", "that of people's browsers", "names", "PostgreSQL"
LABELLED = {
    label: {"namespaceSelector": {"matchLabels": {f"streamflow/{label}-clients": "true"}}}
    for label in ("gateway", "console")
}
KUBE_DNS = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
}


NAMESPACES = {str(LABELLED["gateway"]): CLIENTS, str(LABELLED["console"]): PEOPLE, str(KUBE_DNS): NAMES}


class Edge(NamedTuple):
    source: str
    target: str
    protocol: str
    ports: tuple[int, int]


def tcp(source: str, target: str, low: int, high: int | None = None) -> Edge:
    return Edge(source, target, "TCP", (low, high or low))


ALLOWED = {
    tcp(CLIENTS, "gateway", 8000),
    tcp(PEOPLE, "console", 8080),
    tcp("console", "gateway", 8000),
    tcp("console", "watcher", 5001),  # not model servers
    tcp("console", "mlflow", 5000),
    tcp("gateway", "watcher", 5001),
    tcp("gateway", "watcher", 5010, 5029),  # model servers
    tcp("watcher", "mlflow", 5000),
    tcp("steps", "mlflow", 5000),
    *(tcp(pod, POSTGRES, 5432) for pod in PODS),
    *(Edge(pod, NAMES, protocol, (53, 53)) for pod in PODS for protocol in ("UDP", "TCP")),
}


def selects(selector: Object, labels: dict[str, str]) -> bool:
    expressions = selector.get("matchExpressions", [])
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    assert all(expression["operator"] == "In" for expression in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )


def peers(rule_peers: list[Object], labels: dict[str, dict[str, str]]) -> set[str]:
    """Raises KeyError for a rule without peers, which means everybody."""
    reached: set[str] = set()
    for peer in rule_peers:
        if set(peer) == {"podSelector"}:  # of the same namespace
            reached |= {pod for pod in labels if selects(peer["podSelector"], labels[pod])}
        elif set(peer) == {"ipBlock"}:
            assert peer["ipBlock"]["cidr"].endswith("/32")
            reached.add(POSTGRES)
        else:
            reached.add(NAMESPACES[str(dict(sorted(peer.items())))])
    return reached


def edges(objects: list[Object], direction: str) -> set[Edge]:
    """The connections that the policies of one direction, Ingress or Egress, allow."""
    labels = {
        template["metadata"]["labels"][NAME]: template["metadata"]["labels"] for template in pod_templates(objects)
    }
    allowed: set[Edge] = set()
    for policy in (item["spec"] for item in objects if item["kind"] == "NetworkPolicy"):
        own = [pod for pod in labels if selects(policy["podSelector"], labels[pod])]
        for rule in policy.get(direction.lower(), ()):
            assert direction in policy["policyTypes"]
            reached = peers(rule["from" if direction == "Ingress" else "to"], labels)
            ends = [(pod, other) if direction == "Egress" else (other, pod) for pod in own for other in reached]
            for port in rule["ports"]:
                span = (port["port"], port.get("endPort", port["port"]))
                allowed |= {Edge(source, target, port["protocol"], span) for source, target in ends}
    return allowed


def test_nothing_is_allowed_unless_a_policy_says_so(objects: list[Object]) -> None:
    policy = named(objects, "NetworkPolicy", "default-deny")
    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policy["metadata"]["namespace"] == "streamflow"


def test_exactly_the_connections_of_the_table_may_leave_and_arrive(objects: list[Object]) -> None:
    assert edges(objects, "Egress") == {edge for edge in ALLOWED if edge.source in PODS}
    assert edges(objects, "Ingress") == {edge for edge in ALLOWED if edge.target in PODS}


def test_the_gateway_reaches_no_mlflow(objects: list[Object]) -> None:
    reached = {edge.target for edge in edges(objects, "Egress") if edge.source == "gateway"}
    assert reached == {"watcher", POSTGRES, NAMES}
    mounts = {volume["name"] for volume in template_of(objects, "gateway")["spec"]["volumes"]}
    assert "artifacts" not in mounts


@pytest.mark.parametrize("opened", ["everybody", "every port", "another pod"])
def test_a_policy_that_opens_more_is_noticed(objects: list[Object], opened: str) -> None:
    changed = copy.deepcopy(objects)
    [rule] = named(changed, "NetworkPolicy", "mlflow")["spec"]["ingress"]
    if opened == "another pod":
        rule["from"].append({"podSelector": {"matchLabels": {NAME: "gateway"}}})
        assert edges(changed, "Ingress") - ALLOWED == {tcp("gateway", "mlflow", 5000)}
        return
    del rule["from" if opened == "everybody" else "ports"]
    with pytest.raises(KeyError):
        edges(changed, "Ingress")


def test_every_pod_is_in_the_table(objects: list[Object]) -> None:
    assert {template["metadata"]["labels"][NAME] for template in pod_templates(objects)} == set(PODS)


def test_ports_are_those_of_the_programs(
    objects: list[Object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def listens(name: str) -> list[Any]:
        return [port["containerPort"] for port in containers_of(template_of(objects, name))[0]["ports"]]

    for name, value in environment_of(objects, containers_of(template_of(objects, "watcher"))[0]).items():
        monkeypatch.setenv(name, value)
    settings = load_settings({"MODEL_TLS": str(certificates.make(tmp_path / "tls"))})
    assert tcp("gateway", "watcher", settings.model_ports[0], settings.model_ports[-1]) in ALLOWED
    assert {edge.ports[0] for edge in ALLOWED if edge.target in PODS} == {
        *(port for name in ("gateway", "watcher", "mlflow", "console") for port in listens(name)),
        settings.model_ports[0],
    }  # fmt: skip
