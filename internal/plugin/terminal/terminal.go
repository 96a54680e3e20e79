// Package terminal writes for people: tables, colours where they can be seen,
// and lines that are kept up to date.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"
)

// Streams are a program's input and outputs.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
}

// Colours for [Paint].
const (
	Bold   = "1"
	Faint  = "2"
	Red    = "31"
	Green  = "32"
	Yellow = "33"
)

// IsTerminal reports whether what is written to w, or read from it, is a person's
// terminal.
func IsTerminal(w any) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A Paint colours text, or leaves it as it is.
type Paint bool

// Painter colours only what goes to a terminal that can show it and whose user
// wants it (https://no-color.org).
func (s Streams) Painter(w io.Writer) Paint {
	return Paint(IsTerminal(w) && s.Getenv("NO_COLOR") == "" && s.Getenv("TERM") != "dumb")
}

// In returns text in a colour.
func (p Paint) In(colour, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// A Table is rows of cells, the first of them the headings.
type Table struct {
	rows  [][]string
	paint func(row, column int, cell string) string
}

// NewTable begins a table.
func NewTable(headings ...string) *Table { return &Table{rows: [][]string{headings}} }

// Row adds a row.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

// Paint has cells coloured after they were aligned. Row 0 holds the headings.
func (t *Table) Paint(paint func(row, column int, cell string) string) { t.paint = paint }

// Len is the number of rows under the headings.
func (t *Table) Len() int { return len(t.rows) - 1 }

// gap is between columns, as in kubectl's tables.
const gap = "   "

// WriteTo writes the table with aligned columns; the last is as wide as it is.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for r, row := range t.rows {
		for c, cell := range row {
			padding := ""
			if c < len(row)-1 {
				padding = strings.Repeat(" ", widths[c]-utf8.RuneCountInString(cell)) + gap
			}
			if t.paint != nil {
				cell = t.paint(r, c, cell)
			}
			b.WriteString(cell + padding)
		}
		b.WriteByte('\n')
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// A Live line is overwritten while something is under way, on a terminal; where
// there is none, nothing of it is shown.
type Live struct {
	mu    sync.Mutex
	out   io.Writer
	on    bool
	shown bool
}

// NewLive returns a live line.
func NewLive(out io.Writer) *Live { return &Live{out: out, on: IsTerminal(out)} }

// liveWidth keeps a live line on one line of a usual terminal.
const liveWidth = 78

// Show replaces the line.
func (l *Live) Show(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.on {
		return
	}
	text := []rune(fmt.Sprintf(format, args...))
	if len(text) > liveWidth {
		text = append(text[:liveWidth-1], '…')
	}
	fmt.Fprintf(l.out, "\r\x1b[K%s", string(text))
	l.shown = true
}

// Clear takes the line away.
func (l *Live) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown {
		fmt.Fprint(l.out, "\r\x1b[K")
		l.shown = false
	}
}
