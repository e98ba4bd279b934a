"""`kubectl ramp`: arguments and exit codes. What a verb needs is imported when it runs."""

import signal
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import click

from rampguard.cli.exits import Exit, Told
from rampguard.cli.options import (
    asking,
    instant,
    named,
    open_gates,
    reaching,
    recorded,
    showing,
    span,
)

if TYPE_CHECKING:
    from rampguard.cli.kubectl import Kubectl
    from rampguard.cli.requests import Manner
    from rampguard.cli.screen import Screen

PROGRAM = "kubectl ramp"
MEANT = {
    "cancel": "abort",
    "continue": "resume",
    "analyse": "analyze",
    "backtest": "simulate",
    "delete": "abort",
    "describe": "explain",
    "dry-run": "simulate",
    "ls": "list",
    "promote": "approve",
    "restart": "retry",
    "rollback": "abort",
    "show": "get",
    "stop": "abort",
    "tree": "get",
    "undo": "abort",
    "validate": "lint",
    "try": "simulate",
    "wait": "status",
    "verify": "replay",
    "watch": "get",
    "why": "explain",
}


class RampGroup(click.Group):
    """Verbs; an unknown one is answered with the near ones."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb that is named first."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(f"there is no verb {name[:40]!r}; {self._near(ctx, name)}")
        return super().resolve_command(ctx, args)

    def _near(self, ctx: click.Context, name: str) -> str:
        from difflib import get_close_matches  # noqa: PLC0415 - only on this way out

        there = self.list_commands(ctx)
        near = get_close_matches(name.lower(), [*there, *MEANT], n=2, cutoff=0.6)
        meant = list(dict.fromkeys(MEANT.get(one, one) for one in near))
        return f"did you mean {' or '.join(meant)}?" if meant else f"there are: {', '.join(there)}"


@click.group(
    cls=RampGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@reaching
@click.pass_context
def ramp(ctx: click.Context, /, **told: str | None) -> None:
    """Watch and steer ramps of in-app experiments.

    \b
    Exit codes: 0 done or Completed; 1 refused, Blocked or ended otherwise;
    2 still running; 3 not found, forbidden or unreachable; 64 usage; 130 interrupted.
    """  # noqa: D301 - click wants the character \b, which keeps lines as they are
    ctx.obj = told


@ramp.command("list")
@reaching
@showing
@click.option("-A", "--all-namespaces", is_flag=True, help="Ramps of all namespaces.")
@click.pass_context
def list_(ctx: click.Context, /, *, all_namespaces: bool, **told: Any) -> Exit:
    """Show all ramps as a table."""
    from rampguard.cli.commands import list_ramps  # noqa: PLC0415 - a verb pays for itself

    return list_ramps(
        _kubectl(ctx, told), _screen(told), everywhere=all_namespaces, form=_form(told)
    )


@ramp.command()
@reaching
@showing
@named
@click.option("-w", "--watch", is_flag=True, help="Redraw it until the ramp ends.")
@click.pass_context
def get(ctx: click.Context, /, *, name: str, watch: bool, **told: Any) -> Exit:
    """Show one ramp as a tree: pods, findings, guardrails."""
    from rampguard.cli.commands import get_ramp, watch_ramp  # noqa: PLC0415 - as above

    if watch and _form(told):
        ctx.fail("-o does not go with -w here; `status -w -o json` prints a line per change")
    if watch:
        return watch_ramp(_kubectl(ctx, told), _screen(told), name)
    return get_ramp(_kubectl(ctx, told), _screen(told), name, form=_form(told))


@ramp.command()
@reaching
@showing
@named
@click.option("-w", "--watch", is_flag=True, help="Wait for its end, or until it is Blocked.")
@click.option(
    "--timeout", callback=span, metavar="TIME", help="With -w: wait no longer, such as 26h."
)
@click.pass_context
def status(
    ctx: click.Context, /, *, name: str, watch: bool, timeout: timedelta | None, **told: Any
) -> Exit:
    """Show one line, and tell by the exit code where the ramp is: for pipelines."""
    from rampguard.cli.commands import status_of_ramp, wait_for_ramp  # noqa: PLC0415 - as above

    if timeout is not None and not watch:
        ctx.fail("--timeout needs -w")
    kubectl, screen, form = _kubectl(ctx, told), _screen(told), _form(told)
    if watch:
        return wait_for_ramp(kubectl, screen, name, limit=timeout, form=form)
    return status_of_ramp(kubectl, screen, name, form=form)


@ramp.command()
@reaching
@showing
@named
@click.pass_context
def explain(ctx: click.Context, /, *, name: str, **told: Any) -> Exit:
    """Say why a ramp is where it is: numbers, queries, what was done, what next."""
    from rampguard.cli.commands import explain_ramp  # noqa: PLC0415 - as above

    return explain_ramp(_kubectl(ctx, told), _screen(told), name, form=_form(told))


@ramp.command()
@reaching
@asking
@named
@click.pass_context
def pause(ctx: click.Context, /, *, name: str, **told: Any) -> Exit:
    """Stop forward moves; guardrails and rollback stay on."""
    from rampguard.cli import requests  # noqa: PLC0415 - as above

    return requests.pause(_kubectl(ctx, told), name, _manner(told))


@ramp.command()
@reaching
@asking
@named
@click.pass_context
def resume(ctx: click.Context, /, *, name: str, **told: Any) -> Exit:
    """Let a paused ramp move on."""
    from rampguard.cli import requests  # noqa: PLC0415 - as above

    return requests.resume(_kubectl(ctx, told), name, _manner(told))


@ramp.command()
@reaching
@asking
@named
@click.argument("gate", required=False, shell_complete=open_gates)
@click.option("--gate", "gate_option", metavar="GATE", help="The same as GATE.")
@click.pass_context
def approve(
    ctx: click.Context, /, *, name: str, gate: str | None, gate_option: str | None, **told: Any
) -> Exit:
    """Open the gate that waits for a person; with GATE only if it is that one."""
    from rampguard.cli import requests  # noqa: PLC0415 - as above

    if gate and gate_option and gate != gate_option:
        ctx.fail("GATE and --gate name two gates")
    wanted = gate or gate_option or ""
    return requests.approve(_kubectl(ctx, told), name, wanted, _manner(told))


@ramp.command()
@reaching
@asking
@named
@click.option("--keep", is_flag=True, help="Leave the share where it is instead of going back.")
@click.option("--reason", metavar="TEXT", help="Why; written into an annotation of the ramp.")
@click.pass_context
def abort(ctx: click.Context, /, *, name: str, keep: bool, reason: str | None, **told: Any) -> Exit:
    """End a ramp and restore the originals; this cannot be taken back."""
    from rampguard.cli import requests  # noqa: PLC0415 - as above

    return requests.abort(_kubectl(ctx, told), name, _manner(told), keep=keep, reason=reason or "")


@ramp.command()
@reaching
@named
@click.pass_context
def retry(ctx: click.Context, /, *, name: str, **told: Any) -> Exit:
    """Print a manifest NAME-r2 that tries an ended ramp again; apply nothing."""
    from rampguard.cli import retry as retrying  # noqa: PLC0415 - as above

    return retrying.retry(_kubectl(ctx, told), name)


@ramp.command()
@click.option(
    "-f",
    "--filename",
    "names",
    multiple=True,
    required=True,
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="A file, a folder, or - for standard input; may be given several times.",
)
def lint(*, names: tuple[str, ...]) -> Exit:
    """Check manifests against schema and rules, without a cluster."""
    from rampguard.cli import lint as linting  # noqa: PLC0415 - pydantic: 150 ms

    return linting.lint(names)


@ramp.command()
@showing
@click.option(
    "-f",
    "--filename",
    "manifest",
    required=True,
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="The manifest of one ramp, or - for standard input.",
)
@click.option(
    "--prometheus",
    "url",
    envvar="RAMPGUARD_PROMETHEUS",
    metavar="URL",
    help="The Prometheus to ask, such as http://127.0.0.1:9090; default: $RAMPGUARD_PROMETHEUS.",
)
@click.option(
    "--header-file",
    metavar="FILE",
    help="What to log in with: lines of `Name: value`, or a bearer token alone.",
)
@click.option("--from", "source", metavar="FILE", help="Read a history that --export wrote.")
@click.option("--export", metavar="FILE", help="Write the history, packed if it ends in .gz.")
@click.option(
    "--days",
    type=click.FloatRange(0.1, 60),
    metavar="N",
    help="How far to look back; default: 7, or what there is.",
)
@click.option("--at", callback=instant, metavar="TIME", help="Where history ends; default: now.")
@click.option("-n", "--namespace", metavar="NAME", help="That of the pods; default: the ramp's.")
@click.option("--namespace-label", default="namespace", metavar="LABEL", show_default=True)
@click.option("--pod-label", default="pod", metavar="LABEL", show_default=True)
@click.option(
    "--picture",
    metavar="FILE",
    help="Draw what the traffic can show over time, as .png or .svg.",
)
@click.pass_context
def simulate(ctx: click.Context, /, **told: Any) -> Exit:
    """Try a ramp on the past days of Prometheus; change nothing.

    \b
    Judges what was counted at the old share as if a ramp had begun, by the
    operator's own rules, and reckons what this traffic could show at the new
    one: would it be rolled back without harm, which harm is found, how soon?

    \b
    kubectl ramp simulate -f ramp.yaml --prometheus http://127.0.0.1:9090
    kubectl ramp simulate -f ramp.yaml --prometheus ... --export past.json.gz
    kubectl ramp simulate -f ramp.yaml --from past.json.gz --picture seen.png

    \b
    Exit codes: 0 simulated; 1 the ramp is wrong, or would not start for want
    of signals; 3 no answer, no such file; 64 usage.
    """  # noqa: D301 - click wants the character \b, which keeps lines as they are
    from rampguard.cli import simulate as simulating  # noqa: PLC0415 - as above

    if bool(told["url"]) == bool(told["source"]):
        where = click.core.ParameterSource.ENVIRONMENT
        if not (told["source"] and ctx.get_parameter_source("url") is where):
            ctx.fail("one of --prometheus and --from is needed")
    if told["source"] and (told["days"] or told["at"] or told["export"]):
        ctx.fail("--days, --at and --export do not go with --from: the file is what it is")
    screen, form = _screen(told), _form(told)
    namespace = told.pop("namespace") or (ctx.obj or {}).get("namespace") or ""
    told = {key: value for key, value in told.items() if key not in {"no_color", "output"}}
    wanted = simulating.Wanted(**told, namespace=namespace)
    return simulating.simulate(wanted, screen, form=form)


@ramp.command()
@showing
@click.argument(
    "sources", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True)
)
@click.option(
    "--expected-variant",
    "arms",
    multiple=True,
    metavar="ARM",
    help="An arm that must report; of two, the first is control, the second treatment.",
)
@click.option("--experiment-name", "experiment", default="", metavar="NAME", help="Only of this.")
@click.option(
    "--rollout",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Share of new users due in treatment; default: what the records say.",
)
@click.option("--since", callback=instant, metavar="TIME", help="Leave out what is earlier.")
@click.option("--until", callback=instant, metavar="TIME", help="Leave out this time and later.")
@click.option(
    "--session-event",
    "session_start",
    default="session_started_from_tree",
    metavar="NAME",
    show_default=True,
    help="The event that is a session start.",
)
@click.pass_context
def analyze(ctx: click.Context, /, **told: Any) -> Exit:
    """Check an analytics export: valid lines, arms that report, and grow alike.

    FILE holds JSON Lines, plain or gzip: a path, a URL (a * stands for its parts), or - for
    standard input. No cluster is asked.

    \b
    kubectl ramp analyze export.jsonl --expected-variant tree --expected-variant list
    kubectl ramp analyze 's3://bucket/events/*.jsonl.gz' --since 2026-11-24T12:00Z -o json

    \b
    Exit codes: 0 valid; 1 a line is not valid, an expected arm is silent, or the
    arms do not grow as --rollout says; 2 unreadable; 64 usage.
    """  # noqa: D301 - as above
    from rampguard.cli import analyze as analyzing  # noqa: PLC0415 - as above

    if len(set(told["arms"])) < len(told["arms"]):
        ctx.fail("--expected-variant names an arm twice")
    if told["rollout"] is not None and len(told["arms"]) != analyzing.PAIR:
        ctx.fail(
            "--rollout needs two arms: --expected-variant CONTROL --expected-variant TREATMENT"
        )
    if told["since"] and told["until"] and told["since"] >= told["until"]:
        ctx.fail("--since is not before --until")
    screen, form = _screen(told), _form(told)
    told = {key: value for key, value in told.items() if key not in {"no_color", "output"}}
    return analyzing.analyze(analyzing.Wanted(**told), screen, form=form)


@ramp.command()
@reaching
@showing
@recorded
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each look as well.")
@click.pass_context
def replay(ctx: click.Context, /, *, record: str, verbose: bool, **told: Any) -> Exit:
    """Work out every judgement and decision of a record once more.

    RECORD is what the operator's flight recorder kept of one ramp: a file, a URL (a * stands for
    its parts), - for standard input, or the NAME of a ramp (ramp/NAME beside a file so named):
    then it is fetched from the operator through `kubectl port-forward`.

    \b
    kubectl ramp replay skill-tree-layout-50 -n app
    kubectl ramp replay app_skill-tree-layout-50_UID.jsonl.gz --verbose
    kubectl ramp replay 's3://bucket/records/app_skill-tree-layout-50_*'

    Nothing is asked but what was measured then, and nothing is written. Each field that comes out
    otherwise is shown as it was recorded and as it is now: of the same version there is none.

    \b
    Exit codes: 0 all as recorded; 1 something differs; 3 no such record; 64 usage.
    """  # noqa: D301 - as above
    from rampguard.cli import replay as replaying  # noqa: PLC0415 - pydantic: 150 ms

    return replaying.replay(
        _kubectl(ctx, told), _screen(told), record, form=_form(told), verbose=verbose
    )


@ramp.command()
@reaching
@recorded
@click.option(
    "-o",
    "--output",
    type=click.Choice(["html", "md", "json"]),
    default="html",
    show_default=True,
    help="One page, Markdown, or facts for programs.",
)
@click.option(
    "--prometheus",
    envvar="RAMPGUARD_PROMETHEUS",
    metavar="URL",
    help="Link the queries to this Prometheus; default: $RAMPGUARD_PROMETHEUS.",
)
@click.option(
    "--link", "links", multiple=True, metavar="NAME=URL", help="A link to show; several times."
)
@click.pass_context
def report(ctx: click.Context, /, *, record: str, links: tuple[str, ...], **told: Any) -> Exit:
    """Write one page about a ramp: verdict, change, findings, pictures, queries, the way back.

    RECORD is the NAME of a ramp, or a flight record alone as `replay` takes it: a file, a URL or -.

    \b
    kubectl ramp report skill-tree-layout-50 -n app > report.html
    kubectl ramp report skill-tree-layout-50 -n app -o md
    kubectl ramp report app_skill-tree-layout-50_UID.jsonl.gz > report.html

    Of a ramp by its name the operator's record is fetched through `kubectl port-forward`; without
    it the page has no pictures and says why. Nothing is asked of a Prometheus.

    \b
    Exit codes: 0 written; 3 no such ramp, no such record; 64 usage.
    """  # noqa: D301 - as above
    from rampguard.cli.report import verb as reporting  # noqa: PLC0415 - pydantic: 150 ms

    wanted = reporting.Wanted(
        source=record, form=told["output"], prometheus=told["prometheus"] or "", links=links
    )
    return reporting.report(_kubectl(ctx, told), wanted)


@ramp.command()
@reaching
@showing
@named
@click.option("--to", metavar="FILE", help="Fetch it into this file; -: to standard output.")
@click.pass_context
def capture(ctx: click.Context, /, *, name: str, to: str | None, **told: Any) -> Exit:
    """Say where the records of users that a rollback affects are, or fetch them.

    \b
    kubectl ramp capture skill-tree-layout-50 -n app
    kubectl ramp capture skill-tree-layout-50 -n app --to sessions.jsonl.gz

    After a rollback the operator keeps, of the export of spec.analytics, the records of users who
    were exposed to treatment: from the first write until five minutes after the rollback. A URL is
    read from here; a folder of the operator through `kubectl exec`, with your own rights. What
    comes is held against its checksum.

    \b
    Exit codes: 0 captured; 1 not captured, and why; 3 no such ramp, not reached; 64 usage.
    """  # noqa: D301 - as above
    from rampguard.cli import capture as capturing  # noqa: PLC0415 - a verb pays for itself

    return capturing.capture(
        _kubectl(ctx, told), _screen(told), name, to=to or "", form=_form(told)
    )


@ramp.command()
@reaching
@showing
@click.option("--client", is_flag=True, help="Ask no cluster.")
@click.pass_context
def version(ctx: click.Context, /, *, client: bool, **told: Any) -> Exit:
    """Show versions of this program and of the operators."""
    from rampguard.cli.versions import show_version  # noqa: PLC0415 - as above

    return show_version(_kubectl(ctx, told), client=client, form=_form(told))


@ramp.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> Exit:
    """Print a script that completes kubectl-ramp; `kubectl ramp` completes by itself."""
    from rampguard.cli.completing import print_script  # noqa: PLC0415 - as above

    return print_script(ramp, shell)


def _kubectl(ctx: click.Context, told: dict[str, Any]) -> "Kubectl":
    from rampguard.cli.kubectl import Kubectl, Reach  # noqa: PLC0415 - as above

    before = ctx.obj or {}
    keys = ("namespace", "context", "kubeconfig", "user")
    return Kubectl(Reach(**{key: told.get(key) or before.get(key) or "" for key in keys}))


def _screen(told: dict[str, Any]) -> "Screen":
    from rampguard.cli.screen import this_screen  # noqa: PLC0415 - as above

    return this_screen(no_color=told["no_color"])


def _manner(told: dict[str, Any]) -> "Manner":
    from rampguard.cli.requests import Manner  # noqa: PLC0415 - as above

    return Manner(yes=told["yes"], verbose=told["verbose"])


def _form(told: dict[str, Any]) -> str:
    return told["output"] or ""


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = ramp.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except click.exceptions.UsageError as error:
        error.show()
        return Exit.USAGE
    except Told as told:
        click.echo(f"error: {told}", err=True)
        return told.code
    except click.ClickException as error:
        error.show()
        return Exit.REFUSED
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return Exit.INTERRUPTED
    return int(code or 0)


def main() -> NoReturn:
    """Run what the command line says; the entry point of kubectl-ramp."""
    _behave()
    sys.exit(run(sys.argv[1:]))


def complete() -> NoReturn:
    """Answer kubectl's completion of `kubectl ramp`; the entry point of kubectl_complete-ramp."""
    from rampguard.cli.completing import words  # noqa: PLC0415 - as above

    _behave()
    click.echo(words(ramp, sys.argv[1:]), nl=False)
    sys.exit(Exit.DONE)


def _behave() -> None:
    """Be quiet in a broken pipe, gone at SIGTERM, and never at a loss for a character."""
    if hasattr(signal, "SIGPIPE"):  # not on Windows
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
