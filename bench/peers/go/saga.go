package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The way of an order to its payment: five steps, each written down before the next begins, so that whoever dies on the way
// leaves something to go on with.
type saga struct {
	pool  *pgxpool.Pool
	stock *stock
	psp   *psp
	owner uuid.UUID
}

type order struct {
	id, user      uuid.UUID
	currency      string
	total         int64
	status, stock string
	payment       uuid.UUID
	correlation   *string
	version       int64
	lines         []line
}

type payment struct {
	id, order                          uuid.UUID
	provider, method, currency, status string
	reference                          *string
	amount, captured                   int64
}

// Where an order is on its way.
type way struct {
	order   order
	payment payment
}

type step struct {
	next, operation string
	ask             func(saga *saga, ctx context.Context, way *way, key string) (intent, error)
	write           func(ctx context.Context, tx pgx.Tx, way *way, said intent) error
}

var steps = map[string]step{
	"reserve": {
		next: "create_intent",
		ask: func(saga *saga, ctx context.Context, way *way, _ string) (intent, error) {
			return intent{}, saga.stock.reserve(ctx, &way.order)
		},
		write: func(ctx context.Context, tx pgx.Tx, way *way, _ intent) error {
			way.order.stock = "reserved"
			if err := way.order.change(ctx, tx, "reserved", "reserved", nil); err != nil {
				return err
			}
			return way.order.tell(ctx, tx, "order", "reserved", way.order.told())
		},
	},
	"create_intent": {
		next: "authorize", operation: "int",
		ask: func(saga *saga, ctx context.Context, way *way, key string) (intent, error) {
			return saga.psp.create(ctx, &way.payment, key)
		},
		write: func(ctx context.Context, tx pgx.Tx, way *way, said intent) error {
			way.payment.reference = &said.ID
			return way.payment.write(ctx, tx)
		},
	},
	"authorize": {
		next: "commit", operation: "auth",
		ask: func(saga *saga, ctx context.Context, way *way, key string) (intent, error) {
			return saga.psp.authorize(ctx, &way.payment, key)
		},
		write: func(ctx context.Context, tx pgx.Tx, way *way, said intent) error {
			if said.Status != "requires_capture" {
				return fmt.Errorf("the payment is %s", said.Status)
			}
			way.payment.status = "authorized"
			if err := way.changePayment(ctx, tx); err != nil {
				return err
			}
			if err := way.order.tell(ctx, tx, "payment", "authorized", way.told()); err != nil {
				return err
			}
			return way.order.change(ctx, tx, "authorized", "authorized", nil)
		},
	},
	"commit": {
		next: "capture",
		ask: func(saga *saga, ctx context.Context, way *way, _ string) (intent, error) {
			return intent{}, saga.stock.commit(ctx, &way.order)
		},
		write: func(ctx context.Context, tx pgx.Tx, way *way, _ intent) error {
			way.order.stock = "committed"
			return way.order.change(ctx, tx, "stock_committed", way.order.status, nil)
		},
	},
	"capture": {
		next: "done", operation: "cap",
		ask: func(saga *saga, ctx context.Context, way *way, key string) (intent, error) {
			return saga.psp.capture(ctx, &way.payment, key)
		},
		write: func(ctx context.Context, tx pgx.Tx, way *way, said intent) error {
			way.payment.status, way.payment.captured = "captured", said.AmountReceived
			if err := way.changePayment(ctx, tx); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `
				insert into orders.ledger_entries (cause, account, order_id, amount_minor, currency)
				values ($1, 'assets:provider', $2, $3, $4), ($1, 'income:sales', $2, -$3::bigint, $4)`,
				"capture:"+way.payment.id.String(), way.order.id, way.payment.captured, way.payment.currency); err != nil {
				return err
			}
			if err := way.order.tell(ctx, tx, "payment", "captured", way.told()); err != nil {
				return err
			}
			if err := way.order.change(ctx, tx, "paid", "paid", nil); err != nil {
				return err
			}
			return way.order.tell(ctx, tx, "order", "paid", way.order.told())
		},
	},
}

