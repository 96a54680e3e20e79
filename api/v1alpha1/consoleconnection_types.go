package v1alpha1

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Provider names a console vendor.
// +kubebuilder:validation:Enum=Statsig
type Provider string

// ProviderStatsig is Statsig's Console API.
const ProviderStatsig Provider = "Statsig"

// ConsoleConnectionSpec says which console, with which key, under which limits,
// and for whom.
// +kubebuilder:validation:XValidation:rule="self.endpoint.startsWith('https://') || (has(self.allowInsecure) && self.allowInsecure) || self.endpoint.matches('^http://(localhost|127[.][0-9]+[.][0-9]+[.][0-9]+|\\\\[::1\\\\])(:[0-9]+)?(/.*)?$')",message="endpoint: http is allowed only to a loopback address; use https, or set allowInsecure: true",fieldPath=".endpoint"
type ConsoleConnectionSpec struct {
	// provider of the console.
	// +kubebuilder:default=Statsig
	// +optional
	Provider Provider `json:"provider,omitempty"`

	// endpoint is the base URL of the Console API. Plain http is refused unless
	// it goes to a loopback address or allowInsecure is true.
	// +kubebuilder:default="https://statsigapi.net"
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`self.matches('^https?://')`,message="must begin with https://"
	// +kubebuilder:validation:XValidation:rule=`!self.contains('@')`,message="must hold no user and no password; the API key goes into a Secret"
	// +kubebuilder:validation:XValidation:rule=`!self.contains('?') && !self.contains('#')`,message="must have no query and no fragment"
	// +kubebuilder:validation:XValidation:rule=`isURL(self) && self.matches('^[a-z]+://([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$') && (url(self).getPort() == '' || int(url(self).getPort()) <= 65535)`,message="must be a URL such as https://statsigapi.net: a host in ASCII, an optional port, an optional path without escapes"
	// +kubebuilder:validation:XValidation:rule=`!self.matches('[^:]//|/[.][.]?(/|$)')`,message="must have a path without empty, . and .. parts"
	// +optional
	Endpoint string `json:"endpoint,omitempty"`

	// allowInsecure permits an http endpoint that is not a loopback address.
	// The API key then crosses the network in the clear.
	// +optional
	AllowInsecure bool `json:"allowInsecure,omitempty"`

	// caBundle holds PEM certificates that the endpoint's certificate is
	// verified against, instead of the system's.
	// +kubebuilder:validation:MaxLength=1048576
	// +optional
	CABundle []byte `json:"caBundle,omitempty"`

	// apiKeySecretRef names the Secret, in the operator's own namespace, that
	// holds the Console API key. A changed Secret takes effect at once.
	APIKeySecretRef SecretKeyReference `json:"apiKeySecretRef"`

	// allowedNamespaces says which namespaces' Teams and UserRoles may use this
	// connection.
	// +kubebuilder:default={}
	// +optional
	AllowedNamespaces AllowedNamespaces `json:"allowedNamespaces,omitempty"`

	// allowedRoles are the roles that UserRoles may grant, spelled exactly: Admin,
	// Member, Read Only, or the name of a custom role. Empty: any. Nobody is made
	// Owner, whatever the list says.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:rule=`[self.map(a, [a])].all(names, names.all(a, names.exists_one(b, b == a)))`,message="must name each role once",messageExpression=`'must name each role once; duplicate: ' + self.filter(a, self.indexOf(a) != self.lastIndexOf(a))[0]`
	// +optional
	AllowedRoles []RoleName `json:"allowedRoles,omitempty"`

	// protectedUsers are addresses that are never changed through this operator:
	// neither their role and name, nor whether they are a member or an admin of a
	// team that stays. A deleted team is deleted with them in it.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	// +optional
	ProtectedUsers EmailAddresses `json:"protectedUsers,omitempty"`

	// rateLimit is the quota that calls to the console stay inside.
	// +kubebuilder:default={}
	// +optional
	RateLimit RateLimit `json:"rateLimit,omitempty"`

	// drift says how often, and what for, the console is compared with the specs.
	// +kubebuilder:default={}
	// +optional
	Drift Drift `json:"drift,omitempty"`

	// deletionBrake holds mass deletions until a person approves them.
	// +kubebuilder:default={}
	// +optional
	DeletionBrake DeletionBrake `json:"deletionBrake,omitempty"`

	// suspend stops all calls to the console.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// A SecretKeyReference names a key of a Secret in the operator's namespace.
type SecretKeyReference struct {
	// name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="must be the name of a Secret: lower-case letters, digits, '-' and '.'"
	Name string `json:"name"`
	// key in the Secret's data.
	// +kubebuilder:default=apiKey
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._-]+$')",message="must be a key that a Secret can have: letters, digits, '-', '_' and '.'"
	// +optional
	Key string `json:"key,omitempty"`
}

