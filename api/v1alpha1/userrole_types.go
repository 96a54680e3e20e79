package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UserRoleSpec is the role, and optionally the name, that a person should have
// in the console.
type UserRoleSpec struct {
	// connectionRef names the ConsoleConnection. It cannot be changed once the
	// object has been synced.
	// +kubebuilder:default={}
	// +optional
	ConnectionRef ConnectionReference `json:"connectionRef,omitempty"`

	// email of the person. Immutable; case does not matter.
	// +kubebuilder:validation:XValidation:rule="self.lowerAscii() == oldSelf.lowerAscii()",message="email is immutable; delete the object and create one for the other person"
	Email EmailAddress `json:"email"`

	// role that the person should have: Admin, Member, Read Only, or the exact
	// name of a custom role. Owner is transferred in the console alone.
	Role RoleName `json:"role"`

	// firstName of the person; not managed when not set.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\p{Zl}\p{Zp}\x{34f}\x{115f}\x{1160}\x{2800}\x{3164}\x{ffa0}]|[^\P{C}\x{200c}\x{200d}]|^\p{Z}|\p{Z}$|(^|[ -~])[\x{200c}\x{200d}]|[\x{200c}\x{200d}]([ -~]|$)')`,message="must be one line of visible characters, with no space at either end; remove control, invisible and direction characters"
	// +optional
	FirstName *string `json:"firstName,omitempty"`

	// lastName of the person; not managed when not set.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\p{Zl}\p{Zp}\x{34f}\x{115f}\x{1160}\x{2800}\x{3164}\x{ffa0}]|[^\P{C}\x{200c}\x{200d}]|^\p{Z}|\p{Z}$|(^|[ -~])[\x{200c}\x{200d}]|[\x{200c}\x{200d}]([ -~]|$)')`,message="must be one line of visible characters, with no space at either end; remove control, invisible and direction characters"
	// +optional
	LastName *string `json:"lastName,omitempty"`

	// whenMissing: what to do while the person is not in the project: Wait, or
	// Invite. An invitation is sent once, and again only after seven days.
	// +kubebuilder:default=Wait
	// +optional
	WhenMissing WhenMissing `json:"whenMissing,omitempty"`

	// deletionPolicy: what becomes of the role when this object is deleted:
	// Orphan leaves it, Restore puts back the role found at first sync,
	// Downgrade sets downgradeTo. There is no call that deletes a user.
	// +kubebuilder:default=Orphan
	// +optional
	DeletionPolicy UserRoleDeletionPolicy `json:"deletionPolicy,omitempty"`

	// downgradeTo is the role that deletionPolicy Downgrade sets: neither Admin
	// nor Owner, in whatever spelling.
	// +kubebuilder:default="Read Only"
	// +kubebuilder:validation:XValidation:rule="!(self.lowerAscii().replace(' ', '').replace('-', '').replace('_', '') in ['admin', 'owner'])",message="Admin takes no access away, nor does Owner; name a role with less, or use another deletionPolicy"
	// +optional
	DowngradeTo RoleName `json:"downgradeTo,omitempty"`

	// mode: Enforce makes the console follow the spec, Observe only compares.
	// +kubebuilder:default=Enforce
	// +optional
	Mode Mode `json:"mode,omitempty"`

	// suspend stops all work on this object, except its deletion.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// WhenMissing says what to do while a person is not in the project.
// +kubebuilder:validation:Enum=Wait;Invite
type WhenMissing string

const (
	// WhenMissingWait waits until the person appears.
	WhenMissingWait WhenMissing = "Wait"
	// WhenMissingInvite invites them with the spec's role.
	WhenMissingInvite WhenMissing = "Invite"
)

// UserRoleDeletionPolicy says what becomes of a deleted UserRole's role.
// +kubebuilder:validation:Enum=Orphan;Restore;Downgrade
type UserRoleDeletionPolicy string

const (
	// UserRoleOrphan leaves the role.
	UserRoleOrphan UserRoleDeletionPolicy = "Orphan"
	// UserRoleRestore puts back the role found at first sync.
	UserRoleRestore UserRoleDeletionPolicy = "Restore"
	// UserRoleDowngrade sets downgradeTo.
	UserRoleDowngrade UserRoleDeletionPolicy = "Downgrade"
)

// UserRoleStatus is what is known of the person in the console.
type UserRoleStatus struct {
	SyncStatus `json:",inline"`

	// userID of the person in the console, where it tells.
	// +optional
	UserID string `json:"userID,omitempty"`

	// previousRole is the role found at first sync, before any change of ours.
	// +optional
	PreviousRole string `json:"previousRole,omitempty"`

	// role that the person was last seen with.
	// +optional
	Role string `json:"role,omitempty"`

	// invitedAt is when an invitation was last sent.
	// +optional
	InvitedAt *metav1.Time `json:"invitedAt,omitempty"`

	// diff tells where the console differs from the spec while that is not, or
	// must not be, corrected.
	// +listType=atomic
	// +optional
	Diff []FieldDiff `json:"diff,omitempty"`

	// lastHandledReconcileAt is the last value of the annotation
	// console-access.dev/reconcile-requested-at that was acted on.
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
}

// UserRole is the role that a person has in a console project.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=console-access
// +kubebuilder:printcolumn:name="Email",type=string,JSONPath=`.spec.email`
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=`.spec.role`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Synced",type=date,JSONPath=`.status.lastSyncTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Connection",type=string,JSONPath=`.spec.connectionRef.name`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !(has(oldSelf.status.lastSyncTime) || has(oldSelf.status.previousRole) || has(oldSelf.status.invitedAt)) || self.spec.connectionRef.name == oldSelf.spec.connectionRef.name",message="spec.connectionRef is immutable once something was done for the object in the console; delete the object and create it anew",fieldPath=".spec.connectionRef"
type UserRole struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec UserRoleSpec `json:"spec"`
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status UserRoleStatus `json:"status,omitempty"`
}

// UserRoleList is a list of UserRoles.
// +kubebuilder:object:root=true
type UserRoleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []UserRole `json:"items"`
}
