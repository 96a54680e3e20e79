package quota

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

func sampleRecord() Record {
	at := time.UnixMilli(1_700_000_000_000)
	return Record{
		Writer:      "manager-0",
		ClosedUntil: at.Add(time.Second),
		Windows: []WindowRecord{
			{Per: 10 * time.Second, Spent: []Spent{{at, 3}, {at.Add(time.Second), 1}}},
			{Per: 15 * time.Minute, Spent: []Spent{{at, 3}}, Guess: 2, GuessUntil: at.Add(time.Hour)},
		},
		ProbeAt: at.Add(2 * time.Second),
		Open:    []Block{{22, at.Add(15 * time.Second)}},
		Former: []Former{{Quota: "before", At: at, Windows: []WindowRecord{
			{Per: 10 * time.Second, Spent: []Spent{{at, 2}}},
		}}},
	}
}

func TestRecordRoundTrip(t *testing.T) {
	want := sampleRecord()
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Record
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestRecordStaysSmall spreads as many requests as fit over the longest window.
func TestRecordStaysSmall(t *testing.T) {
	bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
		for range 900 {
			spendNow(t, l, Change, 1)
			time.Sleep(997 * time.Millisecond)
		}
		synctest.Wait()
		r := l.Export()
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d bytes", len(data))
		if len(data) > 2048 {
			t.Errorf("the record takes %d bytes, want at most 2048", len(data))
		}
		n := 0
		for _, s := range r.Windows[1].Spent {
			n += s.N
		}
		if n != l.Stats().Windows[1].Used {
			t.Errorf("the record holds %d requests, the window %d", n, l.Stats().Windows[1].Used)
		}
	})
}

// FuzzRecord decodes arbitrary bytes: either they are refused as damaged, or
// what was read is written and read back the same, in no more space than a
// ConfigMap has, and can be restored. Whatever it says, the windows are free
// again when the last request it could tell of has left them.
func FuzzRecord(f *testing.F) {
	sample, err := json.Marshal(sampleRecord())
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		string(sample), `{}`, `null`, `{"v":1}`, `{"v":2}`,
		`{"v":1,"windows":[{"per":1,"spent":[1]}]}`,
		`{"v":1,"windows":[{"per":1,"spent":[1,-1]}]}`,
		`{"v":1,"windows":[{"per":9223372036854775807,"spent":[8796093022208,1048576,0,1]}]}`,
		`{"v":1,"windows":[],"open":[[1,9223372036854775807]]}`,
		`{"v":1,"windows":[],"former":[{"quota":"a","at":1,"windows":[]},{"quota":"a","at":-1}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Record
		if err := r.UnmarshalJSON(data); err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("%v does not wrap ErrDamaged", err)
			}
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back Record
		if err := json.Unmarshal(again, &back); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if !reflect.DeepEqual(r, back) {
			t.Fatalf("read %+v, written and read %+v", r, back)
		}
		if len(again) > 1<<20 && len(again) > 2*len(data) {
			t.Fatalf("%d bytes become %d", len(data), len(again))
		}
		bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
			l.Import("another", r)
			for _, w := range l.Stats().Windows {
				if w.Used < 0 {
					t.Fatalf("%d used", w.Used)
				}
			}
			if wait, ok := l.Waiting("nobody"); ok {
				t.Fatalf("nobody waits: %v", wait)
			}
			longest := l.windows[len(l.windows)-1]
			time.Sleep(max(maxRetryAfter, BlockLife+l.maxCall+2*longest.hold()))
			for _, w := range l.Stats().Windows {
				if w.Used != 0 || w.Capacity != w.Limit {
					t.Fatalf("%d of %d per %v are used for ever, or %d guessed", w.Used, w.Limit, w.Per, w.Capacity)
				}
			}
			if until := l.Stats().ClosedUntil; !until.IsZero() {
				t.Fatalf("closed until %v", until)
			}
		})
	})
}
