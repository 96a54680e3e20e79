package command

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/plugin/cluster"
	"github.com/console-access/console-access-operator/internal/plugin/export"
	"github.com/console-access/console-access-operator/internal/plugin/inventory"
	"github.com/console-access/console-access-operator/internal/plugin/manifest"
	"github.com/console-access/console-access-operator/internal/plugin/terminal"
)

// exportFlags are the command line of export.
type exportFlags struct {
	console        consoleFlags
	connectionName string
	withConnection bool
	users, teams   []string
	manage         string
	outputDir      string
	split          string
	overwrite      bool
	output         string
}

func (a *app) exportCommand() *cobra.Command {
	f := &exportFlags{}
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write manifests for the users and teams that a console project has",
		Long: `Writes a UserRole for every user and a Team for every team of a console project.
Applying them changes nothing in the console: they say what it holds, and the Teams
have adoptionPolicy Adopt, so that the teams that are there are taken over. Nothing
is written to the console by this command either.

What the manifests cannot say as it is in the console, such as two teams of one name,
is left out or left unmanaged, and told on standard error.`,
		Example: `  # everything, one file per object, for the namespace growth
  kubectl console-access export --api-key-file key.txt -n growth --output-dir manifests
  kubectl apply --server-side -f manifests

  # through a connection that the cluster has already
  kubectl console-access export --connection default -n growth --output-dir manifests

  # the teams whose name begins with Growth, and nobody's role
  kubectl console-access export --connection default --team 'Growth*'

  # roles, members and admins only; all else stays as people set it in the console
  kubectl console-access export --connection default --manage access`,
		Args: noOperands("everything is given by flags"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.export(cmd.Context(), f) },
	}
	f.console.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.connectionName, "connection-name", "", "the connection that the manifests name; default: that of --connection, or else default")
	flags.BoolVar(&f.withConnection, "with-connection", false, "also write a ConsoleConnection to begin with, without --connection")
	flags.StringArrayVar(&f.users, "user", nil, "only users whose address matches this `pattern` (* and ?), and no teams unless --team is given; repeatable")
	flags.StringArrayVar(&f.teams, "team", nil, "only teams whose name matches this `pattern` (* and ?), and no users unless --user is given; repeatable")
	flags.StringVar(&f.manage, "manage", string(export.ManageGiven),
		"which fields the manifests manage: access (roles, members, admins), given (also all that have a value), all (also the empty ones)")
	flags.StringVar(&f.outputDir, "output-dir", "", "`directory` to write files into; default: standard output")
	flags.StringVar(&f.split, "split", string(manifest.PerObject), "with --output-dir, one file for each `object or kind`")
	flags.BoolVar(&f.overwrite, "overwrite", false, "with --output-dir, replace files")
	flags.StringVarP(&f.output, "output", "o", "yaml", "without --output-dir, the format: `yaml or json`")
	complete(cmd, "manage", string(export.ManageAccess), string(export.ManageGiven), string(export.ManageAll))
	complete(cmd, "split", string(manifest.PerObject), string(manifest.PerKind))
	complete(cmd, "output", "yaml", "json")
	a.completeConnections(cmd, "connection")
	cmd.MarkFlagsMutuallyExclusive("output-dir", "output")
	cmd.MarkFlagsMutuallyExclusive("connection", "with-connection")
	return cmd
}

func (f *exportFlags) check() error {
	switch {
	case f.manage != string(export.ManageAccess) && f.manage != string(export.ManageGiven) && f.manage != string(export.ManageAll):
		return fmt.Errorf("--manage is %q: give access, given or all", f.manage)
	case f.split != string(manifest.PerObject) && f.split != string(manifest.PerKind):
		return fmt.Errorf("--split is %q: give object or kind", f.split)
	case f.output != "yaml" && f.output != "json":
		return fmt.Errorf("--output is %q: give yaml or json", f.output)
	}
	for _, pattern := range append(f.users, f.teams...) {
		if _, err := path.Match(globs.Replace(pattern), ""); err != nil {
			return fmt.Errorf("the pattern %q is malformed: escape [ and \\ with a \\", pattern)
		}
	}
	return nil
}

func (a *app) export(ctx context.Context, f *exportFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	r, err := a.reach(ctx, &f.console)
	if err != nil {
		return err
	}
	defer r.Close()
	inv, err := a.read(ctx, r)
	if err != nil {
		return err
	}
	o, err := a.exportOptions(ctx, f, r)
	if err != nil {
		return err
	}
	result := export.Export(inv, o)
	objects := result.Objects()
	if f.withConnection {
		objects = append([]client.Object{sampleConnection(r, o.Connection, inv)}, objects...)
	}
	if err := a.writeExport(f, objects); err != nil {
		return err
	}
	a.tellExport(f, result)
	return nil
}