// Field returns the key in the Secret's data, with the default that the API server
// fills in.
func (r SecretKeyReference) Field() string { return cmp.Or(r.Key, "apiKey") }

// NamespacesFrom says where admitted namespaces come from.
// +kubebuilder:validation:Enum=All;Selector
type NamespacesFrom string

const (
	// NamespacesFromAll admits every namespace.
	NamespacesFromAll NamespacesFrom = "All"
	// NamespacesFromSelector admits the namespaces that the selector matches.
	NamespacesFromSelector NamespacesFrom = "Selector"
)

// AllowedNamespaces says which namespaces may use a connection.
// +kubebuilder:validation:XValidation:rule="!has(self.selector) || !has(self.selector.matchExpressions) || self.selector.matchExpressions.all(e, e.operator in ['In', 'NotIn'] ? has(e.values) && e.values.size() > 0 : e.operator in ['Exists', 'DoesNotExist'] && (!has(e.values) || e.values.size() == 0))",message="each of matchExpressions needs the operator In or NotIn with values, or Exists or DoesNotExist without",fieldPath=".selector"
// +kubebuilder:validation:XValidation:rule="!has(self.from) || self.from != 'Selector' || has(self.selector)",message="selector is required when from is Selector",fieldPath=".selector"
// +kubebuilder:validation:XValidation:rule="!has(self.selector) || has(self.from) && self.from == 'Selector'",message="selector is only used when from is Selector; set from: Selector or remove it",fieldPath=".selector"
type AllowedNamespaces struct {
	// from: All, or Selector.
	// +kubebuilder:default=All
	// +optional
	From NamespacesFrom `json:"from,omitempty"`
	// selector over the labels of namespaces; an empty one matches all.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// Counts says which calls the console's limit counts.
// +kubebuilder:validation:Enum=All;Mutations
type Counts string

const (
	// CountsAll says that every request counts.
	CountsAll Counts = "All"
	// CountsMutations says that only POST, PATCH, PUT and DELETE count.
	CountsMutations Counts = "Mutations"
)

// RateLimit is the quota of a console project.
type RateLimit struct {
	// windows are the console's limits; all of them hold at once, over every
	// sliding window of that length.
	// +kubebuilder:default={{requests: 100, per: "10s"}, {requests: 900, per: "15m"}}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	Windows []RateLimitWindow `json:"windows,omitempty"`

	// share is the percentage of each window that this operator may use; the
	// rest stays for people and other tools.
	// +kubebuilder:default=90
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Share int32 `json:"share,omitempty"`

	// counts: All requests, or only Mutations.
	// +kubebuilder:default=All
	// +optional
	Counts Counts `json:"counts,omitempty"`

	// group: connections with the same group lead to one project and draw from
	// one quota. Without it, connections with the same endpoint and key do.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == '' || self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="must be lower-case letters, digits and '-'"
	// +optional
	Group string `json:"group,omitempty"`
}

// A RateLimitWindow admits so many requests in any period of a length.
type RateLimitWindow struct {
	// requests admitted in any period of this length.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Requests int32 `json:"requests"`
	// per is the length of the period, e.g. 10s.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`self != '' && self.matches(r'^([0-9]{1,5}([.][0-9]{1,9})?h)?([0-9]{1,7}([.][0-9]{1,9})?m)?([0-9]{1,9}([.][0-9]{1,9})?s)?([0-9]{1,12}([.][0-9]{1,9})?ms)?$') && duration(self) >= duration('100ms') && duration(self) <= duration('24h')`,message="must be a duration between 100ms and 24h, such as 10s"
	Per metav1.Duration `json:"per"`
}

// DriftPolicy says what to do about changes made in the console by others.
// +kubebuilder:validation:Enum=Correct;Report;Ignore
type DriftPolicy string

const (
	// DriftCorrect writes the spec's values again.
	DriftCorrect DriftPolicy = "Correct"
	// DriftReport reports the difference and changes nothing.
	DriftReport DriftPolicy = "Report"
	// DriftIgnore does not look.
	DriftIgnore DriftPolicy = "Ignore"
)

// Drift says how the console is compared with the specs over time.
type Drift struct {
	// policy: Correct, Report or Ignore.
	// +kubebuilder:default=Correct
	// +optional
	Policy DriftPolicy `json:"policy,omitempty"`
	// interval between two comparisons.
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`self != '' && self.matches(r'^([0-9]{1,5}([.][0-9]{1,9})?h)?([0-9]{1,7}([.][0-9]{1,9})?m)?([0-9]{1,9}([.][0-9]{1,9})?s)?([0-9]{1,12}([.][0-9]{1,9})?ms)?$') && duration(self) >= duration('1s') && duration(self) <= duration('168h')`,message="must be a duration between 1s and 168h, such as 10m"
	// +optional
	Interval metav1.Duration `json:"interval,omitzero"`
}

// DeletionBrake limits how many teams are deleted in the console unattended.
type DeletionBrake struct {
	// maxDeletes is how many teams may be deleted within per. When more are to
	// be deleted, the rest are held until a person approves with the annotation
	// console-access.dev/approve-deletes on the connection.
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=0
	// +optional
	MaxDeletes *int32 `json:"maxDeletes,omitempty"`
	// per is the period that deletions are counted over.
	// +kubebuilder:default="1m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`self != '' && self.matches(r'^([0-9]{1,5}([.][0-9]{1,9})?h)?([0-9]{1,7}([.][0-9]{1,9})?m)?([0-9]{1,9}([.][0-9]{1,9})?s)?([0-9]{1,12}([.][0-9]{1,9})?ms)?$') && duration(self) >= duration('1s') && duration(self) <= duration('168h')`,message="must be a duration between 1s and 168h, such as 1m"
	// +optional
	Per metav1.Duration `json:"per,omitzero"`
}

// ConsoleConnectionStatus tells whether the console answers, and how its quota stands.
type ConsoleConnectionStatus struct {
	SyncStatus `json:",inline"`

	// quota is how the rate limit stands.
	// +optional
	Quota *QuotaStatus `json:"quota,omitempty"`
	// usersReadAt is when the listing of users was last read.
	// +optional
	UsersReadAt *metav1.Time `json:"usersReadAt,omitempty"`
	// teamsReadAt is when the listing of teams was last read.
	// +optional
	TeamsReadAt *metav1.Time `json:"teamsReadAt,omitempty"`
	// users in the project.
	// +optional
	Users *int32 `json:"users,omitempty"`
	// teams in the project.
	// +optional
	Teams *int32 `json:"teams,omitempty"`
	// admins in the project.
	// +optional
	Admins *int32 `json:"admins,omitempty"`
	// heldDeletes is how many team deletions wait for approval.
	// +optional
	HeldDeletes int32 `json:"heldDeletes,omitempty"`
	// approvedDeletes is how many approved deletions are not done yet.
	// +optional
	ApprovedDeletes int32 `json:"approvedDeletes,omitempty"`
	// brake is what the deletion brake has to know after a restart.
	// +optional
	Brake *BrakeStatus `json:"brake,omitempty"`
	// invitations is when people were invited, by address, whose UserRole is gone:
	// one that is applied again does not repeat it. An entry is dropped after
	// seven days, or when the person has appeared.
	// +optional
	Invitations map[string]metav1.Time `json:"invitations,omitempty"`
	// lastHandledReconcileAt is the last value of the annotation
	// console-access.dev/reconcile-requested-at that was acted on.
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
}

// BrakeStatus is what the deletion brake has to know after a restart. It is
// written before each deletion that is sent to the console.
type BrakeStatus struct {
	// recent is how many teams were deleted lately, by when.
	// +listType=atomic
	// +optional
	Recent []DeletionCount `json:"recent,omitempty"`
	// deleting names the Teams whose deletion was sent, and when, and may not be done.
	// +listType=atomic
	// +optional
	Deleting []DeletionMark `json:"deleting,omitempty"`
	// approvedUpTo is the last of the held deletions, by the time of the object's
	// deletion, that were approved; only set while approved ones are not done.
	// +optional
	ApprovedUpTo *DeletionMark `json:"approvedUpTo,omitempty"`
}

// DeletionCount counts deletions.
type DeletionCount struct {
	// time, rounded up, at which they were sent to the console.
	Time metav1.Time `json:"time"`
	// count of them.
	Count int32 `json:"count"`
}

// DeletionMark is a deletion at a time.
type DeletionMark struct {
	// time of the deletion.
	Time metav1.Time `json:"time"`
	// key of the object: its kind, namespace and name.
	Key string `json:"key"`
}

// QuotaStatus is how a rate limit stands.
type QuotaStatus struct {
	// group is the quota that this connection draws from. It is written before
	// the first call, and says where all that was sent is recorded.
	Group string `json:"group"`
	// summary for people, e.g. "12/90 per 10s, 40/810 per 15m".
	// +optional
	Summary string `json:"summary,omitempty"`
	// windows of the limit.
	// +listType=atomic
	// +optional
	Windows []QuotaWindowStatus `json:"windows,omitempty"`
	// waiting is how many calls wait for their turn.
	// +optional
	Waiting LaneCounts `json:"waiting,omitempty"`
	// closedUntil is set while no call is made: until when the console has asked
	// to wait in an answer 429, or the pause after a run of failures.
	// +optional
	ClosedUntil *metav1.Time `json:"closedUntil,omitempty"`
	// probeAt is when the next call is made that goes beyond a window's guess;
	// only set while calls wait for that.
	// +optional
	ProbeAt *metav1.Time `json:"probeAt,omitempty"`
}

// QuotaWindowStatus is how one window stands.
type QuotaWindowStatus struct {
	// per is the window's length.
	Per metav1.Duration `json:"per"`
	// limit is how many requests this operator may make in it.
	Limit int32 `json:"limit"`
	// used is how many of them are used now.
	Used int32 `json:"used"`
	// freesAt is when the next of them comes back; only set while none is left.
	// +optional
	FreesAt *metav1.Time `json:"freesAt,omitempty"`
	// guess is how many of them the console seems to have room for, after it has
	// refused a call with 429. It stops nothing: more are tried one at a time, and
	// it goes when the console takes them.
	// +optional
	Guess *int32 `json:"guess,omitempty"`
}

// LaneCounts counts waiting calls by lane.
type LaneCounts struct {
	// revoke: calls that take access away.
	Revoke int32 `json:"revoke"`
	// change: changes by people.
	Change int32 `json:"change"`
	// drift: checks against the console.
	Drift int32 `json:"drift"`
}

// ConsoleConnection is a console project: where it is, the key to it, the rate
// limit, and which namespaces may use it.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=cconn,categories=console-access
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.provider`
// +kubebuilder:printcolumn:name="Quota",type=string,JSONPath=`.status.quota.summary`
// +kubebuilder:printcolumn:name="Waiting",type=integer,JSONPath=`.status.quota.waiting.change`
// +kubebuilder:printcolumn:name="Users",type=integer,JSONPath=`.status.users`
// +kubebuilder:printcolumn:name="Teams",type=integer,JSONPath=`.status.teams`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.spec.endpoint`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type ConsoleConnection struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ConsoleConnectionSpec `json:"spec"`
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status ConsoleConnectionStatus `json:"status,omitempty"`
}

// ConsoleConnectionList is a list of ConsoleConnections.
// +kubebuilder:object:root=true
type ConsoleConnectionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ConsoleConnection `json:"items"`
}
