package export

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
)

// teamSpec sets the fields that are to be managed to what the console holds. A
// field that a Team cannot express as it is stays unmanaged, with a note: what
// is written must never take anything from the console's team.
func teamSpec(team *console.Team, manage Manage, note func(string, ...any)) v1alpha1.TeamSpec {
	var spec v1alpha1.TeamSpec
	if !team.MembersKnown {
		note("members and admins are not managed: the console does not tell them.")
	} else {
		people(team, &spec, note)
	}
	if manage == ManageAccess {
		return spec
	}
	all := manage == ManageAll
	unmanaged := func(field, why string) { note("%s is not managed: %s.", field, why) }
	switch text := strings.TrimSpace(team.Description); {
	case utf8.RuneCountInString(text) > maxDescription || noText.MatchString(text):
		unmanaged("description", "it is longer than a Team permits, or holds control characters")
	case text != "" || all:
		spec.Description = &text
	}
	for _, m := range []struct {
		field string
		have  []console.Metric
		set   *[]v1alpha1.Metric
	}{
		{"defaultGateMetrics", team.DefaultGateMetrics, &spec.DefaultGateMetrics},
		{"defaultExperimentPrimaryMetrics", team.DefaultExperimentPrimaryMetrics, &spec.DefaultExperimentPrimaryMetrics},
		{"defaultExperimentSecondaryMetrics", team.DefaultExperimentSecondaryMetrics, &spec.DefaultExperimentSecondaryMetrics},
		{"defaultHoldoutMetrics", team.DefaultHoldoutMetrics, &spec.DefaultHoldoutMetrics},
	} {
		if len(m.have) == 0 && !all {
			continue
		}
		if metrics, ok := metricList(m.have); ok {
			*m.set = metrics
		} else {
			unmanaged(m.field, "there are too many, or one has a name or type that a Team does not permit")
		}
	}
	choice := func(field, value string, permitted []string, set *string) {
		if slices.Contains(permitted, value) {
			*set = value
		} else if value != "" {
			unmanaged(field, "its value \""+value+"\" is not known to this version")
		}
	}
	choice("changeTeamConfigs", team.ChangeTeamConfigs, changeTeamConfigs, &spec.ChangeTeamConfigs)
	choice("reviewApproval", team.ReviewApproval, reviewApproval, &spec.ReviewApproval)
	if len(team.DefaultTargetApplications) > 0 || all {
		if apps, ok := applications(team.DefaultTargetApplications); ok {
			spec.DefaultTargetApplications = apps
		} else {
			unmanaged("defaultTargetApplications", "there are too many, or one has a name that a Team does not permit")
		}
	}
	flags(team, &spec, all)
	return spec
}

// flags are the nullable fields, for which null means the same as false or "".
func flags(team *console.Team, spec *v1alpha1.TeamSpec, all bool) {
	for _, f := range []struct {
		have *bool
		set  **bool
	}{
		{team.RequireReviews, &spec.RequireReviews},
		{team.RequireGateTemplates, &spec.RequireGateTemplates},
		{team.RequireExperimentTemplates, &spec.RequireExperimentTemplates},
		{team.RequireDynamicConfigTemplates, &spec.RequireDynamicConfigTemplates},
	} {
		if f.have != nil || all {
			*f.set = new(f.have != nil && *f.have)
		}
	}
	if id := team.DefaultHoldoutID; id != nil && line(*id, maxHoldoutID) {
		spec.DefaultHoldoutID = new(*id)
	} else if all && id == nil {
		spec.DefaultHoldoutID = new("")
	}
}

// people sets members and admins, also when there are none: who may have access
// is what a Team is for. Admins count as members and are not repeated.
func people(team *console.Team, spec *v1alpha1.TeamSpec, note func(string, ...any)) {
	admins, ok := addresses(team.Admins, nil)
	if ok {
		spec.Admins = admins
	} else {
		note("admins are not managed: there are more than a Team permits, or one has an address that it does not permit.")
	}
	if members, ok := addresses(team.Members, team.Admins); ok {
		spec.Members = members
	} else {
		note("members are not managed: there are more than a Team permits, or one has an address that it does not permit.")
	}
}

// addresses returns the people without those of except, each once, sorted; ok
// is false when a Team cannot name all of them.
func addresses(people, except []string) (list []v1alpha1.EmailAddress, ok bool) {
	seen := map[string]bool{}
	for _, email := range except {
		seen[console.EmailKey(email)] = true
	}
	list = []v1alpha1.EmailAddress{}
	for _, email := range people {
		email = strings.TrimSpace(email)
		if seen[console.EmailKey(email)] {
			continue
		}
		if !validEmail(email) {
			return nil, false
		}
		seen[console.EmailKey(email)] = true
		list = append(list, v1alpha1.EmailAddress(email))
	}
	slices.SortFunc(list, func(a, b v1alpha1.EmailAddress) int {
		return strings.Compare(console.EmailKey(string(a)), console.EmailKey(string(b)))
	})
	return list, len(list) <= maxPeople
}

func metricList(have []console.Metric) (list []v1alpha1.Metric, ok bool) {
	list = []v1alpha1.Metric{}
	for _, m := range have {
		metric := v1alpha1.Metric{Name: strings.TrimSpace(m.Name), Type: strings.TrimSpace(m.Type)}
		if metric.Name == "" || metric.Type == "" || !line(metric.Name, maxMetricName) || !line(metric.Type, maxMetricType) {
			return nil, false
		}
		if !slices.Contains(list, metric) {
			list = append(list, metric)
		}
	}
	return list, len(list) <= maxListed
}

func applications(have []string) (list []string, ok bool) {
	list = []string{}
	for _, app := range have {
		app = strings.TrimSpace(app)
		if app == "" || !line(app, maxApplication) {
			return nil, false
		}
		if !slices.Contains(list, app) {
			list = append(list, app)
		}
	}
	return list, len(list) <= maxListed
}
