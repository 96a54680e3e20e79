package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic"
)

// eventTTL is how long an event is kept, as in a default Kubernetes cluster.
const eventTTL = time.Hour

// The limits of events.k8s.io/v1 on new events.
const (
	maxEventFieldLength = 128
	maxEventNoteLength  = 1024
)

// eventTypes are the types of events.k8s.io/v1.
var eventTypes = []runtime.Object{&eventsv1.Event{}, &eventsv1.EventList{}}

// addEventTypes registers events.k8s.io/v1 with the core Event as its internal
// version: both APIs then serve the same stored objects.
func addEventTypes(s *runtime.Scheme) error {
	s.AddKnownTypes(eventsv1.SchemeGroupVersion, eventTypes...)
	s.AddKnownTypes(internalVersion(eventsv1.GroupName), &corev1.Event{}, &corev1.EventList{})
	metav1.AddToGroupVersion(s, eventsv1.SchemeGroupVersion)
	if err := s.SetVersionPriority(eventsv1.SchemeGroupVersion); err != nil {
		return err
	}
	conversions := []struct {
		from, to any
		convert  func(from, to any)
	}{
		{&eventsv1.Event{}, &corev1.Event{}, func(from, to any) { toCoreEvent(from.(*eventsv1.Event), to.(*corev1.Event)) }},
		{&corev1.Event{}, &eventsv1.Event{}, func(from, to any) { fromCoreEvent(from.(*corev1.Event), to.(*eventsv1.Event)) }},
		{&eventsv1.EventList{}, &corev1.EventList{}, func(from, to any) {
			in, out := from.(*eventsv1.EventList), to.(*corev1.EventList)
			out.ListMeta, out.Items = in.ListMeta, make([]corev1.Event, len(in.Items))
			for i := range in.Items {
				toCoreEvent(&in.Items[i], &out.Items[i])
			}
		}},
		{&corev1.EventList{}, &eventsv1.EventList{}, func(from, to any) {
			in, out := from.(*corev1.EventList), to.(*eventsv1.EventList)
			out.ListMeta, out.Items = in.ListMeta, make([]eventsv1.Event, len(in.Items))
			for i := range in.Items {
				fromCoreEvent(&in.Items[i], &out.Items[i])
			}
		}},
	}
	for _, c := range conversions {
		err := s.AddConversionFunc(c.from, c.to, func(from, to any, _ conversion.Scope) error {
			c.convert(from, to)
			return nil
		})
		if err != nil {
			return fmt.Errorf("register the conversion from %T to %T: %w", c.from, c.to, err)
		}
	}
	return addEventFieldLabels(s)
}

// eventFieldLabels are the field labels of the two APIs, by the label of the
// stored core Event.
var eventFieldLabels = []struct{ core, events string }{
	{"involvedObject.kind", "regarding.kind"},
	{"involvedObject.namespace", "regarding.namespace"},
	{"involvedObject.name", "regarding.name"},
	{"involvedObject.uid", "regarding.uid"},
	{"involvedObject.apiVersion", "regarding.apiVersion"},
	{"involvedObject.resourceVersion", "regarding.resourceVersion"},
	{"involvedObject.fieldPath", "regarding.fieldPath"},
	{"reason", "reason"},
	{"reportingComponent", "reportingController"},
	{"source", "source"},
	{"type", "type"},
}

func addEventFieldLabels(s *runtime.Scheme) error {
	core, events := map[string]string{}, map[string]string{}
	for _, label := range eventFieldLabels {
		core[label.core], events[label.events] = label.core, label.core
	}
	if err := s.AddFieldLabelConversionFunc(corev1.SchemeGroupVersion.WithKind("Event"), renameFieldLabels(core)); err != nil {
		return err
	}
	return s.AddFieldLabelConversionFunc(eventsv1.SchemeGroupVersion.WithKind("Event"), renameFieldLabels(events))
}

func toCoreEvent(in *eventsv1.Event, out *corev1.Event) {
	*out = corev1.Event{
		ObjectMeta:          in.ObjectMeta,
		InvolvedObject:      in.Regarding,
		Reason:              in.Reason,
		Message:             in.Note,
		Source:              in.DeprecatedSource,
		FirstTimestamp:      in.DeprecatedFirstTimestamp,
		LastTimestamp:       in.DeprecatedLastTimestamp,
		Count:               in.DeprecatedCount,
		Type:                in.Type,
		EventTime:           in.EventTime,
		Action:              in.Action,
		Related:             in.Related,
		ReportingController: in.ReportingController,
		ReportingInstance:   in.ReportingInstance,
	}
	if in.Series != nil {
		out.Series = &corev1.EventSeries{Count: in.Series.Count, LastObservedTime: in.Series.LastObservedTime}
	}
}

