"""Which pods and ReplicaSets are a Deployment's: its label selector, and who owns what."""

from rampguard.api.raw import Json, items, part, text


def label_selector(deployment: Json) -> str:
    """Return the selector of a Deployment as a list call takes it."""
    selector = part(deployment, "spec", "selector")
    equal = [f"{key}={value}" for key, value in sorted(part(selector, "matchLabels").items())]
    return ",".join([*equal, *(_expression(e) for e in items(selector.get("matchExpressions")))])


def is_controlled(owned: Json, owner: Json) -> bool:
    """Say whether an object is controlled by another, by uid."""
    uid = text(part(owner, "metadata").get("uid"))
    return bool(uid) and any(
        ref.get("controller") is True and ref.get("uid") == uid
        for ref in items(part(owned, "metadata").get("ownerReferences"))
    )


def _expression(expression: Json) -> str:
    key, values = text(expression.get("key")), expression.get("values")
    told = ",".join(map(str, values)) if isinstance(values, list) else ""
    match expression.get("operator"):
        case "In":
            return f"{key} in ({told})"
        case "NotIn":
            return f"{key} notin ({told})"
        case "DoesNotExist":
            return f"!{key}"
        case _:
            return key
