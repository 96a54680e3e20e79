package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// The times a start and a stop may take.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 1500 * time.Millisecond
)

// options are the flags of the program.
type options struct {
	kubeconfig     string
	crds           string
	bindAddress    string
	port           int
	dataDir        string
	token          string
	exitOnStdinEOF bool
	verbosity      int
}

// run serves until ctx is done. It prints one line to out when everything is
// ready, and leaves no files behind except those of a data directory named in
// the options.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	var crds []*apiextensionsv1.CustomResourceDefinition
	if o.crds != "" {
		if crds, err = readCRDs(o.crds); err != nil {
			return err
		}
	}
	scratch, err := os.MkdirTemp("", "controlplane-")
	if err != nil {
		return fmt.Errorf("make a directory for temporary files: %w", err)
	}
	defer func() {
		if removeErr := os.RemoveAll(scratch); err == nil && removeErr != nil {
			err = fmt.Errorf("remove the temporary files: %w", removeErr)
		}
	}()
	if o.dataDir == "" {
		o.dataDir = filepath.Join(scratch, "data")
	}
	if o.kubeconfig == "" {
		o.kubeconfig = filepath.Join(scratch, "kubeconfig")
	}
	if o.token == "" {
		o.token = rand.Text()
	}

	serving, caPEM, err := listen(ctx, o.bindAddress, o.port)
	if err != nil {
		return err
	}
	loopback, err := serving.NewLoopbackClientConfig(rand.Text(), caPEM)
	if err != nil {
		return errors.Join(fmt.Errorf("make the loopback client: %w", err), serving.Listener.Close())
	}
	etcd, err := startEtcd(ctx, o.dataDir, scratch, o.verbosity > 0)
	if err != nil {
		err = errors.Join(err, serving.Listener.Close())
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer etcd.stop()
	server, err := newAPIServer(serving, loopback, etcd.endpoint, o.token)
	if err != nil {
		return errors.Join(err, serving.Listener.Close())
	}
	stop := startServer(ctx, server)
	defer stop()

	if err := prepare(ctx, loopback, crds); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	address := "https://" + serving.Listener.Addr().String()
	if err := writeKubeconfig(o.kubeconfig, address, o.token, caPEM); err != nil {
		return err
	}
	defer func() { _ = os.Remove(o.kubeconfig) }()
	fmt.Fprintf(out, "controlplane: serving %s, kubeconfig %s\n", address, o.kubeconfig)
	<-ctx.Done()
	return nil
}

// startServer runs the server until the returned function is called, which
// waits for its end, though not longer than stopTimeout.
func startServer(ctx context.Context, server *genericapiserver.GenericAPIServer) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	prepared := server.PrepareRun()
	go func() {
		defer close(done)
		if err := prepared.RunWithContext(ctx); err != nil {
			panic(fmt.Errorf("run the API server: %w", err))
		}
	}()
	return func() {
		cancel()
		select {
		case <-done:
		case <-time.After(stopTimeout):
		}
	}
}

// prepare waits until the server answers, and makes what every cluster has
// and the definitions that were asked for.
func prepare(ctx context.Context, config *rest.Config, crds []*apiextensionsv1.CustomResourceDefinition) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not done within %s", startTimeout))
	defer cancel()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make the loopback client: %w", err)
	}
	err = poll(ctx, func() (bool, error) {
		status := 0
		client.CoreV1().RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&status)
		return status == http.StatusOK, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the API server: %w", err)
	}
	for _, name := range []string{metav1.NamespaceDefault, metav1.NamespaceSystem} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		_, err := client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create the namespace %s: %w", name, err)
		}
	}
	return installCRDs(ctx, config, crds)
}
