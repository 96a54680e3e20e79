package picture

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	legendLine  = 15
	legendShare = 0.35 // of a panel's height, as in Grafana
	swatch      = 16
	tolerance   = 0.3 // in pixels, within which points are left out
)

type point struct{ x, y float64 }

// A plot is where lines are drawn, and which values it shows.
type plot struct {
	frame
	lo, hi float64
	steps  int
}

func (p plot) at(i int, v float64) point {
	v = min(max(v, p.lo), p.hi)
	return point{p.x + p.w*float64(i)/float64(max(p.steps-1, 1)), p.y + p.h*(p.hi-v)/(p.hi-p.lo)}
}

// timeSeries draws lines with axes and a legend.
func (c *canvas) timeSeries(box frame, r Result, run Run) {
	if len(r.Series) == 0 {
		c.text("below", box.x+box.w/2, box.y+box.h/2, "No data")
		return
	}
	field := r.Panel.FieldConfig.Defaults
	lines := legendLines(r.Series, box)
	below := float64(len(lines)*legendLine) + 30
	tops, bottoms := stack(r.Series, field.Custom.Stacking.Mode == "normal")
	lo, hi, step := bounds(field, tops)
	var labels []string
	widest := 0.0
	for i := range 1 + int(math.Round((hi-lo)/step)) {
		label := scales[field.Unit].format(lo+float64(i)*step, nil)
		labels = append(labels, label)
		widest = max(widest, width(label, textSize))
	}
	p := plot{
		frame: frame{box.x + widest + 16, box.y + 34, box.w - widest - 32, box.h - 34 - below},
		lo:    lo, hi: hi, steps: len(r.Series[0].Values),
	}
	for i, label := range labels {
		y := p.at(0, lo+float64(i)*step).y
		c.add(`<path class="grid" d="M%s %sh%s"/>`, number(p.x), number(y), number(p.w))
		c.text("left", p.x-6, y+4, label)
	}
	c.clock(p, run)
	// The first on top: a stacked line of nothing hides none that it lies on.
	for i := range slices.Backward(r.Series) {
		c.series(p, i, field, tops[i], bottoms[i])
	}
	if field.Custom.ThresholdsStyle.Mode == "line" {
		for _, t := range field.Thresholds.Steps {
			if color, ok := named[t.Color]; ok && t.Value != nil {
				c.add(`<path style="fill:none;stroke:%s" d="M%s %sh%s"/>`, color, number(p.x), number(p.at(0, *t.Value).y), number(p.w))
			}
		}
	}
	c.legend(box, lines)
}

// stack returns where each series is drawn and where what it covers begins.
func stack(series []Series, stacked bool) (tops, bottoms [][]float64) {
	for i, s := range series {
		top, bottom := slices.Clone(s.Values), make([]float64, len(s.Values))
		if stacked && i > 0 {
			for k := range top {
				bottom[k] = bottoms[i-1][k]
				if covered := tops[i-1][k]; !math.IsNaN(covered) {
					bottom[k] = covered
				}
				top[k] += bottom[k]
			}
		}
		tops, bottoms = append(tops, top), append(bottoms, bottom)
	}
	return tops, bottoms
}

