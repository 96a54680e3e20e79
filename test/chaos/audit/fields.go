package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// set is a set of texts.
type set map[string]bool

func setOf(list []string) set {
	s := set{}
	for _, item := range list {
		s[strings.ToLower(item)] = true
	}
	return s
}

func (s set) without(other set) set {
	out := maps.Clone(s)
	maps.DeleteFunc(out, func(item string, _ bool) bool { return other[item] })
	return out
}

func (s set) String() string { return strings.Join(slices.Sorted(maps.Keys(s)), " ") }

func emails(list []v1alpha1.EmailAddress) set {
	s := set{}
	for _, email := range list {
		s[key(string(email))] = true
	}
	return s
}

// settings are a team's fields, in a form that is the same for all spellings of
// one value, but for the people.
func settings(t *consolesim.Team) map[string]string {
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	flag := func(p *bool) string { return fmt.Sprint(p != nil && *p) }
	metrics := func(list []consolesim.Metric) string {
		s := set{}
		for _, m := range list {
			s[m.Name+"/"+m.Type] = true
		}
		return s.String()
	}
	apps := set{}
	for _, app := range t.DefaultTargetApplications {
		apps[app] = true
	}
	return map[string]string{
		"name": t.Name, "description": text(t.Description),
		"defaultGateMetrics":                metrics(t.DefaultGateMetrics),
		"defaultExperimentPrimaryMetrics":   metrics(t.DefaultExperimentPrimaryMetrics),
		"defaultExperimentSecondaryMetrics": metrics(t.DefaultExperimentSecondaryMetrics),
		"defaultHoldoutMetrics":             metrics(t.DefaultHoldoutMetrics),
		"changeTeamConfigs":                 t.ChangeTeamConfigs, "reviewApproval": t.ReviewApproval,
		"defaultTargetApplications": apps.String(), "defaultHoldoutID": text(t.DefaultHoldoutID),
		"requireReviews":                flag(t.RequireReviews),
		"requireGateTemplates":          flag(t.RequireGateTemplates),
		"requireExperimentTemplates":    flag(t.RequireExperimentTemplates),
		"requireDynamicConfigTemplates": flag(t.RequireDynamicConfigTemplates),
	}
}

// managed are the fields that a spec sets, in the form of settings.
func managed(object string, spec *v1alpha1.TeamSpec) map[string]string {
	metrics := func(list []v1alpha1.Metric) []consolesim.Metric {
		var out []consolesim.Metric
		for _, m := range list {
			out = append(out, consolesim.Metric(m))
		}
		return out
	}
	all := settings(&consolesim.Team{
		Name: ConsoleName(object, spec), Description: spec.Description,
		DefaultGateMetrics:                metrics(spec.DefaultGateMetrics),
		DefaultExperimentPrimaryMetrics:   metrics(spec.DefaultExperimentPrimaryMetrics),
		DefaultExperimentSecondaryMetrics: metrics(spec.DefaultExperimentSecondaryMetrics),
		DefaultHoldoutMetrics:             metrics(spec.DefaultHoldoutMetrics),
		ChangeTeamConfigs:                 spec.ChangeTeamConfigs, ReviewApproval: spec.ReviewApproval,
		DefaultTargetApplications: spec.DefaultTargetApplications, DefaultHoldoutID: spec.DefaultHoldoutID,
		RequireReviews: spec.RequireReviews, RequireGateTemplates: spec.RequireGateTemplates,
		RequireExperimentTemplates:    spec.RequireExperimentTemplates,
		RequireDynamicConfigTemplates: spec.RequireDynamicConfigTemplates,
	})
	for field, set := range map[string]bool{
		"description":                       spec.Description != nil,
		"defaultGateMetrics":                spec.DefaultGateMetrics != nil,
		"defaultExperimentPrimaryMetrics":   spec.DefaultExperimentPrimaryMetrics != nil,
		"defaultExperimentSecondaryMetrics": spec.DefaultExperimentSecondaryMetrics != nil,
		"defaultHoldoutMetrics":             spec.DefaultHoldoutMetrics != nil,
		"changeTeamConfigs":                 spec.ChangeTeamConfigs != "",
		"reviewApproval":                    spec.ReviewApproval != "",
		"defaultTargetApplications":         spec.DefaultTargetApplications != nil,
		"defaultHoldoutID":                  spec.DefaultHoldoutID != nil,
		"requireReviews":                    spec.RequireReviews != nil,
		"requireGateTemplates":              spec.RequireGateTemplates != nil,
		"requireExperimentTemplates":        spec.RequireExperimentTemplates != nil,
		"requireDynamicConfigTemplates":     spec.RequireDynamicConfigTemplates != nil,
	} {
		if !set {
			delete(all, field)
		}
	}
	return all
}

// ConsoleName is what a Team, given as "namespace/name", is called in the console.
func ConsoleName(object string, spec *v1alpha1.TeamSpec) string {
	if spec.Name != "" {
		return spec.Name
	}
	_, name, _ := strings.Cut(object, "/")
	return name
}

// onlyMembers are a team's members who are not its admins too: whether an admin
// is also listed as a member makes no difference.
func onlyMembers(t *consolesim.Team) set { return setOf(t.Members).without(setOf(t.Admins)) }