// Begins what was just placed, or goes on with what somebody left.
func (saga *saga) run(ctx context.Context, id uuid.UUID) {
	var name string
	err := saga.pool.QueryRow(ctx, `
		update orders.sagas set lease_owner = $2, lease_until = now() + interval '60 seconds'
		where order_id = $1 and step <> 'done' and (lease_until is null or lease_until < now()) returning step`,
		id, saga.owner).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return
	}
	if err == nil {
		name, err = saga.steps(ctx, id, name)
	}
	if err == nil {
		return
	}
	slog.Warn("a step is to be tried again", "order", id, "step", name, "error", err)
	if _, err := saga.pool.Exec(ctx, `
		update orders.sagas set lease_owner = null, lease_until = null, attempt = attempt + 1, last_error = $3,
		    next_at = now() + interval '1 second'
		where order_id = $1 and lease_owner = $2`, id, saga.owner, err.Error()); err != nil {
		slog.Warn("a saga cannot be given back; its lease ends", "order", id, "error", err)
	}
}

func (saga *saga) steps(ctx context.Context, id uuid.UUID, name string) (string, error) {
	known, err := saga.load(ctx, id)
	if err != nil {
		return name, err
	}
	for name != "done" {
		step, next := steps[name], known
		key := step.operation + ":" + next.payment.id.String()
		if step.operation != "" {
			// The key of a request is there before the request is made.
			if _, err := saga.pool.Exec(ctx, `
				insert into orders.payment_attempts (key, payment_id, operation, generation) values ($1, $2, $3, 0)
				on conflict do nothing`, key, next.payment.id, step.operation); err != nil {
				return name, err
			}
		}
		said, err := step.ask(saga, ctx, &next, key)
		if err != nil {
			return name, err
		}
		if err := pgx.BeginFunc(ctx, saga.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "select version from orders.orders where id = $1 for update", id); err != nil {
				return err
			}
			if err := step.write(ctx, tx, &next, said); err != nil {
				return err
			}
			return saga.write(ctx, tx, id, step.next)
		}); err != nil {
			return name, err
		}
		known, name = next, step.next
	}
	return name, nil
}

func (saga *saga) write(ctx context.Context, tx pgx.Tx, id uuid.UUID, next string) error {
	text := `update orders.sagas set step = $3, compensations = '{release,void}', lease_until = now() + interval '60 seconds'
		where order_id = $1 and lease_owner = $2`
	if next == "done" {
		text = `update orders.sagas set step = $3, lease_owner = null, lease_until = null
			where order_id = $1 and lease_owner = $2`
	}
	written, err := tx.Exec(ctx, text, id, saga.owner, next)
	if err == nil && written.RowsAffected() != 1 {
		err = errors.New("somebody else has the saga")
	}
	return err
}

func (saga *saga) load(ctx context.Context, id uuid.UUID) (way, error) {
	var known way
	order, payment := &known.order, &known.payment
	err := saga.pool.QueryRow(ctx, `
		select id, user_id, currency, total_minor, status, stock, payment_id, correlation_id, version
		from orders.orders where id = $1`, id).Scan(&order.id, &order.user, &order.currency, &order.total, &order.status,
		&order.stock, &order.payment, &order.correlation, &order.version)
	if err != nil {
		return known, err
	}
	rows, err := saga.pool.Query(ctx, `
		select sku, product_id, name, quantity, unit_minor, total_minor
		from orders.order_lines where order_id = $1 order by position`, id)
	if err != nil {
		return known, err
	}
	if order.lines, err = pgx.CollectRows(rows, pgx.RowToStructByPos[line]); err != nil {
		return known, err
	}
	err = saga.pool.QueryRow(ctx, `
		select id, order_id, provider, method, currency, status, reference, amount_minor, captured_minor
		from orders.payments where id = $1`, order.payment).Scan(&payment.id, &payment.order, &payment.provider,
		&payment.method, &payment.currency, &payment.status, &payment.reference, &payment.amount, &payment.captured)
	return known, err
}

