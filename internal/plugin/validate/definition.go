package validate

import (
	"fmt"
	"io/fs"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/console-access/console-access-operator/config/crd"
)

// A definition is a CustomResourceDefinition as the API server keeps it at hand.
type definition struct {
	namespaced bool
	structural *schema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

var pruningOptions = schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}

// readDefinitions returns the definitions of the operator's kinds, by kind.
func readDefinitions() (map[string]*definition, error) {
	names, err := fs.Glob(crd.Bases, "bases/*.yaml")
	if err != nil {
		return nil, err
	}
	definitions := map[string]*definition{}
	for _, name := range names {
		text, err := crd.Bases.ReadFile(name)
		if err != nil {
			return nil, err
		}
		resource := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(text, resource); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		d, err := compile(resource)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		definitions[resource.Spec.Names.Kind] = d
	}
	return definitions, nil
}

func compile(resource *apiextensionsv1.CustomResourceDefinition) (*definition, error) {
	version := resource.Spec.Versions[0]
	internal := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, internal, nil); err != nil {
		return nil, err
	}
	structural, err := schema.NewStructural(internal)
	if err != nil {
		return nil, err
	}
	structural = structural.DeepCopy()
	if err := defaulting.PruneDefaults(structural); err != nil {
		return nil, err
	}
	validator, _, err := validation.NewSchemaValidator(internal)
	if err != nil {
		return nil, err
	}
	return &definition{
		namespaced: resource.Spec.Scope == apiextensionsv1.NamespaceScoped,
		structural: structural,
		schema:     validator,
		rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}
