package terminal

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	table := NewTable("NAME", "WHAT")
	table.Row("é", "x")
	table.Row("growth", "")
	table.Paint(func(row, column int, cell string) string {
		if row == 1 && column == 0 {
			return Paint(true).In(Red, cell)
		}
		return cell
	})
	var out bytes.Buffer
	if _, err := table.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	// Colours and letters of several bytes do not move the columns.
	want := "NAME     WHAT\n\x1b[31mé\x1b[0m        x\ngrowth   \n"
	if out.String() != want || table.Len() != 2 {
		t.Errorf("got %d rows\n%q, want\n%q", table.Len(), out.String(), want)
	}
}

// What goes to a file or a pipe has neither colours nor lines that are overwritten.
func TestNoTerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	s := Streams{Out: file, Getenv: func(string) string { return "" }}
	if text := s.Painter(file).In(Red, "x"); text != "x" {
		t.Errorf("a file gets %q", text)
	}
	var out bytes.Buffer
	live := NewLive(&out)
	live.Show("reading")
	live.Clear()
	if out.Len() > 0 {
		t.Errorf("a pipe gets %q", out.String())
	}
}

func TestLiveLineFits(t *testing.T) {
	var out bytes.Buffer
	live := &Live{out: &out, on: true}
	live.Show("%s", strings.Repeat("é", 200))
	live.Clear()
	shown := strings.TrimSuffix(strings.TrimPrefix(out.String(), "\r\x1b[K"), "\r\x1b[K")
	if n := len([]rune(shown)); n != liveWidth {
		t.Errorf("the line is %d wide, want %d", n, liveWidth)
	}
}
