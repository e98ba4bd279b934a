"""Every reason and every condition type, a sentence each. The names are the wire contract."""

from enum import StrEnum


class ConditionType(StrEnum):
    """Conditions in the order in which they are shown."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    PRECONDITIONS_MET = "PreconditionsMet"
    GITOPS_SAFE = "GitOpsSafe"
    SIGNALS_READY = "SignalsReady"
    PODS_PROVEN = "PodsProven"
    ASSIGNMENT_VERIFIED = "AssignmentVerified"
    ANALYTICS_VERIFIED = "AnalyticsVerified"
    GUARDRAILS_PASSING = "GuardrailsPassing"
    ROLLBACK_VERIFIED = "RollbackVerified"
    NOTIFIED = "Notified"


class Reason(StrEnum):
    """Reasons of conditions, events and decisions."""

    # phases while moving
    PENDING = "Pending"
    APPLYING = "Applying"
    SOAKING = "Soaking"
    PAUSED = "Paused"
    AWAITING_APPROVAL = "AwaitingApproval"
    ROLLING_BACK = "RollingBack"
    BLOCKED = "Blocked"
    CONTESTED = "Contested"
    AS_EXPECTED = "AsExpected"  # nothing is stalled

    # ends
    COMPLETED = "Completed"  # the soak passed
    COMPLETED_INCONCLUSIVE = "CompletedInconclusive"  # no harm found, and not all could be shown
    ALREADY_AT_GOAL = "AlreadyAtGoal"  # nothing to do, nothing watched
    ABORT_ASKED = "AbortAsked"  # a person asked for the end
    ROLLED_BACK = "RolledBack"

    # why a ramp does not start
    INVALID_SPEC = "InvalidSpec"
    TARGET_NOT_FOUND = "TargetNotFound"
    CONTAINER_NOT_FOUND = "ContainerNotFound"
    FROM_MISMATCH = "FromMismatch"
    VALUE_NOT_DECLARED = "ValueNotDeclared"
    VALUE_FROM_SOURCE = "ValueFromSource"
    DUPLICATE_ENTRY = "DuplicateEntry"
    ANOTHER_RAMP_ACTIVE = "AnotherRampActive"
    DECLARED_IN_GIT = "DeclaredInGit"
    NOT_DECLARED_IN_GIT = "NotDeclaredInGit"
    DECLARATION_IGNORED = "DeclarationIgnored"  # gitops.policy: Ignore
    NO_PODS = "NoPods"
    DEPLOYMENT_PAUSED = "DeploymentPaused"
    ROLLOUT_IN_PROGRESS = "RolloutInProgress"
    TARGET_DELETING = "TargetDeleting"
    MANAGED_FIELDS_MISSING = "ManagedFieldsMissing"
    WRITE_REFUSED = "WriteRefused"  # the API server or an admission webhook said no
    CLUSTER_UNREADABLE = "ClusterUnreadable"
    SIGNALS_MISSING = "SignalsMissing"
    READY = "Ready"  # SignalsReady=True
    UNKNOWN_CHANNEL = "UnknownChannel"  # spec.notify names what the configuration does not have

    # preconditions
    MET = "Met"  # every one holds
    SMOKE_TEST_MISSING = "SmokeTestMissing"
    SMOKE_TEST_INCONCLUSIVE = "SmokeTestInconclusive"
    INCIDENT_OPEN = "IncidentOpen"  # or nobody can say that none is
    ALERTS_FIRING = "AlertsFiring"  # or they cannot be seen
    NOT_ANNOUNCED = "NotAnnounced"  # some channel has not got RampPlanned
    OUTSIDE_WINDOW = "OutsideWindow"
    OVERRIDDEN = "Overridden"  # some do not hold, and a person goes on without them

    # proof
    ALL_PODS_PROVEN = "AllPodsProven"
    PODS_LAG = "PodsLag"
    PODS_LOST = "PodsLost"  # a proven soak has a Ready pod off the value again
    PROOF_TIMEOUT = "ProofTimeout"

    # assignment
    SHARE_AS_WANTED = "ShareAsWanted"
    ASSIGNMENT_MISMATCH = "AssignmentMismatch"  # another share of users is treated
    NOT_STICKY = "NotSticky"  # a user has another arm on another pod
    NOT_MONOTONE = "NotMonotone"  # a user has lost an arm that the ramp does not take away
    WRONG_VALUE = "WrongValue"  # the app says that it runs another value
    CARRIERS_DISAGREE = "CarriersDisagree"  # one answer says two arms
    PROBE_FAILED = "ProbeFailed"  # no answer, or none that can be understood

    # analytics
    ANALYTICS_AS_WANTED = "AnalyticsAsWanted"
    RECORDS_INVALID = "RecordsInvalid"  # too many lines of the export are no record
    ARM_SILENT = "ArmSilent"  # an arm has no new user, and should have
    ARMS_UNLIKE = "ArmsUnlike"  # new users are not split as the value says
    EXPORT_EMPTY = "ExportEmpty"  # it holds no new user of the soak yet
    EXPORT_UNREADABLE = "ExportUnreadable"

    # guardrails
    ALL_WITHIN = "AllWithin"
    BREACHED = "Breached"
    INCONCLUSIVE = "Inconclusive"
    NO_DATA = "NoData"
    BLIND = "Blind"  # blind for longer than maxHold
    GUARDRAIL_BREACHED = "GuardrailBreached"
    GUARDRAIL_NO_DATA = "GuardrailNoData"
    GUARDRAIL_CHANGED = "GuardrailChanged"

    # somebody else
    GITOPS_REVERTED = "GitOpsReverted"
    OVERWRITTEN = "Overwritten"
    TARGET_REPLACED = "TargetReplaced"
    STATUS_LOST = "StatusLost"  # our stamp is there, our memory is not
    TEMPLATE_CHANGED = "TemplateChanged"

    # rollback
    ROLLBACK_STARTED = "RollbackStarted"
    ROLLBACK_OVERDUE = "RollbackOverdue"
    ROLLBACK_VERIFIED = "RollbackVerified"
    SESSIONS_CAPTURED = "SessionsCaptured"
    CAPTURE_FAILED = "CaptureFailed"
    CAPTURE_GIVEN_UP = "CaptureGivenUp"
    DELETED = "Deleted"
    FORCE_DELETED = "ForceDeleted"

    # notices
    DELIVERED = "Delivered"
    DELIVERY_FAILING = "DeliveryFailing"
    NOTIFY_FAILED = "NotifyFailed"

    # events
    PREFLIGHT_PASSED = "PreflightPassed"
    SHARE_CHANGED = "ShareChanged"
    PODS_PROVEN = "PodsProven"
    SOAK_STARTED = "SoakStarted"
    FINDING_RECORDED = "FindingRecorded"
    APPROVAL_ASKED = "ApprovalAsked"
    APPROVED = "Approved"
    APPROVAL_STALE = "ApprovalStale"
    RESUMED = "Resumed"
    PROOF_SLOW = "ProofSlow"
    GITOPS_CONFLICT = "GitOpsConflict"
