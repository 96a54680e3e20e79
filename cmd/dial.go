package main

import (
	"fmt"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/controller/connection"
	"github.com/console-access/console-access-operator/internal/metrics"
)

// dial makes the client of the provider that a connection names.
func dial(counts *metrics.Metrics) connection.Dial {
	return func(t connection.Target) (console.API, error) {
		if t.Provider != v1alpha1.ProviderStatsig {
			return nil, fmt.Errorf("provider %q is not known to this version of the operator; use %s",
				t.Provider, v1alpha1.ProviderStatsig)
		}
		return statsig.New(statsig.Config{
			Endpoint: t.Endpoint,
			APIKey:   t.APIKey,
			CABundle: t.CABundle,
			Limiter:  t.Limiter,
			Version:  buildVersion(),
			Observer: counts.Called,
		})
	}
}
