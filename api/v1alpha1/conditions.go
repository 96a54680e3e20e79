package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Condition types. Ready is always there; the other two follow the kstatus
// convention and are there only while they are True.
const (
	// ReadyCondition: the console holds what the spec says.
	ReadyCondition = "Ready"
	// ReconcilingCondition: work is under way or waits for its turn; nobody
	// needs to do anything.
	ReconcilingCondition = "Reconciling"
	// StalledCondition: somebody has to change something (the spec, the
	// connection, the console) before this can become Ready.
	StalledCondition = "Stalled"
	// OnTimeCondition of a ConsoleConnection: the quota's share for checks
	// suffices to read the listings, and all teams that have to be read one by
	// one, within the drift interval. When it is False the message tells the
	// interval that does. It is left out when only listings are read, and fit.
	OnTimeCondition = "OnTime"
)

// Condition reasons.
const (
	// ReasonSynced: the console holds what the spec says (Ready is True).
	ReasonSynced = "Synced"
	// ReasonProgressing: the first reads or the next write are under way.
	ReasonProgressing = "Progressing"
	// ReasonRateLimited: a call waits for its turn in the quota. The message
	// tells how many wait ahead and when the turn is expected.
	ReasonRateLimited = "RateLimited"
	// ReasonConnectionNotReady: the ConsoleConnection is missing, cannot be
	// used, or its Secret is missing. Heals when the connection does.
	ReasonConnectionNotReady = "ConnectionNotReady"
	// ReasonNamespaceNotAllowed: the connection does not admit this namespace.
	ReasonNamespaceNotAllowed = "NamespaceNotAllowed"
	// ReasonRoleNotAllowed: the connection does not let UserRoles grant this role,
	// or it is Owner.
	ReasonRoleNotAllowed = "RoleNotAllowed"
	// ReasonProtectedUser: the connection protects this address from change, or
	// the person is the project's Owner.
	ReasonProtectedUser = "ProtectedUser"
	// ReasonLastAdmin: the change would leave the project without an Admin.
	ReasonLastAdmin = "LastAdmin"
	// ReasonInvited: an invitation was sent; the person has not appeared yet.
	ReasonInvited = "Invited"
	// ReasonNameTaken: another object in the cluster owns the name or address in
	// this project: it has it in the console already, or is older. This object
	// takes over when the other is gone.
	ReasonNameTaken = "NameTaken"
	// ReasonAlreadyExists: the console has a team of this name that this object
	// did not create; it is left alone unless adoptionPolicy is Adopt.
	ReasonAlreadyExists = "AlreadyExists"
	// ReasonUserNotFound: a person named in the spec is not in the project.
	ReasonUserNotFound = "UserNotFound"
	// ReasonRejected: the console refused the request; the message is its own.
	ReasonRejected = "Rejected"
	// ReasonUnauthorized: the console does not accept the API key.
	ReasonUnauthorized = "Unauthorized"
	// ReasonForbidden: the API key may not do this.
	ReasonForbidden = "Forbidden"
	// ReasonConsoleUnavailable: the console cannot be reached or fails.
	ReasonConsoleUnavailable = "ConsoleUnavailable"
	// ReasonDriftDetected: the console differs from the spec and is not, or no
	// longer at once, corrected; status.diff tells how.
	ReasonDriftDetected = "DriftDetected"
	// ReasonDeletionHeld: more teams are to be deleted than the connection's
	// deletionBrake permits; a person has to approve.
	ReasonDeletionHeld = "DeletionHeld"
	// ReasonInvalidAnnotation: an annotation of the deleted object has a value that
	// means nothing, so that the deletion waits.
	ReasonInvalidAnnotation = "InvalidAnnotation"
	// ReasonSuspended: the object or its connection is suspended.
	ReasonSuspended = "Suspended"
	// ReasonWithinQuota: the checks fit into the quota (OnTime is True).
	ReasonWithinQuota = "WithinQuota"
	// ReasonQuotaTooSmall: there are more checks than the quota has room for
	// (OnTime is False).
	ReasonQuotaTooSmall = "QuotaTooSmall"
	// ReasonInUse: the ConsoleConnection is being deleted but objects still use it.
	ReasonInUse = "InUse"
)