func fromCoreEvent(in *corev1.Event, out *eventsv1.Event) {
	*out = eventsv1.Event{
		ObjectMeta:               in.ObjectMeta,
		EventTime:                in.EventTime,
		ReportingController:      in.ReportingController,
		ReportingInstance:        in.ReportingInstance,
		Action:                   in.Action,
		Reason:                   in.Reason,
		Regarding:                in.InvolvedObject,
		Related:                  in.Related,
		Note:                     in.Message,
		Type:                     in.Type,
		DeprecatedSource:         in.Source,
		DeprecatedFirstTimestamp: in.FirstTimestamp,
		DeprecatedLastTimestamp:  in.LastTimestamp,
		DeprecatedCount:          in.Count,
	}
	if in.Series != nil {
		out.Series = &eventsv1.EventSeries{Count: in.Series.Count, LastObservedTime: in.Series.LastObservedTime}
	}
}

// eventAttrs returns what label and field selectors match an event by.
func eventAttrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	event, ok := obj.(*corev1.Event)
	if !ok {
		return nil, nil, fmt.Errorf("%T is no event", obj)
	}
	source := event.Source.Component
	if source == "" {
		source = event.ReportingController
	}
	set := fields.Set{
		"involvedObject.kind":            event.InvolvedObject.Kind,
		"involvedObject.namespace":       event.InvolvedObject.Namespace,
		"involvedObject.name":            event.InvolvedObject.Name,
		"involvedObject.uid":             string(event.InvolvedObject.UID),
		"involvedObject.apiVersion":      event.InvolvedObject.APIVersion,
		"involvedObject.resourceVersion": event.InvolvedObject.ResourceVersion,
		"involvedObject.fieldPath":       event.InvolvedObject.FieldPath,
		"reason":                         event.Reason,
		"reportingComponent":             event.ReportingController,
		"source":                         source,
		"type":                           event.Type,
	}
	return event.Labels, generic.AddObjectMetaFieldsSet(set, &event.ObjectMeta, true), nil
}

// validateEvent refuses what Kubernetes refuses: an event outside the
// namespace of its object (that of a cluster-scoped object belongs into
// default), and through events.k8s.io/v1 one that lacks a required field.
func validateEvent(ctx context.Context, obj runtime.Object) field.ErrorList {
	event := obj.(*corev1.Event)
	var errs field.ErrorList
	want := event.InvolvedObject.Namespace
	if want == "" {
		want = metav1.NamespaceDefault
	}
	if event.Namespace != want {
		errs = append(errs, field.Invalid(field.NewPath("involvedObject", "namespace"), event.InvolvedObject.Namespace,
			fmt.Sprintf("does not match event.namespace: this event belongs into %q", want)))
	}
	info, ok := request.RequestInfoFrom(ctx)
	if !ok || info.APIGroup != eventsv1.GroupName || info.Verb != "create" {
		return errs // an update may be of an event made through the core API
	}
	if event.EventTime.IsZero() {
		errs = append(errs, field.Required(field.NewPath("eventTime"), "set the time of the event"))
	}
	for _, required := range []struct {
		name, value string
	}{
		{"reportingController", event.ReportingController},
		{"reportingInstance", event.ReportingInstance},
		{"action", event.Action},
		{"reason", event.Reason},
	} {
		path := field.NewPath(required.name)
		switch {
		case required.value == "":
			errs = append(errs, field.Required(path, "an event of events.k8s.io/v1 needs it"))
		case len(required.value) > maxEventFieldLength:
			errs = append(errs, field.TooLong(path, required.value, maxEventFieldLength))
		}
	}
	if len(event.Message) > maxEventNoteLength {
		errs = append(errs, field.TooLong(field.NewPath("note"), event.Message, maxEventNoteLength))
	}
	if event.Type != corev1.EventTypeNormal && event.Type != corev1.EventTypeWarning {
		errs = append(errs, field.NotSupported(field.NewPath("type"), event.Type, []string{corev1.EventTypeNormal, corev1.EventTypeWarning}))
	}
	return errs
}
