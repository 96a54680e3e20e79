package main

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/diff"
	"sigs.k8s.io/randfill"
)

func TestEventsAreOneInBothAPIs(t *testing.T) {
	client := newClient(t, sharedServer(t))
	ns := newNamespace(t, client)
	object := corev1.ObjectReference{APIVersion: "controlplane.test/v1", Kind: "Widget", Namespace: ns, Name: "a"}
	old := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "old"}, InvolvedObject: object,
		Reason: "Synced", Message: "in sync", Type: corev1.EventTypeNormal, Count: 2, LastTimestamp: metav1.Now(),
	}
	if _, err := client.CoreV1().Events(ns).Create(t.Context(), old, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	recent := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "recent"}, Regarding: object,
		Reason: "DriftDetected", Note: "it differs", Type: corev1.EventTypeWarning, Action: "Compare",
		EventTime: metav1.NowMicro(), ReportingController: "controlplane.test/manager", ReportingInstance: "manager-0",
	}
	if _, err := client.EventsV1().Events(ns).Create(t.Context(), recent, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	core, err := client.CoreV1().Events(ns).List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=a,reason=DriftDetected"})
	if err != nil || len(core.Items) != 1 {
		t.Fatalf("%d core events, error %v; want the one of events.k8s.io", len(core.Items), err)
	}
	if got := core.Items[0]; got.Message != "it differs" || got.InvolvedObject != object || got.ReportingController != recent.ReportingController {
		t.Errorf("core event %+v, want that of events.k8s.io", got)
	}
	listed, err := client.EventsV1().Events(ns).List(t.Context(), metav1.ListOptions{FieldSelector: "regarding.name=a,reason=Synced"})
	if err != nil || len(listed.Items) != 1 {
		t.Fatalf("%d events.k8s.io events, error %v; want the core one", len(listed.Items), err)
	}
	if got := listed.Items[0]; got.Note != "in sync" || got.DeprecatedCount != 2 || got.Regarding != object {
		t.Errorf("events.k8s.io event %+v, want the core one", got)
	}
}

func TestRefusedEvents(t *testing.T) {
	client := newClient(t, sharedServer(t))
	ns := newNamespace(t, client)
	clusterScoped := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "e"}, InvolvedObject: corev1.ObjectReference{Kind: "Gadget", Name: "g"}}
	_, err := client.CoreV1().Events(ns).Create(t.Context(), clusterScoped, metav1.CreateOptions{})
	if want := `this event belongs into "default"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("an event of a cluster-scoped object gave %v, want %q", err, want)
	}
	bare := &eventsv1.Event{ObjectMeta: metav1.ObjectMeta{Name: "e"}, Regarding: corev1.ObjectReference{Namespace: ns}}
	_, err = client.EventsV1().Events(ns).Create(t.Context(), bare, metav1.CreateOptions{})
	for _, want := range []string{"eventTime", "reportingController", "reportingInstance", "action", "reason", "type"} {
		if err == nil || !strings.Contains(err.Error(), want+": ") {
			t.Errorf("an event without %s gave %v, want it named", want, err)
		}
	}
}

// TestEventConversionKeepsAllFields converts events with every field set.
func TestEventConversionKeepsAllFields(t *testing.T) {
	fill := randfill.NewWithSeed(1).NilChance(0).NumElements(1, 2)
	for range 20 {
		core, events := &corev1.Event{}, &eventsv1.Event{}
		fill.Fill(core)
		core.TypeMeta = metav1.TypeMeta{}
		if err := scheme.Convert(core, events, nil); err != nil {
			t.Fatal(err)
		}
		back := &corev1.Event{}
		if err := scheme.Convert(events, back, nil); err != nil {
			t.Fatal(err)
		}
		if !equality.Semantic.DeepEqual(core, back) {
			t.Fatalf("an event changed on its way through events.k8s.io:\n%s", diff.Diff(core, back))
		}
	}
}

func TestEventTable(t *testing.T) {
	now := time.Now()
	list := &corev1.EventList{Items: []corev1.Event{
		{InvolvedObject: corev1.ObjectReference{Kind: "Widget", Name: "a"}, Type: "Normal", Reason: "Synced", Message: "in sync\n", LastTimestamp: metav1.NewTime(now.Add(-time.Minute))},
		{EventTime: metav1.NewMicroTime(now.Add(-time.Hour)), Series: &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(now.Add(-5 * time.Minute))}},
		{EventTime: metav1.NewMicroTime(now.Add(-2 * time.Hour))},
		{},
	}}
	got, err := tables["events"].ConvertToTable(t.Context(), list, &metav1.TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"60s", "5m", "120m", "<unknown>"} {
		if got.Rows[i].Cells[0] != want {
			t.Errorf("event %d was last seen %v ago, want %s", i, got.Rows[i].Cells[0], want)
		}
	}
	if got.Rows[0].Cells[3] != "widget/a" || got.Rows[0].Cells[4] != "in sync" || len(got.ColumnDefinitions) != 5 {
		t.Errorf("row %v under %v, want the object and the message trimmed", got.Rows[0].Cells, got.ColumnDefinitions)
	}
}