const (
	// Finalizer holds an object until what it stands for in the console is
	// dealt with as its deletionPolicy says.
	Finalizer = "console-access.dev/finalizer"

	// IdentityAnnotation keeps what an object stands for in the console, for when it
	// is restored without its status. The operator writes it with the finalizer.
	IdentityAnnotation = "console-access.dev/identity"

	// ForceOrphanAnnotation set to "true" lets a deleted object go without any
	// call to the console, for when the console or its key is gone for good. With
	// any other value but "false" the deletion waits.
	ForceOrphanAnnotation = "console-access.dev/force-orphan"

	// ApproveDeletesAnnotation on a ConsoleConnection releases team deletions
	// that the brake holds: how many, or "all".
	ApproveDeletesAnnotation = "console-access.dev/approve-deletes"

	// ApproveProjectAnnotation on a ConsoleConnection says that the project its key
	// leads to is the one that is meant, although it lacks most of what its objects
	// have recorded. The value is the one that the condition of the connection names.
	ApproveProjectAnnotation = "console-access.dev/approve-project"

	// ReconcileRequestedAtAnnotation asks for a check against the console now,
	// of one object or, on a ConsoleConnection, of all that use it. Any new
	// value is a new request.
	ReconcileRequestedAtAnnotation = "console-access.dev/reconcile-requested-at"
)

// A FieldDiff is one field in which the console differs from the spec.
type FieldDiff struct {
	// field is the name of the spec's field.
	Field string `json:"field"`
	// want is the spec's value; of a long list, how many it has and which the console lacks.
	// +optional
	Want string `json:"want,omitempty"`
	// have is the console's value; of a long list, how many it has and which the spec lacks.
	// +optional
	Have string `json:"have,omitempty"`
}

// A ConnectionReference names the ConsoleConnection an object goes through.
type ConnectionReference struct {
	// name of the ConsoleConnection.
	// +kubebuilder:default=default
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="must be the name of a ConsoleConnection: lower-case letters, digits, '-' and '.'"
	// +optional
	Name string `json:"name,omitempty"`
}

// Mode says whether the console is changed at all.
// +kubebuilder:validation:Enum=Enforce;Observe
type Mode string

const (
	// ModeEnforce makes the console follow the spec.
	ModeEnforce Mode = "Enforce"
	// ModeObserve only compares, and reports differences in status.diff.
	ModeObserve Mode = "Observe"
)

// An EmailAddress is a person's address. Case does not matter.
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=254
// +kubebuilder:validation:XValidation:rule=`self.matches('^[\\w.!#$&\'*+=?^{|}~-]+@[\\w.-]+$')`,message="must be an e-mail address such as ada@example.com; write an international domain in its xn-- form"
// +kubebuilder:validation:XValidation:rule="!self.matches('^[.]|[.][.]|[.]@|@[.-]|[.-]$|@.*(-[.]|[.]-|_)|@[^.]*$|@.*[^.]{64}')",message="must be an e-mail address such as ada@example.com; write an international domain in its xn-- form"
type EmailAddress string

// EmailAddresses name each address once. A test in linear time needs a set, and
// the keys of a URL's query are the only one in CEL before Kubernetes 1.34.
// +kubebuilder:validation:XValidation:rule=`self.exists(a, a.size() == 0 || a.matches('[%;\\pC]')) || url('/?' + (self.exists(a, a.matches('[#&=]')) ? self.join('/').replace('#', '(').replace('=', ')').replace('&', ':').replace('/', '&') : self.join('&')).lowerAscii()).getQuery().size() == self.size()`,message="must name each address once, case does not matter",messageExpression=`'must name each address once, case does not matter; duplicate: ' + self[self.indexOf([url('/?' + (self.exists(a, a.matches('[#&=]')) ? self.join('/').replace('#', '(').replace('=', ')').replace('&', ':').replace('/', '&') : self.join('&')).lowerAscii()).getQuery()].map(query, self.filter(a, query[a.lowerAscii().replace('+', ' ')].size() > 1))[0][0])]`
type EmailAddresses []EmailAddress

// A RoleName is the name of one of the project's roles, e.g. "Admin",
// "Member", "Read Only" or a custom role.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\p{Zl}\p{Zp}\x{34f}\x{115f}\x{1160}\x{2800}\x{3164}\x{ffa0}]|[^\P{C}\x{200c}\x{200d}]|^\p{Z}|\p{Z}$|(^|[ -~])[\x{200c}\x{200d}]|[\x{200c}\x{200d}]([ -~]|$)')`,message="must be one line of visible characters, with no space at either end; remove control, invisible and direction characters"
type RoleName string

// SyncStatus is what every kind's status tells.
type SyncStatus struct {
	// observedGeneration is the generation of the spec that this status speaks
	// of; -1 before the operator has looked at the object, so that kstatus does
	// not take an object without conditions for one that is as it should be.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions: Ready always; Reconciling and Stalled only while True.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// lastSyncTime is when the console was last brought to, or newly found to
	// hold, what the spec says. It does not move while nothing changes.
	// +optional
	LastSyncTime *metav1.Time `json:"lastSyncTime,omitempty"`
	// syncedGeneration is the last generation of the spec that the console was
	// known to hold. A difference found later in the same generation is drift.
	// +optional
	SyncedGeneration int64 `json:"syncedGeneration,omitempty"`
}
