// Package validate judges manifests as the Kubernetes API server does that has the
// operator's CustomResourceDefinitions: with its code, and in its words.
package validate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metavalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
)

// A Validator judges objects of the operator's kinds.
type Validator struct{ definitions map[string]*definition }

// New returns a Validator.
func New() (*Validator, error) {
	definitions, err := readDefinitions()
	if err != nil {
		return nil, fmt.Errorf("read the definitions of the operator's kinds: %w", err)
	}
	return &Validator{definitions: definitions}, nil
}

// Create returns an object that is not there yet as the API server would keep it,
// with its defaults, or the API server's refusal. The object must be of one of the
// operator's kinds and name its namespace.
func (v *Validator) Create(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return v.judge(ctx, obj, nil)
}

// Update is Create for an object that is there as old: the API server spares what
// does not change, and refuses some changes.
func (v *Validator) Update(ctx context.Context, obj, old *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return v.judge(ctx, obj, old)
}

func (v *Validator) judge(ctx context.Context, obj, old *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	kind := obj.GroupVersionKind()
	d := v.definitions[kind.Kind]
	if d == nil {
		return nil, fmt.Errorf("there is no kind %s", kind)
	}
	obj = obj.DeepCopy()
	if err := d.decode(obj); err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %[1]s: %[3]v", kind.Kind, kind.Version, err))
	}
	delete(obj.Object, "status")
	if old != nil && old.Object["status"] != nil {
		obj.Object["status"] = old.Object["status"]
	}
	if errs := d.validate(ctx, obj, old); len(errs) > 0 {
		// The rules find errors in any order; people read them in the same one each time.
		// What names no field comes last.
		last := strings.NewReplacer("<nil>", "~")
		slices.SortStableFunc(errs, func(a, b *field.Error) int {
			return strings.Compare(last.Replace(a.Field), last.Replace(b.Field))
		})
		return nil, apierrors.NewInvalid(kind.GroupKind(), obj.GetName(), errs)
	}
	return obj, nil
}

// decode does to an object what the API server's decoder does: it sets defaults,
// drops nulls, and refuses what is not in the definition.
func (d *definition) decode(obj *unstructured.Unstructured) error {
	_, _, unknown, err := objectmeta.GetObjectMetaWithOptions(obj.Object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return err
	}
	defaulting.Default(obj.Object, d.structural)
	unknown = append(unknown, pruning.PruneWithOptions(obj.Object, d.structural, true, pruningOptions)...)
	defaulting.PruneNonNullableNullsWithoutDefaults(obj.Object, d.structural)
	if len(unknown) == 0 {
		return nil
	}
	var strict []error
	for _, path := range unknown {
		strict = append(strict, fmt.Errorf("unknown field %q", path))
	}
	return runtime.NewStrictDecodingError(strict)
}

// validate returns what the API server finds in an object, in its order.
func (d *definition) validate(ctx context.Context, obj, old *unstructured.Unstructured) field.ErrorList {
	meta := &metav1.ObjectMeta{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object["metadata"].(map[string]any), meta); err != nil {
		return field.ErrorList{field.Invalid(field.NewPath("metadata"), obj.Object["metadata"], err.Error())}
	}
	errs := metavalidation.ValidateObjectMeta(meta, d.namespaced, metavalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	var was map[string]any
	var rules []cel.Option
	if old == nil {
		errs = append(errs, validation.ValidateCustomResource(nil, obj.Object, d.schema)...)
	} else {
		was = old.Object
		both := common.NewCorrelatedObject(obj.Object, was, &model.Structural{Structural: d.structural})
		errs = append(errs, validation.ValidateCustomResourceUpdate(nil, obj.Object, was, d.schema, validation.WithRatcheting(both))...)
		rules = append(rules, cel.WithRatcheting(both))
	}
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, d.structural, obj.Object)...)
	if blocked(errs) {
		return append(errs, field.Invalid(nil, nil, "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"))
	}
	broken, _ := d.rules.Validate(ctx, nil, d.structural, obj.Object, was, celconfig.RuntimeCELCostBudget, rules...)
	return append(errs, broken...)
}

// blocked reports whether the API server leaves the rules unchecked: they are
// written for objects that are well-formed.
func blocked(errs field.ErrorList) bool {
	for _, err := range errs {
		switch err.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return true
		}
	}
	return false
}
