package picture

import (
	"math"
	"strconv"
)

// A scale is how the values of a unit are written, and which distances of
// gridlines look well.
type scale struct {
	// units are names, each with the least value that it is used for.
	units []unit
	// steps are distances between gridlines; beyond them, and without them,
	// the decimal ones.
	steps []float64
	// base is what the decimal distances are multiples of powers of; 10 if 0.
	base float64
}

type unit struct {
	least float64
	name  string
}

var thousands = []unit{{1e9, " Bil"}, {1e6, " Mil"}, {1e3, " K"}, {0, ""}}

// scales are the units that dashboards may use, by Grafana's names.
var scales = map[string]*scale{
	"short":       {units: thousands},
	"percentunit": {units: []unit{{0, "%"}}},
	"cpm":         {units: suffixed(" cpm")},
	"ops":         {units: suffixed(" ops/s")},
	"s": {
		units: []unit{{86400, " day"}, {3600, " hour"}, {60, " min"}, {1, " s"}, {1e-3, " ms"}, {0, " µs"}},
		steps: []float64{15, 30, 60, 120, 300, 600, 900, 1800, 3600},
	},
	"bytes": {units: []unit{{1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}, {0, " B"}}, base: 1024},
}

func suffixed(suffix string) []unit {
	var all []unit
	for _, u := range thousands {
		all = append(all, unit{u.least, u.name + suffix})
	}
	return all
}

// format writes a value, with three significant digits unless decimals says
// otherwise.
func (s *scale) format(v float64, decimals *int) string {
	if s == scales["percentunit"] {
		v *= 100
	}
	chosen := s.units[len(s.units)-1]
	for _, u := range s.units {
		if v != 0 && math.Abs(v) >= u.least {
			chosen = u
			break
		}
	}
	switch {
	case chosen.least > 0:
		v /= chosen.least
	case chosen.name == " µs" && v != 0:
		v *= 1e6
	case chosen.name == " µs":
		chosen.name = " s"
	}
	if decimals != nil {
		return strconv.FormatFloat(v, 'f', *decimals, 64) + chosen.name
	}
	digits := 2
	if size := math.Abs(v); size > 0 {
		digits = max(0, 2-int(math.Floor(math.Log10(size))))
	}
	power := math.Pow(10, float64(digits))
	return strconv.FormatFloat(math.Round(v*power)/power, 'f', -1, 64) + chosen.name
}

// step is the least good distance between gridlines of which at most so many
// cover a span.
func (s *scale) step(span float64, most int) float64 {
	least := span / float64(most)
	power := 1.0
	if s.base > 0 && least >= s.base {
		power = math.Pow(s.base, math.Floor(math.Log(least)/math.Log(s.base)))
	}
	for _, step := range s.steps {
		if least > s.steps[0]/3 && step >= least {
			return step
		}
	}
	power *= math.Pow(10, math.Floor(math.Log10(least/power)))
	for _, mantissa := range []float64{1, 2, 2.5, 5} {
		if mantissa*power >= least*(1-1e-9) {
			return mantissa * power
		}
	}
	return 10 * power
}