func (a *app) exportOptions(ctx context.Context, f *exportFlags, r *reached) (export.Options, error) {
	o := export.Options{Namespace: a.cluster.Namespace, Manage: export.Manage(f.manage)}
	all := len(f.users)+len(f.teams) == 0
	o.Users, o.Teams = selection(f.users, all, true), selection(f.teams, all, false)
	o.Connection = f.connectionName
	if o.Connection == "" {
		o.Connection = f.console.connection
	}
	if o.Connection == "" {
		o.Connection = "default"
	}
	if r.connection == nil {
		return o, nil
	}
	o.AllowedRoles = r.connection.Spec.AllowedRoles
	if err := a.checkNamespace(ctx, r); err != nil {
		return o, err
	}
	var err error
	o.Existing, err = existing(ctx, r.cluster, o.Connection)
	return o, err
}

// checkNamespace warns when objects in the namespace could not use the
// connection.
func (a *app) checkNamespace(ctx context.Context, r *reached) error {
	namespace := r.cluster.Namespace
	ok, err := access.Admits(ctx, r.cluster, r.connection, namespace)
	if err != nil {
		return cluster.Explain("see whether the connection admits the namespace", err)
	}
	if !ok {
		fmt.Fprintf(a.Err, "ConsoleConnection %q does not admit namespace %q: have it admitted in spec.allowedNamespaces before you apply, or give another --namespace.\n",
			r.connection.Name, namespace)
	}
	return nil
}

// existing returns what stands for users and teams of a connection already.
func existing(ctx context.Context, c *cluster.Cluster, connection string) (map[export.Claim]types.NamespacedName, error) {
	teams, roles, err := c.Objects(ctx, "")
	if err != nil {
		return nil, err
	}
	out := map[export.Claim]types.NamespacedName{}
	add := func(kind string, obj v1alpha1.AccessObject) {
		if obj.ConnectionName() == connection {
			out[export.Claim{Kind: kind, Of: obj.Claim()}] = types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}
		}
	}
	for i := range teams {
		add("Team", &teams[i])
	}
	for i := range roles {
		add("UserRole", &roles[i])
	}
	return out, nil
}

// selection matches names with any of the patterns; it is nil when nothing of
// the kind is wanted.
func selection(patterns []string, all, fold bool) export.Selection {
	if len(patterns) == 0 && !all {
		return nil
	}
	return func(name string) bool {
		for _, pattern := range patterns {
			if fold {
				pattern = console.EmailKey(pattern)
			}
			// A * is to match slashes, too.
			if ok, _ := path.Match(globs.Replace(pattern), globs.Replace(name)); ok {
				return true
			}
		}
		return len(patterns) == 0
	}
}

// globs takes slashes out of what is matched.
var globs = strings.NewReplacer("/", "\x00")

// sampleConnection is a ConsoleConnection to begin with: the roles that people
// have may be granted, and the rest is as by default.
func sampleConnection(r *reached, name string, inv *inventory.Inventory) *v1alpha1.ConsoleConnection {
	c := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: name}}
	c.Spec.Provider, c.Spec.Endpoint = r.target.Provider, r.target.Endpoint
	c.Spec.CABundle, c.Spec.AllowInsecure = r.target.CABundle, r.target.AllowInsecure
	c.Spec.APIKeySecretRef.Name = "console-api-key"
	c.Spec.AllowedRoles = export.RolesOf(inv)
	return c
}

func (a *app) writeExport(f *exportFlags, objects []client.Object) error {
	if f.outputDir != "" {
		_, others, err := manifest.WriteDir(f.outputDir, objects, manifest.Split(f.split), f.overwrite)
		if len(others) > 0 {
			fmt.Fprintf(a.Err, "%s also holds %d manifests that this export did not write, such as %s: remove them if they are out of date.\n",
				f.outputDir, len(others), others[0])
		}
		return err
	}
	encode := manifest.YAML
	if f.output == "json" {
		encode = manifest.JSON
	}
	text, err := encode(objects)
	if err == nil {
		_, err = a.Out.Write(text)
	}
	return err
}

// tellExport sums up on standard error, so that standard output can be applied.
func (a *app) tellExport(f *exportFlags, r *export.Result) {
	if len(r.Notes) > 0 {
		table := terminal.NewTable("KIND", "NAME", "NOTE")
		for _, n := range r.Notes {
			table.Row(n.Kind, n.Name, n.Message)
		}
		_, _ = table.WriteTo(a.Err)
	}
	fmt.Fprintf(a.Err, "Exported %d Teams and %d UserRoles", len(r.Teams), len(r.UserRoles))
	if f.outputDir == "" {
		fmt.Fprintln(a.Err, ".")
		return
	}
	apply := "kubectl apply --server-side -f " + f.outputDir
	if a.cluster.Namespace == "" {
		apply = "kubectl apply --server-side -n NAMESPACE -f " + f.outputDir
	}
	fmt.Fprintf(a.Err, " into %s. Look at them, then: %s\n", f.outputDir, apply)
}
