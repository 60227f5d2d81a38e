package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Placing an order. All of it is written in one transaction with the answer for its key.
type orders struct {
	pool  *pgxpool.Pool
	auth  *auth
	stock *stock
	saga  *saga
}

type newOrder struct {
	Currency      string         `json:"currency"`
	Lines         []wanted       `json:"lines"`
	PaymentMethod string         `json:"payment_method"`
	ShipTo        map[string]any `json:"ship_to"`
}

type shownOrder struct {
	ID              uuid.UUID      `json:"id"`
	UserID          string         `json:"user_id"`
	Status          string         `json:"status"`
	Reason          *string        `json:"reason"`
	Stock           string         `json:"stock"`
	PaymentID       uuid.UUID      `json:"payment_id"`
	PaymentStatus   string         `json:"payment_status"`
	Currency        string         `json:"currency"`
	TotalMinor      int64          `json:"total_minor"`
	RefundedMinor   int64          `json:"refunded_minor"`
	CancelRequested bool           `json:"cancel_requested"`
	Tracking        *string        `json:"tracking"`
	ShipTo          map[string]any `json:"ship_to"`
	Lines           []line         `json:"lines"`
	Version         int64          `json:"version"`
	CreatedAt       time.Time      `json:"created_at"`
	UpdatedAt       time.Time      `json:"updated_at"`
}

type stored struct {
	status  int
	headers map[string]string
	body    []byte
}

func (new newOrder) check() error {
	invalid := func(detail string) error { return newProblem(http.StatusUnprocessableEntity, "invalid_body", detail) }
	switch {
	case len(new.Currency) != 3:
		return invalid("currency is no code of ISO 4217")
	case len(new.Lines) == 0 || len(new.Lines) > 100:
		return invalid("order from 1 to 100 lines")
	case new.PaymentMethod == "" || len(new.PaymentMethod) > 128:
		return invalid("payment_method has from 1 to 128 characters")
	}
	for _, line := range new.Lines {
		if line.SKU == "" || len(line.SKU) > 64 || line.Quantity < 1 || line.Quantity > 999 {
			return invalid("a line has a SKU, and a quantity from 1 to 999")
		}
	}
	return nil
}

func (orders *orders) place(w http.ResponseWriter, r *http.Request) error {
	claims, err := orders.auth.claims(r)
	if err != nil {
		return err
	}
	key := r.Header.Get("Idempotency-Key")
	if key == "" || len(key) > 255 {
		return newProblem(http.StatusBadRequest, "idempotency_key_missing", "send an Idempotency-Key")
	}
	var new newOrder
	body, err := readJSON(r, &new)
	if err != nil {
		return err
	}
	var answer stored
	var placed *uuid.UUID
	err = pgx.BeginFunc(r.Context(), orders.pool, func(tx pgx.Tx) error {
		answer, placed, err = orders.once(r.Context(), tx, claims.Subject, key, correlationID(r), body, new)
		return err
	})
	if err != nil {
		return err
	}
	if placed != nil {
		go orders.saga.run(context.WithoutCancel(r.Context()), *placed)
	}
	for name, value := range answer.headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(answer.status)
	_, err = w.Write(answer.body)
	return err
}

