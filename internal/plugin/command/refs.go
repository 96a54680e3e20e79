package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/plugin/cluster"
	"github.com/console-access/console-access-operator/internal/plugin/manifest"
)

// A kind is one of those that a person can name.
type kind struct {
	names []string
	list  func() client.ObjectList
	empty func() client.Object
}

var kinds = []kind{
	{[]string{"team", "teams"},
		func() client.ObjectList { return &v1alpha1.TeamList{} }, func() client.Object { return &v1alpha1.Team{} }},
	{[]string{"userrole", "userroles"},
		func() client.ObjectList { return &v1alpha1.UserRoleList{} }, func() client.Object { return &v1alpha1.UserRole{} }},
	{[]string{"consoleconnection", "consoleconnections", "cconn", "connection"},
		func() client.ObjectList { return &v1alpha1.ConsoleConnectionList{} }, func() client.Object { return &v1alpha1.ConsoleConnection{} }},
}

func kindNamed(name string) (kind, error) {
	// kubectl -o name writes team.console-access.dev/growth.
	name, _, _ = strings.Cut(strings.ToLower(name), ".")
	for _, k := range kinds {
		if slices.Contains(k.names, name) {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("%q is no kind of the operator's: give team, userrole or cconn", name)
}

// refFlags say which objects a command is about.
type refFlags struct {
	all      bool
	selector string
}

// refUsage is how objects are named, as with kubectl.
const refUsage = "(TYPE NAME... | TYPE/NAME... | TYPE --all | TYPE -l SELECTOR)"

func (f *refFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.all, "all", false, "all objects of that type in the namespace")
	cmd.Flags().StringVarP(&f.selector, "selector", "l", "", "the objects of that type with these `labels`, e.g. app=web")
	cmd.MarkFlagsMutuallyExclusive("all", "selector")
}

// find reads the objects that the arguments name.
func (f *refFlags) find(ctx context.Context, c *cluster.Cluster, args []string) ([]client.Object, error) {
	switch {
	case len(args) == 0:
		return nil, errors.New("nothing is named: give TYPE NAME or TYPE/NAME, e.g. team/growth")
	case f.all || f.selector != "":
		return f.list(ctx, c, args)
	case !strings.Contains(args[0], "/"):
		if len(args) == 1 {
			return nil, fmt.Errorf("no %s is named: give its name, or --all", args[0])
		}
		var slashed []string
		for _, name := range args[1:] {
			slashed = append(slashed, args[0]+"/"+name)
		}
		args = slashed
	}
	var objects []client.Object
	for _, arg := range args {
		kindName, name, slashed := strings.Cut(arg, "/")
		if !slashed || name == "" {
			return nil, fmt.Errorf("%q names no object: give TYPE/NAME, e.g. team/growth", arg)
		}
		k, err := kindNamed(kindName)
		if err != nil {
			return nil, err
		}
		obj := k.empty()
		err = c.Get(ctx, types.NamespacedName{Namespace: namespaceFor(obj, c), Name: name}, obj)
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("there is no %s %q%s: see kubectl get %ss", manifest.KindOf(obj), name, inNamespace(obj, c), strings.ToLower(manifest.KindOf(obj)))
		}
		if err != nil {
			return nil, cluster.Explain("read "+arg, err)
		}
		objects = append(objects, obj)
	}
	return objects, nil
}

func (f *refFlags) list(ctx context.Context, c *cluster.Cluster, args []string) ([]client.Object, error) {
	if len(args) > 1 || strings.Contains(args[0], "/") {
		return nil, errors.New("--all and -l go with a type alone: give no names")
	}
	k, err := kindNamed(args[0])
	if err != nil {
		return nil, err
	}
	selector, err := labels.Parse(f.selector)
	if err != nil {
		return nil, fmt.Errorf("the selector %q is malformed: %w", f.selector, err)
	}
	list := k.list()
	err = c.List(ctx, list, client.InNamespace(namespaceFor(k.empty(), c)), client.MatchingLabelsSelector{Selector: selector})
	if err != nil {
		return nil, cluster.Explain("list "+args[0], err)
	}
	var objects []client.Object
	_ = meta.EachListItem(list, func(obj runtime.Object) error {
		objects = append(objects, obj.(client.Object))
		return nil
	})
	if len(objects) == 0 {
		return nil, fmt.Errorf("there is no such %s%s", manifest.KindOf(k.empty()), inNamespace(k.empty(), c))
	}
	return objects, nil
}

// namespaceFor is "" for what is cluster-scoped.
func namespaceFor(obj client.Object, c *cluster.Cluster) string {
	if _, clusterScoped := obj.(*v1alpha1.ConsoleConnection); clusterScoped {
		return ""
	}
	return c.Namespace
}

func inNamespace(obj client.Object, c *cluster.Cluster) string {
	if namespace := namespaceFor(obj, c); namespace != "" {
		return fmt.Sprintf(" in namespace %q", namespace)
	}
	return ""
}

// refName is how an object is named in an answer.
func refName(obj client.Object) string {
	return strings.ToLower(manifest.KindOf(obj)) + "/" + obj.GetName()
}

// completeRefs has the shell complete types, and then names.
func (a *app) completeRefs(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	kindName, slash := "", ""
	switch before, _, slashed := strings.Cut(toComplete, "/"); {
	case slashed:
		kindName, slash = before, before+"/"
	case len(args) == 0:
		return []string{"team", "userrole", "cconn"}, cobra.ShellCompDirectiveNoFileComp
	default:
		kindName = args[0]
	}
	k, err := kindNamed(kindName)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.namesOf(cmd.Context(), k, slash), cobra.ShellCompDirectiveNoFileComp
}

// namesOf are the names of a kind's objects; none when they cannot be listed.
func (a *app) namesOf(ctx context.Context, k kind, prefix string) []string {
	c, err := a.cluster.Connect()
	if err != nil {
		return nil
	}
	list := k.list()
	if err := c.List(ctx, list, client.InNamespace(namespaceFor(k.empty(), c))); err != nil {
		return nil
	}
	var names []string
	_ = meta.EachListItem(list, func(obj runtime.Object) error {
		names = append(names, prefix+obj.(client.Object).GetName())
		return nil
	})
	return names
}

// completeConnections has the shell complete the flag from the cluster.
func (a *app) completeConnections(cmd *cobra.Command, flag string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		k, _ := kindNamed("cconn")
		return a.namesOf(cmd.Context(), k, ""), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // there is no such flag: a mistake of this package
	}
}
