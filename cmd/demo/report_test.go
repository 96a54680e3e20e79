package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTable(t *testing.T) {
	var out bytes.Buffer
	(&reporter{out: &out}).table([]outcome{
		{step: "Start", result: "serves", took: 1250 * time.Millisecond},
		{step: "Apply the samples", result: "not shown", failed: true, took: 2 * time.Second, traffic: traffic{reads: 4, writes: 3}},
	})
	want := `
STEP                 RESULT  TIME  READS  WRITES
1 Start              serves  1.2s  0      0
2 Apply the samples  FAILED  2.0s  4      3
in all                       3.2s  4      3
`
	if out.String() != want {
		t.Errorf("the table is\n%s\nwant\n%s", out.String(), want)
	}
}

func TestLiveLineOnTerminalOnly(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var out bytes.Buffer
		r := &reporter{out: &out, terminal: terminal}
		r.live("waiting: " + strings.Repeat("x", 200))
		r.line("%s", r.paint(green, "done"))
		text := out.String()
		if !terminal && text != "done\n" {
			t.Errorf("without a terminal: %q", text)
		}
		live, rest, cleared := strings.Cut(text, "\r\x1b[K")
		if terminal && (!cleared || !strings.Contains(live, "…") || strings.Contains(rest, "waiting") || !strings.Contains(rest, "\x1b[32mdone")) {
			t.Errorf("on a terminal: %q", text)
		}
	}
}

func TestNoColourInFiles(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if newReporter(file, func(string) string { return "" }).terminal {
		t.Error("a file counts as a terminal")
	}
}

func TestAwait(t *testing.T) {
	failure := errors.New("refused")
	for _, tt := range []struct {
		name  string
		check func(look int) (bool, string, error)
		said  string // nothing: it comes true
	}{
		{"comes true", func(look int) (bool, string, error) { return look == 5, "not yet", nil }, ""},
		{"an error is no success", func(look int) (bool, string, error) { return look == 5, "", failure }, "expected rain, found refused: not within 1m0s"},
		{"errors pass", func(look int) (bool, string, error) {
			if look < 5 {
				return false, "", failure
			}
			return true, "", nil
		}, ""},
		{"never", func(int) (bool, string, error) { return false, "sun", nil }, "expected rain, found sun: not within 1m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &walk{config: &config{timeout: time.Minute}, say: &reporter{out: &bytes.Buffer{}}}
				looks := 0
				err := w.await(t.Context(), "rain", func(context.Context) (bool, string, error) {
					looks++
					return tt.check(looks)
				})
				if tt.said == "" && err != nil || tt.said != "" && (err == nil || err.Error() != tt.said) {
					t.Errorf("after %d looks: %v, want %q", looks, err, tt.said)
				}
			})
		})
	}
}