func (orders *orders) once(ctx context.Context, tx pgx.Tx, user, key, correlation string, body []byte, new newOrder) (stored, *uuid.UUID, error) {
	fingerprint := sha256.Sum256(body)
	first, err := tx.Exec(ctx, `
		insert into kit.idempotency_keys (principal, key, method, path, fingerprint)
		values ($1, $2, 'POST', '/v1/orders', $3) on conflict (principal, key) do nothing`, user, key, fingerprint[:])
	if err != nil {
		return stored{}, nil, err
	}
	if first.RowsAffected() == 0 {
		answer, err := repeat(ctx, tx, user, key, fingerprint[:])
		return answer, nil, err
	}
	if err := new.check(); err != nil {
		return stored{}, nil, err
	}
	lines, err := orders.stock.quote(ctx, new.Lines, new.Currency)
	if err != nil {
		return stored{}, nil, err
	}
	if lines == nil {
		return stored{}, nil, newProblem(http.StatusUnprocessableEntity, "not_sold", "some of it is not sold")
	}
	shown := shownOrder{
		ID: newID(), UserID: user, Status: "pending", Stock: "none", PaymentID: newID(), PaymentStatus: "created",
		Currency: new.Currency, ShipTo: new.ShipTo, Lines: lines, Version: 1,
	}
	for _, line := range lines {
		shown.TotalMinor += line.TotalMinor
	}
	if err := insert(ctx, tx, &shown, new.PaymentMethod, correlation); err != nil {
		return stored{}, nil, err
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return stored{}, nil, err
	}
	headers := map[string]string{
		"content-type": "application/json", "location": "/v1/orders/" + shown.ID.String(), "etag": `"v1"`,
	}
	pairs := make([][2]string, 0, len(headers))
	for name, value := range headers {
		pairs = append(pairs, [2]string{name, value})
	}
	_, err = tx.Exec(ctx, `update kit.idempotency_keys set status = $3, headers = $4, body = $5
		where principal = $1 and key = $2`, user, key, http.StatusAccepted, pairs, text)
	return stored{status: http.StatusAccepted, headers: headers, body: text}, &shown.ID, err
}

// Writes a new order with its payment and its saga.
func insert(ctx context.Context, tx pgx.Tx, shown *shownOrder, method, correlation string) error {
	err := tx.QueryRow(ctx, `
		insert into orders.orders (id, user_id, currency, total_minor, status, payment_id, ship_to, correlation_id)
		values ($1, $2, $3, $4, 'pending', $5, $6, $7) returning created_at, updated_at`,
		shown.ID, shown.UserID, shown.Currency, shown.TotalMinor, shown.PaymentID, shown.ShipTo, correlation,
	).Scan(&shown.CreatedAt, &shown.UpdatedAt)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	for position, line := range shown.Lines {
		batch.Queue(`
			insert into orders.order_lines (order_id, position, sku, product_id, name, quantity, unit_minor, total_minor)
			values ($1, $2, $3, $4, $5, $6, $7, $8)`,
			shown.ID, position, line.SKU, line.ProductID, line.Name, line.Quantity, line.UnitMinor, line.TotalMinor)
	}
	batch.Queue(`
		insert into orders.order_events (order_id, version, kind, to_status, data, actor, correlation_id)
		values ($1, 1, 'created', 'pending', '{}', 'customer', $2)`, shown.ID, correlation)
	batch.Queue(`
		insert into orders.payments (id, order_id, provider, method, amount_minor, currency, status)
		values ($1, $2, 'paysim', $3, $4, $5, 'created')`,
		shown.PaymentID, shown.ID, method, shown.TotalMinor, shown.Currency)
	batch.Queue(`
		insert into orders.sagas (order_id, step, compensations, deadline_at)
		values ($1, 'reserve', '{release}', now() + interval '15 minutes')`, shown.ID)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	made := &order{
		id: shown.ID, user: uuid.MustParse(shown.UserID), currency: shown.Currency, total: shown.TotalMinor,
		status: shown.Status, correlation: &correlation, lines: shown.Lines, version: 1,
	}
	return made.tell(ctx, tx, "order", "created", made.told())
}

func repeat(ctx context.Context, tx pgx.Tx, user, key string, fingerprint []byte) (stored, error) {
	var known []byte
	var status *int
	var pairs [][2]string
	answer := stored{headers: map[string]string{}}
	err := tx.QueryRow(ctx, `select fingerprint, status, headers, body from kit.idempotency_keys
		where principal = $1 and key = $2`, user, key).Scan(&known, &status, &pairs, &answer.body)
	switch {
	case err != nil:
		return answer, err
	case status == nil:
		return answer, newProblem(http.StatusConflict, "idempotency_key_in_flight", "repeat it in a moment")
	case !bytes.Equal(known, fingerprint):
		return answer, newProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", "take a new key for a new request")
	}
	answer.status = *status
	for _, pair := range pairs {
		answer.headers[pair[0]] = pair[1]
	}
	return answer, nil
}
