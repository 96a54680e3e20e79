package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/plugin/cluster"
	"github.com/console-access/console-access-operator/internal/plugin/rollout"
	"github.com/console-access/console-access-operator/internal/plugin/terminal"
)

type statusFlags struct {
	connection string
	watch      bool
	interval   time.Duration
	output     string
}

func (a *app) statusCommand() *cobra.Command {
	f := &statusFlags{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show connections, quota, and what waits or is stuck",
		Long: `Shows each connection with its quota, how many Teams and UserRoles are Ready, why the
others are not, and when those that wait for the rate limit are expected to have had
their turn. Without -n it is about all namespaces.

With --watch it goes on showing that until Ctrl-C: on a terminal as a live view with a
progress bar, elsewhere as a line for each change.`,
		Example: `  kubectl console-access status
  kubectl console-access status --connection default --watch
  kubectl console-access status -n growth -o json`,
		Args: noOperands("everything is given by flags"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.connection, "connection", "", "only this connection and the objects that use it")
	flags.BoolVarP(&f.watch, "watch", "w", false, "go on showing it")
	flags.DurationVar(&f.interval, "interval", 2*time.Second, "with --watch, how often it is looked at")
	outputFlag(cmd, &f.output)
	a.completeConnections(cmd, "connection")
	return cmd
}

func (a *app) status(ctx context.Context, f *statusFlags) error {
	switch {
	case f.interval < 100*time.Millisecond:
		return fmt.Errorf("--interval is %v: give at least 100ms", f.interval)
	case f.watch && f.output != "table":
		return fmt.Errorf("--watch has no output %s: leave out one of the two", f.output)
	}
	if err := checkOutput(f.output); err != nil {
		return err
	}
	c, err := a.cluster.Connect()
	if err != nil {
		return err
	}
	if f.watch {
		return a.watchStatus(ctx, c, f)
	}
	r, err := a.report(ctx, c, f)
	if err != nil {
		return err
	}
	if f.output != "table" {
		return a.encode(f.output, r)
	}
	_, err = fmt.Fprint(a.Out, a.page(r))
	return err
}

// report reads the cluster.
func (a *app) report(ctx context.Context, c *cluster.Cluster, f *statusFlags) (*rollout.Report, error) {
	connections := &v1alpha1.ConsoleConnectionList{}
	// Tenants may as a rule not list connections, and see their objects all the same.
	if err := c.List(ctx, connections); err != nil && !apierrors.IsForbidden(err) {
		return nil, cluster.Explain("list ConsoleConnections", err)
	}
	teams, roles, err := c.Objects(ctx, a.cluster.Namespace)
	if err != nil {
		return nil, err
	}
	var objects []v1alpha1.AccessObject
	for i := range teams {
		objects = append(objects, &teams[i])
	}
	for i := range roles {
		objects = append(objects, &roles[i])
	}
	shown := connections.Items
	if f.connection != "" {
		shown, objects = only(f.connection, shown, objects)
		if len(shown)+len(objects) == 0 {
			return nil, fmt.Errorf("there is no ConsoleConnection %q, and nothing that names it: see kubectl get consoleconnections", f.connection)
		}
	}
	return rollout.Make(time.Now(), shown, objects), nil
}

func only(name string, connections []v1alpha1.ConsoleConnection, objects []v1alpha1.AccessObject) (c []v1alpha1.ConsoleConnection, o []v1alpha1.AccessObject) {
	for _, connection := range connections {
		if connection.Name == name {
			c = append(c, connection)
		}
	}
	for _, obj := range objects {
		if obj.ConnectionName() == name {
			o = append(o, obj)
		}
	}
	return c, o
}

// watchStatus shows the status over and over until ctx ends.
func (a *app) watchStatus(ctx context.Context, c *cluster.Cluster, f *statusFlags) error {
	ticker := time.NewTicker(f.interval)
	defer ticker.Stop()
	live, last := terminal.IsTerminal(a.Out), ""
	for {
		r, err := a.report(ctx, c, f)
		if ctx.Err() != nil {
			return nil // Ctrl-C is how this ends
		}
		if err != nil {
			return err
		}
		if live {
			// To the upper left corner, then clear what is below.
			fmt.Fprint(a.Out, "\x1b[H\x1b[J", a.page(r))
		} else if line := progressLine(r); line != last {
			fmt.Fprintln(a.Out, line)
			last = line
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// maxStuckShown bounds the table of stuck objects; all are in the JSON.
const maxStuckShown = 20

// page is the status for people.
func (a *app) page(r *rollout.Report) string {
	paint := a.Painter(a.Out)
	var b strings.Builder
	if len(r.Connections) > 0 {
		_, _ = connectionTable(r, paint).WriteTo(&b)
		b.WriteString("\n")
	}
	o := r.Objects
	objects := terminal.NewTable("OBJECTS", "READY", "WAITING", "STUCK", "SUSPENDED")
	objects.Row(fmt.Sprint(o.Total), fmt.Sprint(o.Ready), fmt.Sprint(o.Waiting), fmt.Sprint(o.Stuck), fmt.Sprint(o.Suspended))
	_, _ = objects.WriteTo(&b)
	fmt.Fprintf(&b, "%s %d%%%s\n", paint.In(terminal.Green, bar(o.Percent())), o.Percent(), expected(r))
	if len(r.Waiting) > 0 {
		table := terminal.NewTable("WAITING FOR", "OBJECTS", "FOR EXAMPLE")
		for _, w := range r.Waiting {
			table.Row(w.Reason, fmt.Sprint(w.Objects), w.Example)
		}
		b.WriteString("\n")
		_, _ = table.WriteTo(&b)
	}
	if len(r.Stuck) > 0 {
		table := terminal.NewTable("STUCK", "REASON", "MESSAGE")
		for _, s := range r.Stuck[:min(len(r.Stuck), maxStuckShown)] {
			table.Row(objectName(s.Kind, s.Namespace, s.Name), s.Reason, s.Message)
		}
		table.Paint(func(row, column int, cell string) string {
			if row > 0 && column == 1 {
				return paint.In(terminal.Red, cell)
			}
			return cell
		})
		b.WriteString("\n")
		_, _ = table.WriteTo(&b)
		if more := len(r.Stuck) - maxStuckShown; more > 0 {
			fmt.Fprintf(&b, "and %d more: see them with -o yaml\n", more)
		}
	}
	return b.String()
}

func connectionTable(r *rollout.Report, paint terminal.Paint) *terminal.Table {
	table := terminal.NewTable("CONNECTION", "READY", "REASON", "QUOTA", "CALLS WAITING", "USERS", "TEAMS", "HELD DELETES")
	for _, c := range r.Connections {
		quota, waiting := "", ""
		if c.Quota != nil {
			quota = c.Quota.Summary
			w := c.Quota.Waiting
			waiting = fmt.Sprintf("%d revoke, %d change, %d drift", w.Revoke, w.Change, w.Drift)
		}
		table.Row(c.Name, c.Ready, c.Reason, quota, waiting, number(c.Users), number(c.Teams), fmt.Sprint(c.HeldDeletes))
	}
	table.Paint(func(row, column int, cell string) string {
		if row == 0 || column != 1 {
			return cell
		}
		if cell == string(metav1.ConditionTrue) {
			return paint.In(terminal.Green, cell)
		}
		return paint.In(terminal.Red, cell)
	})
	return table
}

func number(n *int32) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

// barWidth is how many characters a progress bar has.
const barWidth = 40

func bar(percent int) string {
	full := barWidth * percent / 100
	return "[" + strings.Repeat("█", full) + strings.Repeat("░", barWidth-full) + "]"
}

// expected tells the expected end, if there is one.
func expected(r *rollout.Report) string {
	if r.ExpectedEnd == nil {
		return ""
	}
	left := max(0, time.Until(*r.ExpectedEnd)).Round(time.Second)
	return fmt.Sprintf(", %d under way; expected end %s, in %s", r.Objects.Moving, r.ExpectedEnd.Local().Format(time.TimeOnly), left)
}

// progressLine is the status in a line, for a log.
func progressLine(r *rollout.Report) string {
	o := r.Objects
	line := fmt.Sprintf("%d%%: %d of %d Ready, %d waiting, %d stuck, %d suspended", o.Percent(), o.Ready, o.Total, o.Waiting, o.Stuck, o.Suspended)
	if r.ExpectedEnd != nil {
		line += "; expected end " + r.ExpectedEnd.UTC().Format(time.RFC3339)
	}
	return line
}
