package main

import (
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

// servedTypes are the built-in types by group version. Each stands for its own
// internal version too, so nothing is converted between the wire and etcd;
// events.k8s.io is the exception, see events.go.
var servedTypes = map[schema.GroupVersion][]runtime.Object{
	corev1.SchemeGroupVersion: {
		&corev1.Namespace{}, &corev1.NamespaceList{},
		&corev1.Secret{}, &corev1.SecretList{},
		&corev1.ConfigMap{}, &corev1.ConfigMapList{},
		&corev1.Event{}, &corev1.EventList{},
	},
	coordinationv1.SchemeGroupVersion: {
		&coordinationv1.Lease{}, &coordinationv1.LeaseList{},
	},
	authenticationv1.SchemeGroupVersion: {
		&authenticationv1.TokenReview{},
	},
	authorizationv1.SchemeGroupVersion: {
		&authorizationv1.SubjectAccessReview{},
		&authorizationv1.SelfSubjectAccessReview{},
	},
}

var (
	scheme         = runtime.NewScheme()
	codecs         = serializer.NewCodecFactory(scheme)
	parameterCodec = runtime.NewParameterCodec(scheme)
)

func init() {
	for gv, types := range servedTypes {
		scheme.AddKnownTypes(gv, types...)
		scheme.AddKnownTypes(internalVersion(gv.Group), types...)
		metav1.AddToGroupVersion(scheme, gv)
		utilruntime.Must(scheme.SetVersionPriority(gv))
	}
	utilruntime.Must(addEventTypes(scheme))
	scheme.AddUnversionedTypes(corev1.SchemeGroupVersion,
		&metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	utilruntime.Must(scheme.AddFieldLabelConversionFunc(corev1.SchemeGroupVersion.WithKind("Secret"), allowFieldLabels("type")))
	utilruntime.Must(scheme.AddFieldLabelConversionFunc(corev1.SchemeGroupVersion.WithKind("Namespace"), allowFieldLabels("status.phase")))
}

func internalVersion(group string) schema.GroupVersion {
	return schema.GroupVersion{Group: group, Version: runtime.APIVersionInternal}
}

// allowFieldLabels lets field selectors name the labels given, besides the
// object's name and namespace.
func allowFieldLabels(labels ...string) runtime.FieldLabelConversionFunc {
	renames := make(map[string]string, len(labels))
	for _, label := range labels {
		renames[label] = label
	}
	return renameFieldLabels(renames)
}

// renameFieldLabels translates the field labels of a version, the keys, into
// those of the stored object, the values.
func renameFieldLabels(renames map[string]string) runtime.FieldLabelConversionFunc {
	return func(label, value string) (string, string, error) {
		if stored, ok := renames[label]; ok {
			return stored, value, nil
		}
		return runtime.DefaultMetaV1FieldSelectorConversion(label, value)
	}
}