// bounds returns the least and the greatest value that are shown, and the
// distance between gridlines.
func bounds(field Field, tops [][]float64) (lo, hi, step float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, values := range tops {
		for _, v := range values {
			if !math.IsNaN(v) {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	if field.Min != nil {
		lo = *field.Min
	}
	if field.Max != nil {
		hi = *field.Max
	}
	if hi <= lo {
		hi = lo + 1
	}
	step = scales[field.Unit].step(hi-lo, 5)
	lo = math.Floor(lo/step+1e-9) * step
	if field.Max == nil {
		hi = math.Ceil(hi/step-1e-9) * step
	}
	return lo, hi, step
}

// series draws one series and what it covers.
func (c *canvas) series(p plot, i int, field Field, top, bottom []float64) {
	color := i % len(palette)
	opacity := field.Custom.FillOpacity / 100
	var lines, areas strings.Builder
	for begin := 0; begin < len(top); begin++ {
		var above, under []point
		end := begin
		for ; end < len(top) && !math.IsNaN(top[end]); end++ {
			above = append(above, p.at(end, top[end]))
			under = append(under, p.at(end, bottom[end]))
		}
		if len(above) > 0 {
			lines.WriteString("M" + path(simplify(above)))
			slices.Reverse(under)
			areas.WriteString("M" + path(simplify(above)) + "L" + path(simplify(under)) + "z")
		}
		begin = end
	}
	if areas.Len() > 0 {
		c.add(`<path class="f%d" fill-opacity="%v" d="%s"/>`, color, opacity, areas.String())
	}
	if lines.Len() > 0 {
		c.add(`<path class="l%d" d="%s"/>`, color, lines.String())
	}
}

// path writes points, each but the first by its distance from the one before,
// which is shorter; a point that stands alone becomes a dot.
func path(points []point) string {
	out := number(points[0].x) + " " + number(points[0].y)
	if len(points) == 1 {
		return out + "h.1"
	}
	out += "l"
	for i, p := range points[1:] {
		before := points[i]
		for _, moved := range []string{number(round(p.x) - round(before.x)), number(round(p.y) - round(before.y))} {
			if !strings.HasSuffix(out, "l") && !strings.HasPrefix(moved, "-") {
				out += " "
			}
			out += moved
		}
	}
	return out
}

// simplify leaves out the points that a line through the others passes by, as
// Douglas and Peucker do.
func simplify(points []point) []point {
	if len(points) < 3 {
		return points
	}
	first, last := points[0], points[len(points)-1]
	worst, at := 0.0, 0
	for i, p := range points {
		if off := math.Abs(first.y + (last.y-first.y)*(p.x-first.x)/(last.x-first.x) - p.y); off > worst {
			worst, at = off, i
		}
	}
	if worst <= tolerance {
		return []point{first, last}
	}
	return slices.Concat(simplify(points[:at+1]), simplify(points[at:])[1:])
}

// clock draws the axis of time.
func (c *canvas) clock(p plot, run Run) {
	total := run.Step * time.Duration(p.steps-1)
	every, format, room := time.Hour, "15:04", 58.0
	for _, candidate := range []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute} {
		if float64(total/candidate)*room <= p.w {
			every = candidate
			break
		}
	}
	if every < time.Minute {
		format = "15:04:05"
	}
	for t := run.From.Truncate(every).Add(every); !t.After(run.From.Add(total)); t = t.Add(every) {
		x := p.x + p.w*float64(t.Sub(run.From))/float64(max(total, 1))
		c.add(`<path class="grid" d="M%s %sv%s"/>`, number(x), number(p.y), number(p.h))
		c.text("below", x, p.y+p.h+16, t.UTC().Format(format))
	}
}

// An entry is what a legend says about a series; without a color, about those
// that it has no room for.
type entry struct {
	color int
	name  string
}

// legendLines breaks a legend into lines that a panel has room for.
func legendLines(series []Series, box frame) [][]entry {
	lines := [][]entry{nil}
	x, most := 0.0, int(box.h*legendShare)/legendLine
	for i, s := range series {
		room := swatch + width(s.Name, textSize) + 12
		if x+room > box.w-18 && x > 0 {
			if len(lines) == most {
				last := &lines[most-1]
				*last = append((*last)[:len(*last)-1], entry{-1, fmt.Sprintf("… and %d more", len(series)-i+1)})
				break
			}
			lines, x = append(lines, nil), 0
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], entry{i % len(palette), s.Name})
		x += room
	}
	return lines
}

func (c *canvas) legend(box frame, lines [][]entry) {
	y := box.y + box.h - float64(len(lines)*legendLine) + 4
	for _, line := range lines {
		x := box.x + 9
		for _, e := range line {
			if e.color >= 0 {
				c.add(`<rect class="f%d" x="%s" y="%s" width="11" height="4" rx="1"/>`, e.color, number(x), number(y-5))
				x += swatch
			}
			c.text("name", x, y, e.name)
			x += width(e.name, textSize) + 12
		}
		y += legendLine
	}
}
