// Command bundle makes a bundle for the Operator Lifecycle Manager of the
// manifests on standard input, which are those of config/default, and of what
// people read about the operator. It validates what it has written.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/blang/semver/v4"
	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// pkg is the bundle's package, and channel the one that it is offered in.
const (
	pkg     = "console-access-operator"
	channel = "candidate-v0"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("bundle", flag.ContinueOnError)
	flags.SetOutput(out)
	base := flags.String("base", "", "`file` with the ClusterServiceVersion that the rest is added to")
	samples := flags.String("samples", "", "`directory` of example objects")
	dir := flags.String("out", "", "`directory` for the bundle; its Dockerfile is written beside it")
	text := flags.String("version", "", "semantic `version` of the bundle")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *base == "" || *samples == "" || *dir == "" || flags.NArg() > 0 {
		return errors.New("give --base, --samples, --version and --out, and the manifests on standard input")
	}
	version, err := semver.Parse(*text)
	if err != nil {
		return fmt.Errorf("the version %q is not a semantic one, such as 0.1.0: %w", *text, err)
	}
	objects, err := decode(in)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	examples, err := readSamples(*samples)
	if err != nil {
		return err
	}
	files, err := assemble(*base, version, objects, examples)
	if err != nil {
		return err
	}
	if err := write(*dir, files); err != nil {
		return err
	}
	return validate(*dir, out)
}

// readSamples returns the example objects of the operator's own kinds.
func readSamples(dir string) (all []*unstructured.Unstructured, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "v1*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		objects, err := decode(file)
		_ = file.Close() // it was only read
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		for _, obj := range objects {
			// The demo's console is nobody else's, nor is how often it is read.
			endpoint, _, _ := unstructured.NestedString(obj.Object, "spec", "endpoint")
			if strings.HasPrefix(endpoint, "http://127.0.0.1") {
				unstructured.RemoveNestedField(obj.Object, "spec", "endpoint")
				unstructured.RemoveNestedField(obj.Object, "spec", "drift")
			}
			all = append(all, obj)
		}
	}
	return all, nil
}

// write writes the manifests, and what says that the directory is a bundle.
func write(dir string, files map[string]any) error {
	if err := os.RemoveAll(filepath.Join(dir, "manifests")); err != nil {
		return err
	}
	texts := map[string][]byte{}
	for name, object := range files {
		text, err := yaml.Marshal(object)
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		texts[filepath.Join(dir, "manifests", name)] = text
	}
	labels := [][2]string{
		{"mediatype.v1", "registry+v1"}, {"manifests.v1", "manifests/"}, {"metadata.v1", "metadata/"},
		{"package.v1", pkg}, {"channels.v1", channel}, {"channel.default.v1", channel},
	}
	annotations, dockerfile := "annotations:\n", "FROM scratch\n"
	for _, label := range labels {
		key := "operators.operatorframework.io.bundle." + label[0]
		annotations += "  " + key + ": " + label[1] + "\n"
		dockerfile += "LABEL " + key + "=" + label[1] + "\n"
	}
	name := filepath.Base(dir)
	dockerfile += fmt.Sprintf("COPY %s/manifests /manifests/\nCOPY %[1]s/metadata /metadata/\n", name)
	texts[filepath.Join(dir, "metadata", "annotations.yaml")] = []byte(annotations)
	texts[filepath.Join(filepath.Dir(dir), name+".Dockerfile")] = []byte(dockerfile)
	for path, text := range texts {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// validate holds a bundle to the rules of the Operator Lifecycle Manager and of
// operatorhub.io.
func validate(dir string, out io.Writer) error {
	bundle, err := manifests.GetBundleFromDir(dir)
	if err != nil {
		return fmt.Errorf("read the bundle: %w", err)
	}
	validators := validation.DefaultBundleValidators.WithValidators(
		validation.OperatorHubV2Validator, validation.StandardCapabilitiesValidator,
		validation.StandardCategoriesValidator, validation.ObjectValidator, validation.GoodPracticesValidator)
	var wrong []string
	for _, result := range validators.Validate(bundle.ObjectsToValidate()...) {
		for _, warning := range result.Warnings {
			fmt.Fprintf(out, "warning: %s\n", warning.Detail)
		}
		for _, e := range result.Errors {
			wrong = append(wrong, e.Error())
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("the bundle is not valid:\n%s", strings.Join(wrong, "\n"))
	}
	fmt.Fprintf(out, "%s: valid, %s, %d objects beside it\n", dir, bundle.CSV.Name, len(bundle.Objects))
	return nil
}