// An order is another version of itself.
func (order *order) change(ctx context.Context, tx pgx.Tx, kind, status string, data map[string]any) error {
	before := order.status
	order.status = status
	order.version++
	written, err := tx.Exec(ctx, `
		update orders.orders set status = $2, stock = $3, version = $4, updated_at = now()
		where id = $1 and version + 1 = $4`, order.id, order.status, order.stock, order.version)
	if err != nil {
		return err
	}
	if written.RowsAffected() != 1 {
		return errors.New("somebody else has changed the order")
	}
	if data == nil {
		data = map[string]any{}
	}
	_, err = tx.Exec(ctx, `
		insert into orders.order_events (order_id, version, kind, from_status, to_status, data, actor, correlation_id)
		values ($1, $2, $3, $4, $5, $6, 'saga', $7)`,
		order.id, order.version, kind, before, status, data, order.correlation)
	return err
}

func (order *order) tell(ctx context.Context, tx pgx.Tx, aggregate, what string, data any) error {
	kind := "shop." + aggregate + "." + what + ".v1"
	return publish(ctx, tx, "/order-service", kind, order.id.String(), order.correlation, &order.version, data)
}

func (order *order) told() map[string]any {
	return map[string]any{
		"order_id": order.id, "user_id": order.user, "status": order.status, "reason": nil, "currency": order.currency,
		"total_minor": order.total, "refunded_minor": 0, "tracking": nil, "lines": order.lines,
	}
}

func (way *way) told() map[string]any {
	return map[string]any{
		"payment_id": way.payment.id, "order_id": way.order.id, "user_id": way.order.user,
		"provider": way.payment.provider, "status": way.payment.status, "currency": way.payment.currency,
		"amount_minor": way.payment.amount, "captured_minor": way.payment.captured, "refunded_minor": 0, "failure": nil,
	}
}

func (way *way) changePayment(ctx context.Context, tx pgx.Tx) error {
	if err := way.payment.write(ctx, tx); err != nil {
		return err
	}
	return way.order.change(ctx, tx, "payment", way.order.status, map[string]any{
		"payment_id": way.payment.id, "payment_status": way.payment.status,
	})
}

func (payment *payment) write(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		update orders.payments set reference = $2, status = $3, captured_minor = $4, updated_at = now() where id = $1`,
		payment.id, payment.reference, payment.status, payment.captured)
	return err
}

// Goes on with what others left, until the end.
func (saga *saga) poll(ctx context.Context) {
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		rows, err := saga.pool.Query(ctx, `
			select order_id from orders.sagas
			where step <> 'done' and next_at <= now() and (lease_until is null or lease_until < now())
			order by next_at limit 32`)
		if err != nil {
			slog.Warn("sagas cannot be taken now", "error", err)
			continue
		}
		due, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			slog.Warn("sagas cannot be taken now", "error", err)
		}
		for _, id := range due {
			go saga.run(ctx, id)
		}
	}
}

// Takes note of a webhook once; the saga goes on by itself.
func (saga *saga) webhook(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return newProblem(http.StatusRequestEntityTooLarge, "body_too_large", "the body is too large")
	}
	if !saga.psp.isSigned(r.Header.Get("Stripe-Signature"), body) {
		return newProblem(http.StatusBadRequest, "webhook_signature", "the signature is not of this webhook")
	}
	var heard struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Data struct {
			Object struct {
				ID string `json:"id"`
			} `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &heard); err != nil {
		return newProblem(http.StatusBadRequest, "invalid_body", "the body is no event")
	}
	err = pgx.BeginFunc(r.Context(), saga.pool, func(tx pgx.Tx) error {
		noted, err := tx.Exec(r.Context(), `
			insert into orders.psp_webhooks (provider, event_id, kind) values ('paysim', $1, $2) on conflict do nothing`,
			heard.ID, heard.Type)
		if err != nil || noted.RowsAffected() == 0 {
			return err
		}
		_, err = tx.Exec(r.Context(), `
			update orders.sagas set next_at = now(), woken = true
			from orders.payments where payments.order_id = sagas.order_id and step <> 'done'
			    and payments.provider = 'paysim' and payments.reference = $1`, heard.Data.Object.ID)
		return err
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
