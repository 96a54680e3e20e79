package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/plugin/manifest"
	"github.com/console-access/console-access-operator/internal/plugin/plan"
	"github.com/console-access/console-access-operator/internal/plugin/terminal"
)

type planFlags struct {
	console        consoleFlags
	connectionName string
	files          []string
	recursive      bool
	output         string
	all            bool
}

func (a *app) planCommand() *cobra.Command {
	f := &planFlags{}
	cmd := &cobra.Command{
		Use:   "plan -f FILE",
		Short: "Show what applying manifests would change in the console",
		Long: `Compares manifests with the console, field by field, with the same code as the
operator, and shows what applying them would change there. Nothing is changed, neither
in the cluster nor in the console.

With --connection the cluster is asked, too, which team in the console each Team stands
for already, so that a changed name is shown as what it is: a rename. Without it teams
are found by their names, and a team that is there is taken to be the object's own.

Manifests that Kubernetes would refuse are refused in its words, by the definitions
that this version of the plugin came with, and nothing is planned.

What deleting objects would do is not part of a plan.

Exit codes: 0 nothing would change, 2 something would, 1 an error. Objects that would
not become Ready, such as those of people who are not in the project, are listed, and
do not change the exit code.`,
		Example: `  # what would kubectl apply -f manifests change in the console?
  kubectl console-access plan --connection default -f manifests

  # in a pipeline without access to the cluster
  kustomize build . | kubectl console-access plan --api-key-file key.txt -f -

  # for a program
  kubectl console-access plan --connection default -f manifests -o json`,
		Args: noOperands("name files with -f"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.plan(cmd.Context(), f) },
	}
	f.console.add(cmd)
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.files, "filename", "f", nil, "`file` or directory with manifests, - for standard input; repeatable")
	flags.BoolVarP(&f.recursive, "recursive", "R", false, "also read the directories below")
	flags.StringVar(&f.connectionName, "connection-name", "", "the connection to plan for; default: that of --connection, or else the only one that the manifests name")
	flags.BoolVar(&f.all, "all", false, "in the table, also show what stays as it is")
	outputFlag(cmd, &f.output)
	a.completeConnections(cmd, "connection")
	return cmd
}

func (a *app) plan(ctx context.Context, f *planFlags) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if len(f.files) == 0 {
		return errors.New("no manifests are named: give files or directories with -f, or - for standard input")
	}
	if f.console.keyFile == manifest.Stdin && slices.Contains(f.files, manifest.Stdin) {
		return errors.New("both the API key and the manifests are to come from standard input: give one of them as a file")
	}
	manifests, err := manifest.Read(f.files, f.recursive, a.In)
	if err != nil {
		return err
	}
	name, err := f.planFor(manifests)
	if err != nil {
		return err
	}
	r, err := a.reach(ctx, &f.console)
	if err != nil {
		return err
	}
	defer r.Close()
	s, err := a.planState(ctx, r, name)
	if err != nil {
		return err
	}
	objects, err := admit(ctx, manifests, &s)
	if err != nil {
		return err
	}
	s.Refused = refused(ctx, r, &s, objects)
	if s.Inventory, err = a.read(ctx, r); err != nil {
		return err
	}
	p := plan.Make(objects, s)
	if f.output == "table" {
		err = a.showPlan(p, f.all)
	} else {
		err = a.encode(f.output, p)
	}
	if err == nil && p.Changed() {
		err = exit(exitChanges)
	}
	return err
}

// planFor is the connection to plan for.
func (f *planFlags) planFor(manifests []manifest.Manifest) (string, error) {
	var names []string
	for _, m := range manifests {
		if name := m.ConnectionName(); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case len(names) == 0:
		return "", fmt.Errorf("there is no Team and no UserRole in %s: name other files with -f", strings.Join(f.files, ", "))
	case f.connectionName != "":
		return f.connectionName, nil
	case f.console.connection != "":
		return f.console.connection, nil
	case len(names) > 1:
		return "", fmt.Errorf("the manifests name several connections, %s: say with --connection-name which of them this console is", strings.Join(names, ", "))
	}
	return names[0], nil
}

