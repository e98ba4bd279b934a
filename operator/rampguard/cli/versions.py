"""`version`: of this program, of the API it speaks, and of the operators in the cluster."""

from importlib.metadata import version

import click

from rampguard.api.raw import Json, number, part, text
from rampguard.cli.commands import print_facts
from rampguard.cli.exits import Exit, Told
from rampguard.cli.facts import VERSION
from rampguard.cli.kubectl import Kubectl
from rampguard.cli.text import safe

API = "rampguard.dev/v1alpha1"


def show_version(kubectl: Kubectl, *, client: bool, form: str) -> Exit:
    """Show versions; UNREACHED where the cluster's cannot be told."""
    ours, failed = version("rampguard"), None
    operators: list[Json] = []
    if not client:
        try:
            operators = [_operator(one) for one in kubectl.operators()]
        except Told as told:
            failed = told
    if form:
        facts = {"apiVersion": VERSION, "kind": "Version", "client": ours, "api": API}
        print_facts(facts | ({} if client or failed else {"operators": operators}), form)
    else:
        click.echo(f"kubectl ramp  {ours}, speaks {API}")
        _print_operators(operators, asked=not client and failed is None)
    if failed:
        raise failed
    return Exit.DONE


def _operator(deployment: Json) -> Json:
    meta = part(deployment, "metadata")
    return {
        "namespace": safe(meta.get("namespace")),
        "deployment": safe(meta.get("name")),
        "version": safe(text(part(meta, "labels").get("app.kubernetes.io/version"))),
        "ready": number(part(deployment, "status").get("readyReplicas")),
        "replicas": number(part(deployment, "spec").get("replicas"), 1),
    }


def _print_operators(operators: list[Json], *, asked: bool) -> None:
    for one in operators:
        told = one["version"] or "unknown"
        ready = f"{one['ready']} of {one['replicas']} ready"
        click.echo(f"operator      {told}, {one['namespace']}/{one['deployment']}, {ready}")
    if asked and not operators:
        click.echo("operator      none is seen in this cluster")
