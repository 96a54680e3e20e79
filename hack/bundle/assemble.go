package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
	libversion "github.com/operator-framework/api/pkg/lib/version"
	operators "github.com/operator-framework/api/pkg/operators/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// suggestedNamespace is the annotation that says where to install the operator.
const suggestedNamespace = "operatorframework.io/suggested-namespace"

// decode reads a stream of YAML documents.
func decode(in io.Reader) (all []*unstructured.Unstructured, err error) {
	decoder := yamlstream.NewYAMLOrJSONDecoder(in, 4096)
	for {
		obj := &unstructured.Unstructured{}
		switch err := decoder.Decode(&obj.Object); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		if len(obj.Object) > 0 {
			all = append(all, obj)
		}
	}
}

// convert returns an object as its type.
func convert[T any](obj *unstructured.Unstructured) (*T, error) {
	out := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, out); err != nil {
		return nil, fmt.Errorf("%s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	return out, nil
}

// An assembly is a bundle in the making.
type assembly struct {
	csv operators.ClusterServiceVersion
	// accounts are the ServiceAccounts of its Deployments.
	accounts []string
	// bound are the ClusterRoles bound to them.
	bound map[string]string
	// files are the manifests beside the ClusterServiceVersion, by name.
	files map[string]any
}

// assemble makes the bundle's manifests of those of an ordinary installation.
// What the Operator Lifecycle Manager makes by itself is left out: the
// namespace, the ServiceAccount, and the bindings of its ClusterRoles.
func assemble(base string, version semver.Version, objects, examples []*unstructured.Unstructured) (map[string]any, error) {
	text, err := os.ReadFile(base)
	if err != nil {
		return nil, err
	}
	a := &assembly{bound: map[string]string{}, files: map[string]any{}}
	if err := yaml.UnmarshalStrict(text, &a.csv); err != nil {
		return nil, fmt.Errorf("read %s: %w", base, err)
	}
	// Deployments say which accounts, and bindings which roles, are meant.
	for _, pass := range []func(*unstructured.Unstructured) error{a.deployment, a.binding, a.other} {
		for _, obj := range objects {
			if err := pass(obj); err != nil {
				return nil, err
			}
		}
	}
	a.csv.Name = fmt.Sprintf("%s.v%s", pkg, version)
	a.csv.Spec.Version = libversion.OperatorVersion{Version: version}
	alm, err := json.MarshalIndent(examples, "", "  ")
	if err != nil {
		return nil, err
	}
	a.csv.Annotations["alm-examples"] = string(alm)
	csv, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&a.csv)
	if err != nil {
		return nil, err
	}
	delete(csv, "status")
	a.files[pkg+".clusterserviceversion.yaml"] = csv
	return a.files, nil
}

func (a *assembly) deployment(obj *unstructured.Unstructured) error {
	if obj.GetKind() != "Deployment" {
		return nil
	}
	d, err := convert[appsv1.Deployment](obj)
	if err != nil {
		return err
	}
	install := &a.csv.Spec.InstallStrategy.StrategySpec
	install.DeploymentSpecs = append(install.DeploymentSpecs, operators.StrategyDeploymentSpec{Name: d.Name, Spec: d.Spec, Label: d.Labels})
	a.accounts = append(a.accounts, d.Spec.Template.Spec.ServiceAccountName)
	for _, c := range d.Spec.Template.Spec.Containers {
		a.csv.Spec.RelatedImages = append(a.csv.Spec.RelatedImages, operators.RelatedImage{Name: c.Name, Image: c.Image})
		if a.csv.Annotations["containerImage"] == "" {
			a.csv.Annotations["containerImage"] = c.Image
		}
	}
	return nil
}

// binding notes which roles are the operator's. A Role stays an object of its
// own, bound in the suggested namespace: as a permission of an operator that
// watches all namespaces, it would be granted in all of them.
func (a *assembly) binding(obj *unstructured.Unstructured) error {
	if kind := obj.GetKind(); kind != "ClusterRoleBinding" && kind != "RoleBinding" {
		return nil
	}
	b, err := convert[rbacv1.ClusterRoleBinding](obj)
	if err != nil {
		return err
	}
	for _, s := range b.Subjects {
		if s.Kind != rbacv1.ServiceAccountKind || !slices.Contains(a.accounts, s.Name) {
			return fmt.Errorf("%s %s binds %s %s, which is no account of the operator", obj.GetKind(), b.Name, s.Kind, s.Name)
		}
		if want := a.csv.Annotations[suggestedNamespace]; s.Namespace != want {
			return fmt.Errorf("%s %s is for the namespace %q, and %s says %q", obj.GetKind(), b.Name, s.Namespace, suggestedNamespace, want)
		}
		if obj.GetKind() == "ClusterRoleBinding" {
			a.bound[b.RoleRef.Name] = s.Name
		}
	}
	return nil
}

func (a *assembly) other(obj *unstructured.Unstructured) error {
	switch obj.GetKind() {
	case "Namespace", "Deployment", "ServiceAccount", "ClusterRoleBinding":
		return nil
	case "CustomResourceDefinition":
		return a.definition(obj)
	case "ClusterRole":
		if account, ok := a.bound[obj.GetName()]; ok {
			return a.permission(obj, account)
		}
	}
	// They go where the operator goes.
	unstructured.RemoveNestedField(obj.Object, "metadata", "namespace")
	a.files[strings.ToLower(obj.GetName()+"_"+obj.GetKind())+".yaml"] = obj.Object
	return nil
}

func (a *assembly) definition(obj *unstructured.Unstructured) error {
	crd, err := convert[apiextensionsv1.CustomResourceDefinition](obj)
	if err != nil {
		return err
	}
	for _, v := range crd.Spec.Versions {
		about := strings.Join(strings.Fields(v.Schema.OpenAPIV3Schema.Description), " ")
		a.csv.Spec.CustomResourceDefinitions.Owned = append(a.csv.Spec.CustomResourceDefinitions.Owned, operators.CRDDescription{
			Name: crd.Name, Version: v.Name, Kind: crd.Spec.Names.Kind, DisplayName: crd.Spec.Names.Kind, Description: about,
		})
	}
	a.files[crd.Spec.Group+"_"+crd.Spec.Names.Plural+".yaml"] = obj.Object
	return nil
}

func (a *assembly) permission(obj *unstructured.Unstructured, account string) error {
	role, err := convert[rbacv1.ClusterRole](obj)
	if err != nil {
		return err
	}
	install := &a.csv.Spec.InstallStrategy.StrategySpec
	for i, p := range install.ClusterPermissions {
		if p.ServiceAccountName == account {
			install.ClusterPermissions[i].Rules = append(p.Rules, role.Rules...)
			return nil
		}
	}
	install.ClusterPermissions = append(install.ClusterPermissions, operators.StrategyDeploymentPermissions{ServiceAccountName: account, Rules: role.Rules})
	return nil
}
