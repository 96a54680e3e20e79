// Package v1alpha1 holds the console-access.dev/v1alpha1 resources: access to a
// product console, kept as Kubernetes objects.
// +kubebuilder:object:generate=true
// +groupName=console-access.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of these resources.
	GroupVersion = schema.GroupVersion{Group: "console-access.dev", Version: "v1alpha1"}

	// SchemeBuilder registers the types with a scheme.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds the types in this group-version to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&ConsoleConnection{}, &ConsoleConnectionList{},
		&Team{}, &TeamList{},
		&UserRole{}, &UserRoleList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
