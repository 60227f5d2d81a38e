package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The catalogue: a product, lists and search.
type products struct {
	pool    *pgxpool.Pool
	cursors cursors
}

type price struct {
	Currency string `json:"currency"`
	Minor    int64  `json:"minor"`
}

type variant struct {
	SKU        string            `json:"sku"`
	Name       string            `json:"name"`
	Attributes map[string]string `json:"attributes"`
	Prices     []price           `json:"prices"`
	LowAt      int64             `json:"low_at"`
}

type image struct {
	URL string `json:"url"`
	Alt string `json:"alt"`
}

type product struct {
	ID          uuid.UUID         `json:"id"`
	Version     int               `json:"version"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	Slug        string            `json:"slug"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Status      string            `json:"status"`
	Attributes  map[string]string `json:"attributes"`
	Images      []image           `json:"images"`
	Categories  []uuid.UUID       `json:"categories"`
	Variants    []variant         `json:"variants"`
}

const productByID = `
	select id, slug, name, description, status, version, attributes, images, created_at, updated_at,
	    array(select category_id from product.product_categories where product_id = products.id order by 1),
	    (select coalesce(jsonb_agg(jsonb_build_object(
	            'sku', sku, 'name', name, 'attributes', attributes, 'low_at', low_at,
	            'prices', (select coalesce(jsonb_agg(jsonb_build_object('currency', currency, 'minor', minor)
	                    order by currency), '[]')
	                from product.prices where prices.sku = variants.sku)
	        ) order by position, sku), '[]')
	     from product.variants where product_id = products.id and deleted_at is null)
	from product.products where id = $1 and deleted_at is null and status = 'active'`

func (products *products) read(w http.ResponseWriter, r *http.Request) error {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return newProblem(http.StatusBadRequest, "invalid_parameter", "id is no UUID")
	}
	var found product
	err = products.pool.QueryRow(r.Context(), productByID, id).Scan(
		&found.ID, &found.Slug, &found.Name, &found.Description, &found.Status, &found.Version, &found.Attributes,
		&found.Images, &found.CreatedAt, &found.UpdatedAt, &found.Categories, &found.Variants)
	if errors.Is(err, pgx.ErrNoRows) {
		return newProblem(http.StatusNotFound, "not_found", "there is no such product")
	} else if err != nil {
		return err
	}
	etag := fmt.Sprintf(`"v%d"`, found.Version)
	w.Header().Set("ETag", etag)
	if isKnown(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return writeJSON(w, http.StatusOK, found)
}

type summary struct {
	ID      uuid.UUID `json:"id"`
	Slug    string    `json:"slug"`
	Name    string    `json:"name"`
	Image   *image    `json:"image"`
	Price   *price    `json:"price"`
	InStock bool      `json:"in_stock"`
	number  *int64
}

type page struct {
	Items      []summary `json:"items"`
	NextCursor *string   `json:"next_cursor"`
}

type position struct {
	ID     uuid.UUID `json:"id"`
	Number int64     `json:"number"`
}

const relevance = `round((ts_rank(search, websearch_to_tsquery('english', words))
	+ product.word_similarity(words, name)) * 1000000)::bigint`

const inCategory = ` and id in (
	with recursive below (id) as (
	    select %s::uuid union
	    select category.id from below join product.categories category on category.parent_id = below.id
	) select product_id from product.product_categories join below on below.id = category_id)`

type question struct {
	words, category, currency string
	limit                     int
	after                     *position
}

// The same question always has the same text, so that each connection prepares it once.
func (question question) query() (string, []any) {
	values := []any{question.currency, question.limit + 1}
	bind := func(value any) string {
		values = append(values, value)
		return "$" + strconv.Itoa(len(values))
	}
	number, words, where, order := "null::bigint", "", "", "order by id desc"
	if question.words != "" {
		number = relevance
		words = "cross join (select " + bind(question.words) + "::text as words) words"
		where = " and (search @@ websearch_to_tsquery('english', words) or words operator(product.<%) name)"
		order = "order by number desc, id desc"
	}
	if question.category != "" {
		where += fmt.Sprintf(inCategory, bind(question.category))
	}
	behind := ""
	if question.after != nil && question.words != "" {
		behind = "where (number, id) < (" + bind(question.after.Number) + ", " + bind(question.after.ID) + ")"
	} else if question.after != nil {
		behind = "where id < " + bind(question.after.ID)
	}
	return `select id, slug, name, image,
	        (select min(minor) from product.prices join product.variants using (sku)
	            where product_id = products.id and deleted_at is null and currency = $1) as price,
	        coalesce((select true from product.stock join product.variants using (sku)
	            where product_id = products.id and deleted_at is null and on_hand > reserved limit 1), false) as in_stock,
	        number
	    from (
	        select id, slug, name, images -> 0 as image, ` + number + ` as number from product.products
	        ` + words + `
	        where deleted_at is null and status = 'active'` + where + `
	    ) products ` + behind + " " + order + " limit $2", values
}

func (products *products) list(w http.ResponseWriter, r *http.Request) error {
	parameters := r.URL.Query()
	asked, err := read(parameters)
	if err != nil {
		return err
	}
	scope, err := json.Marshal([]string{asked.words, asked.category, asked.currency})
	if err != nil {
		return err
	}
	if cursor := parameters.Get("cursor"); cursor != "" {
		asked.after = &position{}
		if err := products.cursors.open(string(scope), cursor, asked.after); err != nil {
			return err
		}
	}
	query, values := asked.query()
	rows, err := products.pool.Query(r.Context(), query, values...)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (summary, error) {
		var one summary
		var minor *int64
		err := row.Scan(&one.ID, &one.Slug, &one.Name, &one.Image, &minor, &one.InStock, &one.number)
		if minor != nil {
			one.Price = &price{Currency: asked.currency, Minor: *minor}
		}
		return one, err
	})
	if err != nil {
		return err
	}
	answer := page{Items: found}
	if len(found) > asked.limit {
		answer.Items = found[:asked.limit]
		last := answer.Items[asked.limit-1]
		at := position{ID: last.ID}
		if last.number != nil {
			at.Number = *last.number
		}
		next, err := products.cursors.seal(string(scope), at)
		if err != nil {
			return err
		}
		answer.NextCursor = &next
		parameters.Set("cursor", next)
		w.Header().Set("Link", fmt.Sprintf(`</v1/products?%s>; rel="next"`, parameters.Encode()))
	}
	return writeJSON(w, http.StatusOK, answer)
}

func read(parameters url.Values) (question, error) {
	asked := question{currency: "EUR", limit: 20}
	for name, sent := range parameters {
		invalid := newProblem(http.StatusBadRequest, "invalid_parameter", name+" cannot be taken")
		value := sent[0]
		switch name {
		case "q":
			if asked.words = value; value == "" || len(value) > 200 {
				return asked, invalid
			}
		case "category":
			id, err := uuid.Parse(value)
			if err != nil {
				return asked, invalid
			}
			asked.category = id.String()
		case "currency":
			if asked.currency = value; len(value) != 3 {
				return asked, invalid
			}
		case "limit":
			limit, err := strconv.Atoi(value)
			if err != nil || limit < 1 || limit > 100 {
				return asked, invalid
			}
			asked.limit = limit
		case "cursor":
		default:
			return asked, invalid
		}
	}
	return asked, nil
}
