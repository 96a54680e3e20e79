package consolesim

import (
	"fmt"
	"strconv"
)

// pagination is the documented description of one page of a list.
type pagination struct {
	ItemsPerPage int     `json:"itemsPerPage"`
	PageNumber   int     `json:"pageNumber"`
	TotalItems   *int    `json:"totalItems,omitempty"`
	NextPage     *string `json:"nextPage"`
	PreviousPage *string `json:"previousPage"`
	All          string  `json:"all,omitempty"`
}

// paginate cuts the page that the request asks for out of a list.
func paginate[T any](p *Project, c *call, items []T) ([]T, *pagination, error) {
	b := &p.srv.behavior
	limit, err := c.number("limit", b.DefaultPageSize)
	if err != nil {
		return nil, nil, err
	}
	page, err := c.number("page", 1)
	if err != nil {
		return nil, nil, err
	}
	if b.MaxPageSize > 0 {
		limit = min(limit, b.MaxPageSize)
	}
	total := len(items)
	// Compared before multiplying, as the two figures are the client's.
	from := total
	if page-1 <= total/limit {
		from = min((page-1)*limit, total)
	}
	to := from + min(limit, total-from)

	path := c.route.path
	if page > 1 && from < total && b.MoveBetweenPages != 0 {
		p.moved[path]++
		b.MoveBetweenPages = max(-1, b.MoveBetweenPages-1)
	}
	shown := make([]T, 0, to-from)
	for i := from; i < to; i++ {
		shown = append(shown, items[(i+p.moved[path])%total])
	}

	link := func(page int) *string {
		l := fmt.Sprintf("%s?page=%d&limit=%d", path, page, limit)
		return &l
	}
	out := &pagination{ItemsPerPage: limit, PageNumber: page}
	if to < total {
		out.NextPage = link(page + 1)
	}
	if page > 1 {
		out.PreviousPage = link(page - 1)
	}
	if !b.OmitTotals {
		out.TotalItems, out.All = &total, path
	}
	return shown, out, nil
}

// number reads a positive number from the query.
func (c *call) number(name string, otherwise int) (int, error) {
	values, ok := c.query[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(values[0])
	if err != nil || n < 1 {
		return 0, invalid("%s must be a positive number.", name)
	}
	return n, nil
}
