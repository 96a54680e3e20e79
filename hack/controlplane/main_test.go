package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// runMain makes the test binary be the program itself.
const runMain = "CONTROLPLANE_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintf(os.Stderr, "stop the shared server: %v\n", err)
		code = 1
	}
	os.Exit(code)
}

// process is a running control plane.
type process struct {
	cmd        *exec.Cmd
	stdin      io.Closer
	kubeconfig string
	tmp        string // its directory for temporary files
	line       string // what it printed when it was ready
	config     *rest.Config
}

// startProcess returns when the server said that it is ready. The server ends
// with the test process at the latest, which holds its standard input.
func startProcess(dir string, flags ...string) (*process, error) {
	p := &process{kubeconfig: filepath.Join(dir, "kubeconfig"), tmp: filepath.Join(dir, "tmp")}
	if err := os.MkdirAll(p.tmp, 0o700); err != nil {
		return nil, err
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(executable, append([]string{"--kubeconfig", p.kubeconfig, "--exit-on-stdin-eof"}, flags...)...)
	p.cmd.Env = append(os.Environ(), runMain+"=1", "TMPDIR="+p.tmp)
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if p.line, err = bufio.NewReader(stdout).ReadString('\n'); err != nil {
		return nil, fmt.Errorf("the server ended before it was ready: %w", errors.Join(err, p.cmd.Wait()))
	}
	p.config, err = clientcmd.BuildConfigFromFlags("", p.kubeconfig)
	return p, err
}

// wait returns how the process ended, and kills it if that takes longer than
// the time allowed.
func (p *process) wait(allowed time.Duration) error {
	kill := time.AfterFunc(allowed, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	return p.cmd.Wait()
}

func (p *process) stop() error {
	return errors.Join(p.stdin.Close(), p.wait(10*time.Second))
}

var shared struct {
	once sync.Once
	dir  string
	*process
	err error
}

// sharedServer is the server most tests use, each in a namespace of its own.
func sharedServer(t *testing.T) *rest.Config {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "cp-test-"); shared.err == nil {
			shared.process, shared.err = startProcess(shared.dir, "--crds", filepath.Join("testdata", "crds"))
		}
	})
	if shared.err != nil {
		t.Fatalf("start the server: %v", shared.err)
	}
	return shared.config
}

func stopShared() error {
	if shared.process == nil {
		return nil
	}
	return errors.Join(shared.stop(), os.RemoveAll(shared.dir))
}

// newClient talks protobuf, as controller-runtime does for built-in kinds.
func newClient(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// newNamespace makes a namespace named after the test.
func newNamespace(t *testing.T, client kubernetes.Interface) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: strings.ToLower(t.Name()) + "-"}}
	ns, err := client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if ns.Labels[corev1.LabelMetadataName] != ns.Name {
		t.Errorf("labels %v of namespace %s, want its name", ns.Labels, ns.Name)
	}
	return ns.Name
}

func TestCleanStop(t *testing.T) {
	tests := map[string]func(p *process) error{
		"SIGTERM":               func(p *process) error { return p.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGINT":                func(p *process) error { return p.cmd.Process.Signal(os.Interrupt) },
		"end of standard input": func(p *process) error { return p.stdin.Close() },
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Not t.TempDir(): its path is too long for a socket on some systems.
			dir, err := os.MkdirTemp("", "cp-test-")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			p, err := startProcess(dir, "--crds", filepath.Join("testdata", "crds"))
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("controlplane: serving %s, kubeconfig %s\n", p.config.Host, p.kubeconfig); p.line != want {
				t.Errorf("printed %q, want %q", p.line, want)
			}
			if info, err := os.Stat(p.kubeconfig); err != nil || info.Mode() != 0o600 {
				t.Errorf("kubeconfig has mode %v, error %v; want 0600", info.Mode(), err)
			}
			// An open watch must not hold the server up.
			watch, err := newClient(t, p.config).CoreV1().ConfigMaps("default").Watch(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer watch.Stop()
			if err := end(p); err != nil {
				t.Fatal(err)
			}
			if err := p.wait(2 * time.Second); err != nil {
				t.Errorf("the server ended with: %v", err)
			}
			for _, left := range filesBelow(t, dir) {
				t.Errorf("the server left %s behind", left)
			}
		})
	}
}

func filesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if path != dir && filepath.Base(path) != "tmp" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestDataDirectorySurvives(t *testing.T) {
	dir, err := os.MkdirTemp("", "cp-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	data := filepath.Join(dir, "data")
	for _, start := range []string{"first", "second"} {
		p, err := startProcess(dir, "--crds", filepath.Join("testdata", "crds"), "--data-dir", data)
		if err != nil {
			t.Fatalf("%s start: %v", start, err)
		}
		configMaps := newClient(t, p.config).CoreV1().ConfigMaps("default")
		_, err = configMaps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}, metav1.CreateOptions{})
		if kept := apierrors.IsAlreadyExists(err); kept != (start == "second") {
			t.Errorf("%s start: creating the ConfigMap gave %v", start, err)
		}
		if err := p.stop(); err != nil {
			t.Errorf("%s stop: %v", start, err)
		}
	}
}

func TestRefusedStarts(t *testing.T) {
	empty := t.TempDir()
	tests := map[string]struct {
		flags []string
		want  string
	}{
		"unknown argument":     {[]string{"serve"}, `unexpected argument "serve": all settings are flags`},
		"address of a network": {[]string{"--bind-address", "0.0.0.0"}, "is no loopback IP address"},
		"no definitions":       {[]string{"--crds", empty}, "no CustomResourceDefinition in the YAML files"},
		"impossible port":      {[]string{"--port", "-1"}, "open the port"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := parseFlags(test.flags)
			if err == nil {
				err = run(t.Context(), o, io.Discard)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
