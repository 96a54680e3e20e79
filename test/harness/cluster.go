package harness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// startTimeout bounds the start of an API server, which takes a second or two.
const startTimeout = time.Minute

// A cluster is a Kubernetes API with the operator's CRDs.
type cluster struct {
	config *rest.Config
	client client.Client
	stop   func() error
}

// startCluster starts, or connects to, what the environment says.
func startCluster() (*cluster, error) {
	if existing() {
		return newCluster(connectExisting, currentCRDs)
	}
	return startOwnCluster(currentCRDs)
}

// startOwnCluster starts what the environment says, which is never a cluster
// that others use.
func startOwnCluster(crds string) (*cluster, error) {
	if assets() {
		return newCluster(startKube, crds)
	}
	return newCluster(startControlPlane, crds)
}

// currentCRDs is the directory of the operator's definitions in the module.
const currentCRDs = "config/crd/bases"

func newCluster(start func(root, crds string) (*rest.Config, func() error, error), crds string) (*cluster, error) {
	root, err := repositoryRoot()
	if err != nil {
		return nil, err
	}
	crds = filepath.Join(root, filepath.FromSlash(crds))
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	c := &cluster{}
	if c.config, c.stop, err = start(root, crds); err != nil {
		return nil, err
	}
	c.config.QPS = -1
	if c.client, err = client.New(c.config, client.Options{Scheme: scheme}); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}

// repositoryRoot is the directory of PROJECT, above that of the test, which may
// be of a module further down.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "PROJECT")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("there is no PROJECT file above the test's directory")
		}
		dir = filepath.Dir(dir)
	}
}

// startControlPlane starts bin/controlplane. It ends with this process at the
// latest, which holds its standard input.
func startControlPlane(root, crds string) (*rest.Config, func() error, error) {
	binary := filepath.Join(root, "bin", "controlplane")
	if _, err := os.Stat(binary); err != nil {
		return nil, nil, fmt.Errorf("bin/controlplane is missing: run make controlplane")
	}
	dir, err := os.MkdirTemp("", "console-access-test-")
	if err != nil {
		return nil, nil, err
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	cmd := exec.Command(binary, "--kubeconfig", kubeconfig, "--crds", crds, "--exit-on-stdin-eof")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	said := &bytes.Buffer{}
	cmd.Stderr = said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start bin/controlplane: %w", err)
	}
	stop := func() error {
		_ = stdin.Close()
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		err := cmd.Wait()
		if err != nil {
			err = fmt.Errorf("bin/controlplane: %w: %s", err, said)
		}
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err := ready(stdout, startTimeout); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("bin/controlplane did not become ready: %w", err), stop())
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return config, stop, nil
}

// ready waits for the line that says that everything is served.
func ready(stdout io.Reader, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	line := make(chan error, 1)
	go func() {
		_, err := bufio.NewReader(stdout).ReadString('\n')
		line <- err
	}()
	select {
	case err := <-line:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
