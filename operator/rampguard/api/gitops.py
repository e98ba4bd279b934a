"""Whether a variable is declared in Git, as far as the Deployment itself tells."""

import json
from collections.abc import Collection

from rampguard.api.entries import container_of, entry_of
from rampguard.api.raw import Json, items, part, saying, text
from rampguard.core.ask import EnvName
from rampguard.core.model import EntryKind, Owner
from rampguard.core.targets import GITOPS_MANAGERS

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
TRACKING_ID = "argocd.argoproj.io/tracking-id"
INSTANCE = "app.kubernetes.io/instance"
ARGO_CD = "argocd-controller"
FLUX_LABELS = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")


def declared_by(deployment: Json, container: str, env: EnvName, owners: Collection[Owner]) -> str:
    """Say what declares the entry in Git; empty: nothing that can be seen from here."""
    owner = next((o for o in owners if o.manager in GITOPS_MANAGERS), None)
    if owner is not None:
        return f"{owner.manager} owns the entry ({owner.operation})"
    by = _kept_by(deployment)
    if by and _last_applied(deployment, container, env):
        return f"last-applied-configuration has the entry, under {by}"
    return ""


def _kept_by(deployment: Json) -> str:
    """Say what marks a Deployment as kept by Argo CD or Flux; empty: nothing.

    A tracking id that names another object came with a copy. The instance label is Helm's too: it
    counts only where Argo CD has written.
    """
    metadata = part(deployment, "metadata")
    labels, tracking = part(metadata, "labels"), part(metadata, "annotations").get(TRACKING_ID)
    place = f":apps/Deployment:{text(metadata.get('namespace'))}/{text(metadata.get('name'))}"
    if text(tracking).endswith(place):
        return f"Argo CD tracking id {saying(tracking)}"
    claims = items(metadata.get("managedFields"))
    if text(labels.get(INSTANCE)) and any(c.get("manager") == ARGO_CD for c in claims):
        return f"Argo CD label {INSTANCE}={saying(labels[INSTANCE])}"
    flux = next((label for label in FLUX_LABELS if text(labels.get(label))), None)
    return f"Flux label {flux}={saying(labels[flux])}" if flux else ""


def _last_applied(deployment: Json, container: str, env: EnvName) -> bool:
    try:
        applied = json.loads(text(part(deployment, "metadata", "annotations").get(LAST_APPLIED)))
    except (ValueError, RecursionError):
        return False
    return entry_of(container_of(applied, container), env).kind is not EntryKind.ABSENT
