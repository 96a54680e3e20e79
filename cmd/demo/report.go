package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// A reporter tells what happens. On a terminal it also keeps one line up to
// date while something is waited for.
type reporter struct {
	out      io.Writer
	terminal bool
	pending  bool // the last line is a live one
}

const (
	bold  = "1"
	green = "32"
	red   = "31"
	faint = "2"
)

// newReporter writes colours and live lines only to a terminal that can show
// them and whose user wants them.
func newReporter(out *os.File, getenv func(string) string) *reporter {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0 && getenv("TERM") != "dumb" && getenv("NO_COLOR") == ""
	return &reporter{out: out, terminal: terminal}
}

func (r *reporter) paint(colour, text string) string {
	if !r.terminal {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// line prints a line for good.
func (r *reporter) line(format string, args ...any) {
	r.clear()
	fmt.Fprintf(r.out, format+"\n", args...)
}

// live shows what is waited for, on a terminal, until the next line.
func (r *reporter) live(text string) {
	if !r.terminal {
		return
	}
	const width = 74 // and four blanks before it
	if runes := []rune(text); len(runes) > width {
		text = string(runes[:width-1]) + "…"
	}
	r.clear()
	fmt.Fprint(r.out, r.paint(faint, "    "+text))
	r.pending = true
}

func (r *reporter) clear() {
	if r.pending {
		fmt.Fprint(r.out, "\r\x1b[K")
		r.pending = false
	}
}

// detail prints a line about the step that is under way.
func (r *reporter) detail(format string, args ...any) {
	r.line("    %s", fmt.Sprintf(format, args...))
}

// An outcome is one row of the table of what happened.
type outcome struct {
	step    string
	result  string
	failed  bool
	took    time.Duration
	traffic traffic
}

// table prints the outcomes with their sums.
func (r *reporter) table(outcomes []outcome) {
	r.line("")
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), "\t")) }
	row("STEP", "RESULT", "TIME", "READS", "WRITES")
	var sum outcome
	for i, o := range outcomes {
		result := o.result
		if o.failed {
			result = "FAILED"
		}
		row(strconv.Itoa(i+1)+" "+o.step, result, seconds(o.took), strconv.Itoa(o.traffic.reads), strconv.Itoa(o.traffic.writes))
		sum.took += o.took
		sum.traffic.reads += o.traffic.reads
		sum.traffic.writes += o.traffic.writes
	}
	row("in all", "", seconds(sum.took), strconv.Itoa(sum.traffic.reads), strconv.Itoa(sum.traffic.writes))
	_ = w.Flush()
}

// seconds writes a duration with one decimal.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// quotaLine tells what all of it cost, as the console counted it.
func quotaLine(t traffic, q *quotaUse) string {
	windows := make([]string, len(q.Windows))
	for i, w := range q.Windows {
		windows[i] = fmt.Sprintf("at most %d of %s used", w.Max, w.Window)
	}
	return fmt.Sprintf("%d requests to the console in all; %d violations of its rate limit; %s.",
		t.reads+t.writes, q.Violations, strings.Join(windows, ", "))
}
