package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// A cluster is a Kubernetes API server with the operator's CRDs, in a process
// of its own.
type cluster struct {
	dir        string
	kubeconfig string
	config     *rest.Config
	scheme     *runtime.Scheme
	client     client.WithWatch
	pid        int
	stop       func() error
}

func startCluster(ctx context.Context, binary, crds string) (*cluster, error) {
	dir, err := os.MkdirTemp("", "console-access-bench-")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, kubeconfig: filepath.Join(dir, "kubeconfig"), scheme: runtime.NewScheme()}
	cmd := exec.CommandContext(ctx, binary, "--kubeconfig", c.kubeconfig, "--crds", crds, "--exit-on-stdin-eof")
	// It shares the cores with what is measured: better it spends memory.
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "GOGC=400")
	cmd.Stderr = os.Stderr
	stdin, inErr := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the API server: %w", err)
	}
	c.pid = cmd.Process.Pid
	c.stop = func() error {
		_ = stdin.Close() // it ends when its standard input does
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		return errors.Join(cmd.Wait(), os.RemoveAll(dir))
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("the API server did not become ready: %w", err), c.stop())
	}
	if err := c.connect(); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *cluster) connect() (err error) {
	if c.config, err = clientcmd.BuildConfigFromFlags("", c.kubeconfig); err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	c.config.QPS = -1
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(c.scheme); err != nil {
			return err
		}
	}
	c.client, err = client.NewWithWatch(c.config, client.Options{Scheme: c.scheme})
	return err
}

// writes counts the successful writes that the API server has served, by its
// own metric apiserver_request_total, as "VERB resource/subresource".
func (c *cluster) writes(ctx context.Context) (map[string]int, error) {
	clients, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return nil, err
	}
	body, err := clients.RESTClient().Get().AbsPath("/metrics").Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	defer func() { _ = body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(body)
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	out := map[string]int{}
	for _, m := range families["apiserver_request_total"].GetMetric() {
		label := map[string]string{}
		for _, l := range m.GetLabel() {
			label[l.GetName()] = l.GetValue()
		}
		switch label["verb"] {
		case "POST", "PUT", "PATCH", "APPLY", "DELETE":
		default:
			continue
		}
		what := label["verb"] + " " + label["resource"]
		if label["subresource"] != "" {
			what += "/" + label["subresource"]
		}
		if code := label["code"]; code != "" && code[0] == '2' {
			out[what] += int(m.GetCounter().GetValue())
		}
	}
	return out, nil
}
