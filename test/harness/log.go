package harness

import (
	"flag"
	"slices"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// A Log holds the lines that an operator logged. It is safe for concurrent use.
type Log struct {
	mu    sync.Mutex
	lines []string
}

// newLogger logs into l as cmd logs in development mode or, verbose, at a
// higher --zap-log-level than anything asks for.
func newLogger(l *Log, verbose bool) logr.Logger {
	o := zap.Options{Development: true, DestWriter: l}
	if verbose {
		flags := flag.NewFlagSet("verbose", flag.PanicOnError)
		o.BindFlags(flags)
		_ = flags.Parse([]string{"--zap-log-level=20"})
	}
	return zap.New(zap.UseFlagOptions(&o))
}

// Write implements io.Writer: one call per entry.
func (l *Log) Write(entry []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimRight(string(entry), "\n"))
	return len(entry), nil
}

func (l *Log) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// Containing returns the entries with a text in them, oldest first.
func (l *Log) Containing(text string) []string {
	return slices.DeleteFunc(l.all(), func(line string) bool { return !strings.Contains(line, text) })
}

// panics returns the entries that tell of a recovered panic.
func (l *Log) panics() []string { return l.Containing("bserved a panic") }
