package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The rules that refuse duplicates compare lists of one name each: the API server
// charges the comparison of strings by their length, and that of lists by their size.

// TeamSpec is a team as it should be in the console, and how it is kept so. A
// field that is not set is not managed: its value in the console is kept. An
// empty list is a value: it empties the list in the console.
type TeamSpec struct {
	// connectionRef names the ConsoleConnection. It cannot be changed once the
	// team has been synced.
	// +kubebuilder:default={}
	// +optional
	ConnectionRef ConnectionReference `json:"connectionRef,omitempty"`

	// name of the team in the console; metadata.name when not set. Changing it
	// renames the same team.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\p{Zl}\p{Zp}\x{34f}\x{115f}\x{1160}\x{2800}\x{3164}\x{ffa0}]|[^\P{C}\x{200c}\x{200d}]|^\p{Z}|\p{Z}$|(^|[ -~])[\x{200c}\x{200d}]|[\x{200c}\x{200d}]([ -~]|$)')`,message="must be one line of visible characters, with no space at either end; remove control, invisible and direction characters"
	// +optional
	Name string `json:"name,omitempty"`

	// description of the team.
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]')`,message="must hold no control characters but line breaks and tabs, and none that turn the direction of text"
	// +optional
	Description *string `json:"description,omitempty"`

	// members are the addresses of the team's members. An address may also
	// stand in admins; an admin counts as a member.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5000
	// +optional
	Members EmailAddresses `json:"members,omitzero"`

	// admins are the addresses of the team's admins.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5000
	// +optional
	Admins EmailAddresses `json:"admins,omitzero"`

	// defaultGateMetrics are added to the team's new gates.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	// +optional
	DefaultGateMetrics []Metric `json:"defaultGateMetrics,omitzero"`

	// defaultExperimentPrimaryMetrics are added to the team's new experiments.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	// +optional
	DefaultExperimentPrimaryMetrics []Metric `json:"defaultExperimentPrimaryMetrics,omitzero"`

	// defaultExperimentSecondaryMetrics are added to the team's new experiments.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	// +optional
	DefaultExperimentSecondaryMetrics []Metric `json:"defaultExperimentSecondaryMetrics,omitzero"`

	// defaultHoldoutMetrics are added to the team's new holdouts.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	// +optional
	DefaultHoldoutMetrics []Metric `json:"defaultHoldoutMetrics,omitzero"`

	// changeTeamConfigs: who may change the team's configs.
	// +kubebuilder:validation:Enum=anyone;team_only
	// +optional
	ChangeTeamConfigs string `json:"changeTeamConfigs,omitempty"`

	// reviewApproval: who may approve the team's reviews.
	// +kubebuilder:validation:Enum=anyone;team_only;admin_only
	// +optional
	ReviewApproval string `json:"reviewApproval,omitempty"`

	// defaultTargetApplications of the team's new configs.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	// +kubebuilder:validation:XValidation:rule=`[self.map(a, [a])].all(names, names.all(a, names.exists_one(b, b == a)))`,message="must name each application once",messageExpression=`'must name each application once; duplicate: ' + self.filter(a, self.indexOf(a) != self.lastIndexOf(a))[0]`
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule=`!self.matches(r'[\p{Zl}\p{Zp}\x{34f}\x{115f}\x{1160}\x{2800}\x{3164}\x{ffa0}]|[^\P{C}\x{200c}\x{200d}]|^\p{Z}|\p{Z}$|(^|[ -~])[\x{200c}\x{200d}]|[\x{200c}\x{200d}]([ -~]|$)')`,message="must be one line of visible characters, with no space at either end; remove control, invisible and direction characters"
	// +optional
	DefaultTargetApplications []string `json:"defaultTargetApplications,omitzero"`

	// defaultHoldoutID is the id of the holdout that new configs join.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\p{Zl}\p{Zp}\x{34f}\x{115f}\x{1160}\x{2800}\x{3164}\x{ffa0}]|[^\P{C}\x{200c}\x{200d}]|^\p{Z}|\p{Z}$|(^|[ -~])[\x{200c}\x{200d}]|[\x{200c}\x{200d}]([ -~]|$)')`,message="must be one line of visible characters, with no space at either end; remove control, invisible and direction characters"
	// +optional
	DefaultHoldoutID *string `json:"defaultHoldoutID,omitempty"`

	// requireReviews: changes to the team's configs need a review.
	// +optional
	RequireReviews *bool `json:"requireReviews,omitempty"`

	// requireGateTemplates: new gates must come from a template.
	// +optional
	RequireGateTemplates *bool `json:"requireGateTemplates,omitempty"`

	// requireExperimentTemplates: new experiments must come from a template.
	// +optional
	RequireExperimentTemplates *bool `json:"requireExperimentTemplates,omitempty"`

	// requireDynamicConfigTemplates: new dynamic configs must come from a template.
	// +optional
	RequireDynamicConfigTemplates *bool `json:"requireDynamicConfigTemplates,omitempty"`

	// adoptionPolicy: whether a team of this name that is already in the
	// console, and was not made by this object, is taken over.
	// +kubebuilder:default=Refuse
	// +optional
	AdoptionPolicy AdoptionPolicy `json:"adoptionPolicy,omitempty"`

	// deletionPolicy: what becomes of the team in the console when this object
	// is deleted: Delete (the default) or Orphan. An adopted team is deleted
	// only when Delete is set explicitly.
	// +kubebuilder:validation:Enum=Delete;Orphan
	// +optional
	DeletionPolicy TeamDeletionPolicy `json:"deletionPolicy,omitempty"`

	// mode: Enforce makes the console follow the spec, Observe only compares.
	// +kubebuilder:default=Enforce
	// +optional
	Mode Mode `json:"mode,omitempty"`

	// suspend stops all work on this object, except its deletion.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// A Metric names one of the project's metrics.