// planState is what the manifests meet in the cluster.
func (a *app) planState(ctx context.Context, r *reached, name string) (plan.State, error) {
	s := plan.State{
		Connection: &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: name}},
		Namespace:  a.cluster.Namespace,
	}
	if r.connection != nil {
		if r.connection.Name == name {
			s.Connection = r.connection
		}
		s.Namespace = r.cluster.Namespace
		teams, roles, err := r.cluster.Objects(ctx, "")
		if err != nil {
			return s, err
		}
		s.Cluster = map[plan.Key]v1alpha1.AccessObject{}
		for i := range teams {
			s.Cluster[s.KeyOf(&teams[i])] = &teams[i]
		}
		for i := range roles {
			s.Cluster[s.KeyOf(&roles[i])] = &roles[i]
		}
	}
	return s, nil
}

var actionColours = map[plan.Action]string{plan.Create: terminal.Green, plan.Invite: terminal.Green, plan.Update: terminal.Yellow}

func (a *app) showPlan(p *plan.Plan, all bool) error {
	paint := a.Painter(a.Out)
	table := terminal.NewTable("ACTION", "OBJECT", "IN THE CONSOLE", "FIELD", "NOW", "THEN")
	table.Paint(func(row, column int, cell string) string {
		if row > 0 && column == 0 {
			return paint.In(actionColours[plan.Action(cell)], cell)
		}
		return cell
	})
	problems := terminal.NewTable("OBJECT", "REASON", "MESSAGE")
	for _, c := range p.Changes {
		object := objectName(c.Kind, c.Namespace, c.Name)
		if c.Reason != "" {
			problems.Row(object, c.Reason, c.Message)
		}
		for _, f := range c.Fields {
			if c.Action != plan.None || all {
				table.Row(string(c.Action), object, c.Of, f.Field, shownNow(f), shownThen(f))
			}
		}
		if len(c.Fields) == 0 && all {
			table.Row(string(c.Action), object, c.Of, "", "", "")
		}
	}
	if table.Len() > 0 {
		if _, err := table.WriteTo(a.Out); err != nil {
			return err
		}
		fmt.Fprintln(a.Out)
	}
	if problems.Len() > 0 {
		fmt.Fprintln(a.Out, "These would not become Ready:")
		if _, err := problems.WriteTo(a.Out); err != nil {
			return err
		}
		fmt.Fprintln(a.Out)
	}
	fmt.Fprintln(a.Out, planSentence(p))
	return nil
}

// planSentence sums up.
func planSentence(p *plan.Plan) string {
	s := p.Summary
	text := "Applying changes nothing in the console"
	if p.Changed() {
		text = fmt.Sprintf("Applying changes the console: %d to create, %d to update, %d to invite", s.Create, s.Update, s.Invite)
	}
	text += fmt.Sprintf("; %d up to date", s.UpToDate)
	if s.Problems > 0 {
		text += fmt.Sprintf(", %d with problems", s.Problems)
	}
	if s.Elsewhere > 0 {
		text += fmt.Sprintf(", %d on other connections than %s", s.Elsewhere, p.Connection)
	}
	return text + "."
}

// objectName is how kubectl names an object, with its namespace.
func objectName(kind, namespace, name string) string {
	text := strings.ToLower(kind) + "/" + name
	if namespace != "" {
		text = namespace + " " + text
	}
	return text
}

// shownNow is a value in a table. Of people only the difference is shown.
func shownNow(f plan.Field) string {
	if len(f.Added)+len(f.Removed) > 0 {
		return signed("-", f.Removed)
	}
	return quoted(f.Now)
}

func shownThen(f plan.Field) string {
	if len(f.Added)+len(f.Removed) > 0 {
		return signed("+", f.Added)
	}
	return quoted(f.Then)
}

func signed(sign string, people []string) string {
	if len(people) == 0 {
		return ""
	}
	return sign + strings.Join(people, " "+sign)
}

func quoted(value string) string { return fmt.Sprintf("%q", value) }
