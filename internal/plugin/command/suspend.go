package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/plugin/cluster"
)

func (a *app) suspendCommand() *cobra.Command {
	return a.pauseCommand("suspend", true, &cobra.Command{
		Short: "Stop all work on objects, or all calls through a connection",
		Long: `Sets spec.suspend: the operator leaves the objects, and what they stand for in the
console, as they are until they are resumed. A suspended connection makes no calls at
all. A deleted object is still dealt with.

Where a GitOps tool applies the manifests, set spec.suspend there instead, or the tool
undoes this.`,
		Example: `  kubectl console-access suspend team growth
  kubectl console-access suspend cconn/default
  kubectl console-access suspend userroles --all -n growth`,
	})
}

func (a *app) resumeCommand() *cobra.Command {
	return a.pauseCommand("resume", false, &cobra.Command{
		Short: "Go on with what was suspended",
		Long: `Takes spec.suspend away. The operator compares with the console and goes on; what was
changed there by hand meanwhile is treated as any drift is.`,
		Example: `  kubectl console-access resume team growth
  kubectl console-access resume cconn/default`,
	})
}

// pauseCommand completes a command that sets spec.suspend.
func (a *app) pauseCommand(verb string, suspend bool, cmd *cobra.Command) *cobra.Command {
	f := &refFlags{}
	cmd.Use = verb + " " + refUsage
	cmd.ValidArgsFunction = a.completeRefs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.cluster.Connect()
		if err != nil {
			return err
		}
		objects, err := f.find(cmd.Context(), c, args)
		if err != nil {
			return err
		}
		for _, obj := range objects {
			if err := a.setSuspend(cmd.Context(), c, obj, suspend); err != nil {
				return cluster.Explain(verb+" "+refName(obj), err)
			}
		}
		return nil
	}
	f.add(cmd)
	return cmd
}

func (a *app) setSuspend(ctx context.Context, c *cluster.Cluster, obj client.Object, suspend bool) error {
	done, already := "resumed", "was not suspended"
	patch := `{"spec":{"suspend":null}}`
	if suspend {
		done, already = "suspended", "was suspended already"
		patch = `{"spec":{"suspend":true}}`
	}
	if suspended(obj) == suspend {
		fmt.Fprintln(a.Out, refName(obj), already)
		return nil
	}
	if err := c.Patch(ctx, obj, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, refName(obj), done)
	return nil
}

// suspended reports whether the spec says so.
func suspended(obj client.Object) bool {
	switch obj := obj.(type) {
	case *v1alpha1.Team:
		return obj.Spec.Suspend
	case *v1alpha1.UserRole:
		return obj.Spec.Suspend
	case *v1alpha1.ConsoleConnection:
		return obj.Spec.Suspend
	}
	return false
}