type Metric struct {
	// name of the metric.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\p{Zl}\p{Zp}\x{34f}\x{115f}\x{1160}\x{2800}\x{3164}\x{ffa0}]|[^\P{C}\x{200c}\x{200d}]|^\p{Z}|\p{Z}$|(^|[ -~])[\x{200c}\x{200d}]|[\x{200c}\x{200d}]([ -~]|$)')`,message="must be one line of visible characters, with no space at either end; remove control, invisible and direction characters"
	Name string `json:"name"`
	// type of the metric, e.g. event_count or user.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\p{Zl}\p{Zp}\x{34f}\x{115f}\x{1160}\x{2800}\x{3164}\x{ffa0}]|[^\P{C}\x{200c}\x{200d}]|^\p{Z}|\p{Z}$|(^|[ -~])[\x{200c}\x{200d}]|[\x{200c}\x{200d}]([ -~]|$)')`,message="must be one line of visible characters, with no space at either end; remove control, invisible and direction characters"
	Type string `json:"type"`
}

// AdoptionPolicy says whether an existing team may be taken over.
// +kubebuilder:validation:Enum=Refuse;Adopt
type AdoptionPolicy string

const (
	// AdoptionRefuse leaves a team alone that this object did not create.
	AdoptionRefuse AdoptionPolicy = "Refuse"
	// AdoptionAdopt takes it over.
	AdoptionAdopt AdoptionPolicy = "Adopt"
)

// TeamDeletionPolicy says what becomes of a deleted Team's team.
type TeamDeletionPolicy string

const (
	// TeamDelete deletes the team in the console.
	TeamDelete TeamDeletionPolicy = "Delete"
	// TeamOrphan leaves it there.
	TeamOrphan TeamDeletionPolicy = "Orphan"
)

// TeamStatus is what is known of the team in the console.
type TeamStatus struct {
	SyncStatus `json:",inline"`

	// id of the team in the console.
	// +optional
	ID string `json:"id,omitempty"`

	// adopted: the team was there before this object.
	// +optional
	Adopted bool `json:"adopted,omitempty"`

	// createIntent is recorded before a team is created and removed when its
	// outcome is known, so that a lost answer never leads to a second team.
	// +optional
	CreateIntent *CreateIntent `json:"createIntent,omitempty"`

	// lastVerifiedTime is when the whole team, members included, was last read
	// from the console.
	// +optional
	LastVerifiedTime *metav1.Time `json:"lastVerifiedTime,omitempty"`

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

// A CreateIntent tells that a team is being created.
type CreateIntent struct {
	// name that the team is created with.
	Name string `json:"name"`
	// time the intent was recorded.
	Time metav1.MicroTime `json:"time"`
	// knownIDs are the ids of teams that had this name before; they are not ours.
	// +listType=atomic
	// +optional
	KnownIDs []string `json:"knownIDs,omitempty"`
}

// Team is a team of a console project.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=console-access
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="ID",type=string,JSONPath=`.status.id`
// +kubebuilder:printcolumn:name="Synced",type=date,JSONPath=`.status.lastSyncTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Connection",type=string,JSONPath=`.spec.connectionRef.name`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !(has(oldSelf.status.lastSyncTime) || has(oldSelf.status.id) || has(oldSelf.status.createIntent)) || self.spec.connectionRef.name == oldSelf.spec.connectionRef.name",message="spec.connectionRef is immutable once something was done for the object in the console; delete the object and create it anew",fieldPath=".spec.connectionRef"
type Team struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:default={}
	// +optional
	Spec TeamSpec `json:"spec,omitempty"`
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status TeamStatus `json:"status,omitempty"`
}

// TeamList is a list of Teams.
// +kubebuilder:object:root=true
type TeamList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Team `json:"items"`
}

// ConsoleName is the name the team has, or shall have, in the console.
func (t *Team) ConsoleName() string {
	if t.Spec.Name != "" {
		return t.Spec.Name
	}
	return t.Name
}
