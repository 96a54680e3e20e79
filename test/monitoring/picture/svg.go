package picture

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Measures, in pixels.
const (
	columns   = 24
	column    = 46 // from one column to the next
	row       = 34 // from one row to the next
	gap       = 8  // between panels
	margin    = 12
	header    = 44
	titleSize = 13
	textSize  = 11
)

// ink is the color of titles.
const ink = "#24292f"

// palette are the colors of series, in order.
var palette = []string{
	"#3f8f4f", "#d9a400", "#2f7fc1", "#e0702a", "#c93a4b", "#7a5bb5",
	"#1f9e9e", "#b0508f", "#7d8a2e", "#8a5a3c", "#5a6b8c", "#d0679d",
}

// named are the colors of thresholds.
var named = map[string]string{"green": "#3f8f4f", "yellow": "#c99700", "red": "#c93a4b"}

// A canvas is an SVG that is being written.
type canvas struct{ strings.Builder }

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(c, format+"\n", args...) }

func (c *canvas) text(class string, x, y float64, text string) {
	c.add(`<text class="%s" x="%s" y="%s">%s</text>`, class, number(x), number(y), html.EscapeString(text))
}

// number writes a coordinate, to a tenth of a pixel.
func number(v float64) string { return strconv.FormatFloat(round(v), 'f', -1, 64) }

func round(v float64) float64 { return math.Round(v*10) / 10 }

// width is about how wide a text is; the font that it is shown in is unknown.
func width(text string, size float64) float64 {
	total := 0.0
	for _, r := range text {
		switch {
		case strings.ContainsRune("iljtfrI.,:;|/()[]{}' ", r):
			total += 0.33
		case strings.ContainsRune("mwMW%@", r):
			total += 0.9
		case r >= 'A' && r <= 'Z':
			total += 0.7
		default:
			total += 0.57
		}
	}
	return total * size
}

// Draw draws a dashboard with what its queries answered in a run.
func Draw(b Board, results []Result, run Run) []byte {
	bottom := 0
	for _, p := range b.Panels {
		bottom = max(bottom, p.GridPos.Y+p.GridPos.H)
	}
	w, h := columns*column-gap+2*margin, header+bottom*row-gap+margin
	c := &canvas{}
	c.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="%s">`,
		w, h, html.EscapeString("The dashboard "+b.Title))
	c.style()
	c.add(`<rect class="page" width="%d" height="%d"/>`, w, h)
	c.head(b, run, float64(w))
	for _, r := range results {
		p := r.Panel
		box := frame{
			x: float64(margin + p.GridPos.X*column), y: float64(header + p.GridPos.Y*row),
			w: float64(p.GridPos.W*column - gap), h: float64(p.GridPos.H*row - gap),
		}
		c.add(`<g id="panel-%d" data-drawn="%s" aria-label="%s">`, p.ID, p.digest(), html.EscapeString(p.Title))
		switch p.Type {
		case KindRow:
			c.add(`<path class="chevron" d="M%s %sl4 4 4-4"/>`, number(box.x+4), number(box.y+box.h/2-1))
			c.text("row", box.x+20, box.y+box.h/2+5, p.Title)
		case KindStat:
			c.panel(box, p.Title)
			c.stat(box, r)
		case KindTimeSeries:
			c.panel(box, p.Title)
			c.timeSeries(box, r, run)
		}
		c.add("</g>")
	}
	c.add("</svg>")
	return []byte(c.String())
}

func (c *canvas) style() {
	c.add("<style>")
	c.add("text{font:%dpx Inter,Helvetica,Arial,sans-serif;fill:#4a4f57}", textSize)
	c.add(".page{fill:#f1f2f4}.box{fill:#fff;stroke:#dcdee2}.grid{stroke:#e6e8eb}.chevron{fill:none;stroke:#4a4f57;stroke-width:1.5}")
	c.add("text.board,text.row,text.title{font-weight:600;fill:%s}text.board{font-size:19px}text.row{font-size:15px}text.title{font-size:%dpx}", ink, titleSize)
	c.add("text.value{font-size:34px;font-weight:600;text-anchor:middle}")
	c.add("text.left{text-anchor:end}text.below{text-anchor:middle}text.said{font-size:12px}text.right{font-size:12px;text-anchor:end}")
	for i, color := range palette {
		c.add(".l%d{fill:none;stroke:%s;stroke-width:1.4;stroke-linejoin:round;stroke-linecap:round}.f%[1]d{fill:%[2]s}", i, color)
	}
	c.add("</style>")
}

// head says what is shown: the dashboard, its variables, and which time.
func (c *canvas) head(b Board, run Run, w float64) {
	c.text("board", margin, 29, b.Title)
	x := margin + width(b.Title, 19) + 28
	for _, v := range b.Templating.List {
		chosen := "All"
		if v.AllValue == "" {
			chosen = "Prometheus"
		}
		said := v.Label + ": " + chosen
		c.text("said", x, 28, said)
		x += width(said, 12) + 22
	}
	c.text("right", w-margin, 28, fmt.Sprintf("%.0f minutes of a real run (UTC), drawn by make dashboard-picture, not by Grafana",
		run.To.Sub(run.From).Minutes()))
}

// A frame is a rectangle of the picture.
type frame struct{ x, y, w, h float64 }

func (c *canvas) panel(box frame, title string) {
	c.add(`<rect class="box" x="%s" y="%s" width="%s" height="%s" rx="3"/>`, number(box.x), number(box.y), number(box.w), number(box.h))
	c.text("title", box.x+9, box.y+20, title)
}

// stat draws one number, in the color of its threshold.
func (c *canvas) stat(box frame, r Result) {
	field := r.Panel.FieldConfig.Defaults
	for _, s := range r.Series {
		v := s.Values[len(s.Values)-1]
		said := scales[field.Unit].format(v, field.Decimals)
		for _, m := range field.Mappings {
			if to, ok := m.Options[strconv.FormatFloat(v, 'f', -1, 64)]; ok {
				said = to.Text
			}
		}
		color := ink
		for _, step := range field.Thresholds.Steps {
			if step.Value == nil || v >= *step.Value {
				color = cmp.Or(named[step.Color], ink)
			}
		}
		c.add(`<text class="value" style="fill:%s" x="%s" y="%s">%s</text>`, color,
			number(box.x+box.w/2), number(box.y+box.h/2+20), html.EscapeString(said))
	}
}

// Stale says what a picture does not have, has no more or has otherwise than a
// dashboard; nil: it is the dashboard's.
func Stale(svg io.Reader, b Board) error {
	drawn := map[string]string{}
	for decoder := xml.NewDecoder(svg); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read the picture: %w", err)
		}
		if group, ok := token.(xml.StartElement); ok && group.Name.Local == "g" {
			attributes := map[string]string{}
			for _, a := range group.Attr {
				attributes[a.Name.Local] = a.Value
			}
			drawn[attributes["id"]] = attributes["data-drawn"]
		}
	}
	var wrong []error
	for _, p := range b.Panels {
		id := fmt.Sprintf("panel-%d", p.ID)
		if digest, ok := drawn[id]; !ok {
			wrong = append(wrong, fmt.Errorf("panel %d %q is not in the picture", p.ID, p.Title))
		} else if digest != p.digest() {
			wrong = append(wrong, fmt.Errorf("panel %d %q was another when the picture was drawn", p.ID, p.Title))
		}
		delete(drawn, id)
	}
	for id := range drawn {
		wrong = append(wrong, fmt.Errorf("%s is in the picture, but not in the dashboard", id))
	}
	slices.SortFunc(wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(wrong...)
}
