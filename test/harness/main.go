package harness

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// parallelTests is how many tests run at a time: they spend their time waiting
// for the console's windows and drift intervals, not for a core.
const parallelTests = 10

// general is what is logged in nobody's name, by libraries as a rule.
var general = &Log{}

var shared struct {
	mu       sync.Mutex
	cluster  *cluster
	operator *Operator
	err      error
}

// Main runs a package's tests and returns the code to exit with.
func Main(m *testing.M) int {
	flag.Parse()
	parallel := flag.Lookup("test.parallel")
	if n, err := strconv.Atoi(parallel.Value.String()); err == nil {
		_ = parallel.Value.Set(strconv.Itoa(max(n, parallelTests)))
	}
	ctrl.SetLogger(newLogger(general, true))
	klog.SetLogger(newLogger(general, true))
	code := m.Run()
	if shared.operator != nil {
		shared.operator.Stop()
		general.lines = append(general.lines, shared.operator.Log.all()...)
	}
	if panics := general.panics(); len(panics) > 0 {
		fmt.Fprintf(os.Stderr, "the operator panicked:\n%s\n", panics)
		code = 1
	}
	if shared.cluster != nil {
		if err := shared.cluster.stop(); err != nil {
			fmt.Fprintf(os.Stderr, "stop the API server: %v\n", err)
			code = 1
		}
	}
	return code
}

// sharedCluster is the API server of this test binary, started when first
// needed.
func sharedCluster(t testing.TB) *cluster {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = startCluster()
	}
	if shared.err != nil {
		t.Fatalf("start the API server: %v", shared.err)
	}
	return shared.cluster
}

// sharedOperator is the operator of all tests that need none of their own.
func sharedOperator(t testing.TB) *Operator {
	t.Helper()
	c := sharedCluster(t)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.operator == nil {
		o, err := newOperator(c)
		if err == nil {
			err = o.start()
		}
		if err != nil {
			t.Fatalf("start the shared operator: %v", err)
		}
		shared.operator = o
	}
	return shared.operator
}
