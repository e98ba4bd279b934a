"""Completion: words for kubectl's own, and scripts for shells that call kubectl-ramp itself."""

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from rampguard.api.raw import items, part, text
from rampguard.cli.exits import Exit, Told
from rampguard.cli.kubectl import Kubectl, Reach

PROGRAM = "kubectl-ramp"
VARIABLE = "_KUBECTL_RAMP_COMPLETE"
NO_FILES, FILES = 4, 0  # directives of cobra, which kubectl is made of


def reach_of(context: click.Context) -> Reach:
    """Return which cluster the words typed so far speak of."""
    told = context.params | (context.parent.params if context.parent else {})
    told |= {key: value for key, value in context.params.items() if value}
    return Reach(
        namespace=told.get("namespace") or "",
        context=told.get("context") or "",
        kubeconfig=told.get("kubeconfig") or "",
    )


def ramp_names(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a ramp; nothing where the cluster does not tell."""
    names = Kubectl(reach_of(context)).names()
    return [CompletionItem(name) for name in sorted(names) if name.startswith(begun)]


def ramps_and_files(
    context: click.Context, param: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Complete the name of a ramp or of a file."""
    return [*ramp_names(context, param, begun), CompletionItem(begun, type="file")]


def open_gates(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a gate of the ramp typed before."""
    try:
        ramp = Kubectl(reach_of(context)).get(context.params.get("name") or "")
    except Told:
        return []
    gates = (text(gate.get("name")) for gate in items(part(ramp, "status").get("gates")))
    return [CompletionItem(gate) for gate in gates if gate.startswith(begun)]


def words(group: click.Command, typed: list[str]) -> str:
    """Return what kubectl wants of kubectl_complete-ramp: a word a line, then a directive."""
    *before, begun = typed or [""]
    found = ShellComplete(group, {}, PROGRAM, VARIABLE).get_completions(before, begun)
    files = any(one.type in {"file", "dir"} for one in found)
    told = [f"{one.value}\t{one.help}" if one.help else str(one.value)
            for one in found if one.type == "plain"]  # fmt: skip
    return "".join(f"{row}\n" for row in [*told, f":{FILES if files else NO_FILES}"])


def print_script(group: click.Command, shell: str) -> Exit:
    """Print a script that completes kubectl-ramp; `kubectl ramp` needs none."""
    kind = get_completion_class(shell)
    if kind is None:
        raise Told(f"there is no completion for {shell}", Exit.USAGE)
    click.echo(kind(group, {}, PROGRAM, VARIABLE).source())
    return Exit.DONE
