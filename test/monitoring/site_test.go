package monitoring

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

const (
	// patience is how long anything may take; a test that passes does not wait
	// for it.
	patience  = 2 * time.Minute
	namespace = "console-access-system"
	apiKey    = "console-monitoring-key"
)

// A site is an API server, a console and a manager, each a process of its own.
type site struct {
	t          *testing.T
	kubeconfig string
	kube       *http.Client
	server     string
	token      string
	console    string
	metrics    string
}

// start starts a program of bin, which ends with the test at the latest, and
// returns the first line that it writes to its output.
func start(t *testing.T, waits bool, name string, args ...string) string {
	t.Helper()
	binary, err := filepath.Abs(filepath.Join(root, "bin", name))
	if err == nil {
		_, err = os.Stat(binary)
	}
	if err != nil {
		t.Fatalf("bin/%s is missing; run make test-monitoring: %v", name, err)
	}
	cmd := exec.Command(binary, args...)
	log := &bytes.Buffer{}
	cmd.Stderr = log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("%s ended: %v\n%s", name, err, log)
		}
	})
	if !waits {
		return ""
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s did not start: %v", name, err)
	}
	return line
}

// newSite starts the API server, and the console with what it is told.
func newSite(t *testing.T, console ...string) *site {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	start(t, true, "controlplane", "--kubeconfig", kubeconfig, "--crds", filepath.Join(root, "config/crd/bases"), "--exit-on-stdin-eof")
	s := &site{t: t, kubeconfig: kubeconfig}
	s.connect(kubeconfig)
	line := start(t, true, "consolesim", append([]string{"--listen", "127.0.0.1:0", "--api-key", apiKey}, console...)...)
	for word := range strings.FieldsSeq(line) {
		if strings.HasPrefix(word, "http://") {
			s.console = word
		}
	}
	for _, name := range []string{namespace, "default"} {
		s.apply("api/v1/namespaces/"+name, `{apiVersion: v1, kind: Namespace, metadata: {name: `+name+`}}`)
	}
	s.apply("api/v1/namespaces/"+namespace+"/secrets/console-api-key",
		`{apiVersion: v1, kind: Secret, metadata: {name: console-api-key, namespace: `+namespace+`}, stringData: {apiKey: `+apiKey+`}}`)
	return s
}

// startManager starts the manager, and returns when it leads.
func (s *site) startManager(h *history) {
	s.t.Helper()
	address := freeAddress(s.t)
	s.metrics = "http://" + address + "/metrics"
	start(s.t, false, "manager", "--kubeconfig", s.kubeconfig, "--operator-namespace", namespace, "--leader-elect",
		"--metrics-bind-address", address, "--metrics-secure=false", "--health-probe-bind-address=0")
	h.until(s.t, s, map[string]float64{`controller_runtime_max_concurrent_reconciles{controller="consoleconnection"}`: 1})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// connect reads what the control plane wrote about itself.
func (s *site) connect(kubeconfig string) {
	s.t.Helper()
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
				CA     string `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Token string `json:"token"`
			} `json:"user"`
		} `json:"users"`
	}
	text, err := os.ReadFile(kubeconfig)
	if err == nil {
		err = yaml.Unmarshal(text, &config)
	}
	if err != nil || len(config.Clusters) != 1 || len(config.Users) != 1 {
		s.t.Fatalf("read the kubeconfig: %v\n%s", err, text)
	}
	cluster := config.Clusters[0].Cluster
	authority, err := base64.StdEncoding.DecodeString(cluster.CA)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(authority) {
		s.t.Fatalf("the kubeconfig has no certificate authority: %v", err)
	}
	s.server, s.token = cluster.Server, config.Users[0].User.Token
	s.kube = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

// apply applies a manifest by server-side apply.
func (s *site) apply(path, manifest string) {
	s.t.Helper()
	s.send(s.kube, http.MethodPatch, s.server+"/"+path+"?fieldManager=test", "application/apply-patch+yaml", manifest)
}

// connectConsole makes a connection to the console.
func (s *site) connectConsole(name, spec string) {
	s.t.Helper()
	s.applyAccess("ConsoleConnection", name, `{endpoint: "`+s.console+`", apiKeySecretRef: {name: console-api-key}, `+spec+`}`)
}

// applyAccess applies an object of the operator's; namespaced ones to default.
func (s *site) applyAccess(kind, name, spec string) {
	s.t.Helper()
	meta := "name: " + name
	if kind != "ConsoleConnection" {
		meta += ", namespace: default"
	}
	s.apply(accessPath(kind, name),
		fmt.Sprintf("{apiVersion: console-access.dev/v1alpha1, kind: %s, metadata: {%s}, spec: %s}", kind, meta, spec))
}

// deleteAccess deletes an object of the operator's.
func (s *site) deleteAccess(kind, name string) {
	s.t.Helper()
	s.send(s.kube, http.MethodDelete, s.server+"/"+accessPath(kind, name), "application/json", "")
}

func accessPath(kind, name string) string {
	path := "apis/console-access.dev/v1alpha1/"
	if kind != "ConsoleConnection" {
		path += "namespaces/default/"
	}
	return path + strings.ToLower(kind) + "s/" + name
}

// atConsole does something in the console by hand, or to it.
func (s *site) atConsole(method, path, body string) {
	s.t.Helper()
	s.send(http.DefaultClient, method, s.console+path, "application/json", body)
}

func (s *site) send(client *http.Client, method, url, contentType, body string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Authorization", "Bearer "+s.token)
	answer, err := client.Do(request)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, url, err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode/100 != 2 {
		s.t.Fatalf("%s %s: %s\n%s", method, url, answer.Status, text)
	}
}
