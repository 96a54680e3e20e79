package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/time/rate"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// A consoleClient calls the Console API.
type consoleClient struct {
	endpoint, key string
	limiters      []*rate.Limiter
}

// do waits for every limiter and makes one call.
func (c *consoleClient) do(ctx context.Context, method, path string, body, data any) error {
	for _, l := range c.limiters {
		if err := l.Wait(ctx); err != nil {
			return fmt.Errorf("wait for the rate limit: %w", err)
		}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("STATSIG-API-KEY", c.key)
	req.Header.Set("STATSIG-API-VERSION", "20240601")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer := struct {
		Message string `json:"message"`
		Data    any    `json:"data"`
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode > 299 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer.Message)
	}
	return nil
}

func (c *consoleClient) syncUser(ctx context.Context, u *v1alpha1.UserRole) error {
	path := "/console/v1/users/" + url.PathEscape(string(u.Spec.Email))
	var have struct {
		Role string `json:"role"`
	}
	if err := c.do(ctx, http.MethodGet, path, nil, &have); err != nil {
		return err
	}
	if have.Role == string(u.Spec.Role) {
		return nil
	}
	return c.do(ctx, http.MethodPost, path, map[string]any{"role": u.Spec.Role}, nil)
}

func (c *consoleClient) syncTeam(ctx context.Context, t *v1alpha1.Team) error {
	const path = "/console/v1/users/teams"
	want := map[string]any{
		"name": t.ConsoleName(), "members": t.Spec.Members, "admins": []string{},
		"defaultGateMetrics": []string{}, "defaultExperimentPrimaryMetrics": []string{}, "defaultExperimentSecondaryMetrics": []string{},
		"defaultHoldoutMetrics": []string{}, "changeTeamConfigs": "anyone", "reviewApproval": "anyone", "defaultTargetApplications": []string{},
	}
	if t.Status.ID == "" {
		var made struct {
			ID string `json:"id"`
		}
		err := c.do(ctx, http.MethodPost, path, want, &made)
		t.Status.ID = made.ID
		return err
	}
	var have struct {
		Members []struct {
			Email string `json:"email"`
		} `json:"members"`
	}
	if err := c.do(ctx, http.MethodGet, path+"/"+t.Status.ID, nil, &have); err != nil {
		return err
	}
	members := make([]v1alpha1.EmailAddress, 0, len(have.Members))
	for _, m := range have.Members {
		members = append(members, v1alpha1.EmailAddress(m.Email))
	}
	if slices.Equal(members, t.Spec.Members) {
		return nil
	}
	return c.do(ctx, http.MethodPatch, path+"/"+t.Status.ID, want, nil)
}
