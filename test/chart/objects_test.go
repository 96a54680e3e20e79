package chart

import (
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// cases are installations that differ in what they make.
var cases = map[string][]string{
	"as it comes":  image,
	"all options":  options,
	"as little":    append([]string{"rbac.create=false,rbac.accessRoles.create=false,serviceAccount.create=false,crds.enabled=false,metrics.enabled=false,leaderElection.enabled=false"}, image...),
	"a long name":  append([]string{"fullnameOverride=abcdefghijklmnopqrstuvwxyzab"}, options...),
	"own settings": append([]string{"metrics.certificateSecretName=tls,replicas=3,extraArgs={--enable-http2},extraEnv[0].name=NO_PROXY,extraEnv[0].value=.svc,podLabels.a=b,podAnnotations.a=b,tolerations[0].key=a,affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey=zone,topologySpreadConstraints[0].maxSkew=1,imagePullSecrets[0].name=pull,networkPolicy.egress[0].ports[0].port=443,commonLabels.team=access"}, options...),
}

// TestLint: helm lint --strict has nothing to say but that there is no icon.
func TestLint(t *testing.T) {
	for name, values := range cases {
		t.Run(name, func(t *testing.T) {
			lint := action.NewLint()
			lint.Strict, lint.Namespace = true, namespace
			var err error
			if lint.KubeVersion, err = chartutil.ParseKubeVersion(oldestKubernetes); err != nil {
				t.Fatal(err)
			}
			result := lint.Run([]string{directory}, set(t, values...))
			for _, err := range result.Errors {
				t.Error(err)
			}
			for _, message := range result.Messages {
				if message.Severity > support.InfoSev || !strings.Contains(message.Error(), "icon is recommended") {
					t.Error(message)
				}
			}
		})
	}
}

// TestObjectsAreValid: every object is of a kind that Kubernetes or the
// Prometheus operator knows, has no field that this kind does not have, has a
// name and labels that are permitted, and is where the release is.
func TestObjectsAreValid(t *testing.T) {
	for name, values := range cases {
		t.Run(name, func(t *testing.T) {
			seen := map[string]bool{}
			for _, object := range render(t, set(t, values...)) {
				decode(t, object)
				id := object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
				if seen[id] {
					t.Errorf("there are two of %s", id)
				}
				seen[id] = true
				for _, problem := range problems(object) {
					t.Errorf("%s: %s", id, problem)
				}
			}
			if !seen["Deployment "+namespace+"/"+deploymentName(values)] {
				t.Errorf("there is no Deployment among %v", seen)
			}
		})
	}
}

func deploymentName(values []string) string {
	for _, line := range values {
		if name, ok := strings.CutPrefix(line, "fullnameOverride="); ok {
			return name + "-controller-manager"
		}
	}
	return release + "-controller-manager"
}

// clusterWide are the kinds that are in no namespace.
var clusterWide = []string{"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}

// problems are what the API server would refuse in the metadata.
func problems(object *unstructured.Unstructured) []string {
	var out []string
	if slices.Contains(clusterWide, object.GetKind()) == (object.GetNamespace() == namespace) {
		out = append(out, "is in the namespace "+object.GetNamespace())
	}
	check := validation.IsDNS1123Subdomain
	if object.GetKind() == "Service" {
		check = validation.IsDNS1035Label
	}
	out = append(out, check(object.GetName())...)
	for _, err := range metav1validation.ValidateLabels(object.GetLabels(), field.NewPath("labels")) {
		out = append(out, err.Error())
	}
	if object.GetLabels()["app.kubernetes.io/managed-by"] != "Helm" {
		out = append(out, "has not the chart's labels")
	}
	return out
}

// TestRestricted: the Pods are what the restricted Pod Security Standard admits,
// by the checks of the API server itself.
func TestRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for name, values := range cases {
		t.Run(name, func(t *testing.T) {
			object := find(t, render(t, set(t, values...)), "Deployment", deploymentName(values))
			pod := decode(t, object).(*appsv1.Deployment).Spec.Template
			result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
			if !result.Allowed {
				t.Error(result.ForbiddenDetail())
			}
		})
	}
}
