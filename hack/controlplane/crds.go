package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// pollInterval is how often something that is about to happen is looked for.
const pollInterval = 20 * time.Millisecond

// establishedAge is more than the age up to which the server takes a
// definition for a recent one.
const establishedAge = time.Minute

// readCRDs returns the definitions in the YAML files of a directory, in the
// order of the files' names. Other documents, such as a kustomization, are
// passed over.
func readCRDs(dir string) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	var paths []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, fmt.Errorf("list the files of %s: %w", dir, err)
		}
		paths = append(paths, found...)
	}
	slices.Sort(paths)
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, name := range paths {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read custom resource definitions: %w", err)
		}
		found, err := parseCRDs(content)
		if err != nil {
			return nil, fmt.Errorf("read custom resource definitions of %s: %w", name, err)
		}
		crds = append(crds, found...)
	}
	if len(crds) == 0 {
		return nil, fmt.Errorf("no CustomResourceDefinition in the YAML files of %s: give --crds the directory that holds them", dir)
	}
	return crds, nil
}

func parseCRDs(content []byte) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	var crds []*apiextensionsv1.CustomResourceDefinition
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return crds, nil
		}
		if err != nil {
			return nil, err
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return nil, err
		}
		if kind.GroupVersionKind() != apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition") {
			continue
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(document, crd); err != nil {
			return nil, err
		}
		crds = append(crds, crd)
	}
}

// installCRDs creates or replaces the definitions and waits until each is
// established and its resources stand in discovery and in the OpenAPI schema.
func installCRDs(ctx context.Context, config *rest.Config, crds []*apiextensionsv1.CustomResourceDefinition) error {
	client, err := clientset.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make the loopback client: %w", err)
	}
	for _, crd := range crds {
		if err := applyCRD(ctx, client, crd); err != nil {
			return fmt.Errorf("install the custom resource definition %s: %w", crd.Name, err)
		}
	}
	for _, crd := range crds {
		for _, ready := range []func() (bool, error){
			func() (bool, error) { return established(ctx, client, crd.Name) },
			func() (bool, error) { return discovered(client.Discovery(), crd) },
			func() (bool, error) { return documented(client.Discovery(), crd) },
		} {
			if err := poll(ctx, ready); err != nil {
				return fmt.Errorf("wait for the custom resource definition %s: %w", crd.Name, err)
			}
		}
	}
	return nil
}

func applyCRD(ctx context.Context, client clientset.Interface, crd *apiextensionsv1.CustomResourceDefinition) error {
	definitions := client.ApiextensionsV1().CustomResourceDefinitions()
	_, err := definitions.Create(ctx, crd, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	existing, err := definitions.Get(ctx, crd.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	update := crd.DeepCopy()
	update.ResourceVersion = existing.ResourceVersion
	_, err = definitions.Update(ctx, update, metav1.UpdateOptions{})
	return err
}

// established says whether the definition is established, and dates that back:
// the server delays the creation of custom resources by two seconds while it
// is recent, for the sake of other servers that may not know the definition
// yet, and here there are none.
func established(ctx context.Context, client clientset.Interface, name string) (bool, error) {
	definitions := client.ApiextensionsV1().CustomResourceDefinitions()
	crd, err := definitions.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return false, err
	}
	for i := range crd.Status.Conditions {
		condition := &crd.Status.Conditions[i]
		refused := condition.Type == apiextensionsv1.NamesAccepted && condition.Status == apiextensionsv1.ConditionFalse
		if refused {
			return false, fmt.Errorf("its names are refused: %s", condition.Message)
		}
		if condition.Type != apiextensionsv1.Established || condition.Status != apiextensionsv1.ConditionTrue {
			continue
		}
		if time.Since(condition.LastTransitionTime.Time) > establishedAge {
			return true, nil
		}
		condition.LastTransitionTime = metav1.NewTime(time.Now().Add(-2 * establishedAge))
		_, err := definitions.UpdateStatus(ctx, crd, metav1.UpdateOptions{})
		if err != nil && !apierrors.IsConflict(err) {
			return false, fmt.Errorf("date back the condition Established: %w", err)
		}
		return false, nil
	}
	return false, nil
}

func discovered(client discovery.DiscoveryInterface, crd *apiextensionsv1.CustomResourceDefinition) (bool, error) {
	_, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		return false, err
	}
	for _, version := range crd.Spec.Versions {
		gv := schema.GroupVersion{Group: crd.Spec.Group, Version: version.Name}.String()
		served := slices.ContainsFunc(lists, func(list *metav1.APIResourceList) bool {
			return list.GroupVersion == gv && slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == crd.Spec.Names.Plural })
		})
		if version.Served && !served {
			return false, nil
		}
	}
	return true, nil
}

// documented says whether the schemas of the definition's versions are
// published, for kubectl explain.
func documented(client discovery.DiscoveryInterface, crd *apiextensionsv1.CustomResourceDefinition) (bool, error) {
	paths, err := client.OpenAPIV3().Paths()
	if err != nil {
		return false, err
	}
	for _, version := range crd.Spec.Versions {
		if _, ok := paths[path.Join("apis", crd.Spec.Group, version.Name)]; version.Served && !ok {
			return false, nil
		}
	}
	return true, nil
}

// poll calls check until it is true or fails, or ctx is done.
func poll(ctx context.Context, check func() (bool, error)) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		if done, err := check(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
