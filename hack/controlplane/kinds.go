package main

import (
	"context"
	"fmt"
	"slices"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic"
)

// maxContentSize is what the values of a Secret or a ConfigMap may come to, in bytes.
const maxContentSize = corev1.MaxSecretSize

// prepareSecret merges stringData, which is write-only, into data.
func prepareSecret(obj runtime.Object) {
	secret := obj.(*corev1.Secret)
	if len(secret.StringData) > 0 && secret.Data == nil {
		secret.Data = make(map[string][]byte, len(secret.StringData))
	}
	for key, value := range secret.StringData {
		secret.Data[key] = []byte(value)
	}
	secret.StringData = nil
	if secret.Type == "" {
		secret.Type = corev1.SecretTypeOpaque
	}
}

func validateSecret(_ context.Context, obj runtime.Object) field.ErrorList {
	return validateContent(field.NewPath("data"), obj.(*corev1.Secret).Data)
}

func validateSecretUpdate(obj, old runtime.Object) field.ErrorList {
	secret, oldSecret := obj.(*corev1.Secret), old.(*corev1.Secret)
	var errs field.ErrorList
	if secret.Type != oldSecret.Type {
		errs = append(errs, field.Invalid(field.NewPath("type"), secret.Type, "field is immutable: delete the Secret and create it anew"))
	}
	if isSet(oldSecret.Immutable) && (!isSet(secret.Immutable) || !equality.Semantic.DeepEqual(secret.Data, oldSecret.Data)) {
		errs = append(errs, immutable())
	}
	return errs
}

func validateConfigMap(_ context.Context, obj runtime.Object) field.ErrorList {
	configMap := obj.(*corev1.ConfigMap)
	errs := validateContent(field.NewPath("data"), configMap.Data)
	errs = append(errs, validateContent(field.NewPath("binaryData"), configMap.BinaryData)...)
	for _, key := range sortedKeys(configMap.BinaryData) {
		if _, ok := configMap.Data[key]; ok {
			errs = append(errs, field.Invalid(field.NewPath("data").Key(key), key, "duplicate of key present in binaryData"))
		}
	}
	return errs
}

func validateConfigMapUpdate(obj, old runtime.Object) field.ErrorList {
	configMap, oldMap := obj.(*corev1.ConfigMap), old.(*corev1.ConfigMap)
	if isSet(oldMap.Immutable) && (!isSet(configMap.Immutable) ||
		!equality.Semantic.DeepEqual(configMap.Data, oldMap.Data) ||
		!equality.Semantic.DeepEqual(configMap.BinaryData, oldMap.BinaryData)) {
		return field.ErrorList{immutable()}
	}
	return nil
}

func validateContent[V string | []byte](path *field.Path, data map[string]V) field.ErrorList {
	var errs field.ErrorList
	size := 0
	for _, key := range sortedKeys(data) {
		for _, message := range validation.IsConfigMapKey(key) {
			errs = append(errs, field.Invalid(path.Key(key), key, message))
		}
		size += len(data[key])
	}
	if size > maxContentSize {
		errs = append(errs, field.TooLong(path, "", maxContentSize))
	}
	return errs
}

func validateLease(_ context.Context, obj runtime.Object) field.ErrorList {
	lease := obj.(*coordinationv1.Lease)
	var errs field.ErrorList
	if seconds := lease.Spec.LeaseDurationSeconds; seconds != nil && *seconds <= 0 {
		errs = append(errs, field.Invalid(field.NewPath("spec", "leaseDurationSeconds"), *seconds, "must be greater than 0"))
	}
	if transitions := lease.Spec.LeaseTransitions; transitions != nil && *transitions < 0 {
		errs = append(errs, field.Invalid(field.NewPath("spec", "leaseTransitions"), *transitions, "must be greater than or equal to 0"))
	}
	return errs
}

// secretAttrs returns what label and field selectors match a Secret by.
func secretAttrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	secret, ok := obj.(*corev1.Secret)
	if !ok {
		return nil, nil, fmt.Errorf("%T is no Secret", obj)
	}
	return secret.Labels, generic.AddObjectMetaFieldsSet(fields.Set{"type": string(secret.Type)}, &secret.ObjectMeta, true), nil
}

func immutable() *field.Error {
	return field.Forbidden(field.NewPath("data"), "field is immutable when `immutable` is set")
}

func isSet(flag *bool) bool { return flag != nil && *flag }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
