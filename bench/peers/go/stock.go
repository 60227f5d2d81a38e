package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Stock, in the database of products: what something costs, and reservations.
type stock struct {
	pool *pgxpool.Pool
}

type wanted struct {
	SKU      string `json:"sku"`
	Quantity int32  `json:"quantity"`
}

type line struct {
	SKU        string `json:"sku"`
	ProductID  string `json:"product_id"`
	Name       string `json:"name"`
	Quantity   int32  `json:"quantity"`
	UnitMinor  int64  `json:"unit_minor"`
	TotalMinor int64  `json:"total_minor"`
}

// What is asked for, with its prices. Nothing: some of it is not sold, or not for this currency.
func (stock *stock) quote(ctx context.Context, asked []wanted, currency string) ([]line, error) {
	skus := make([]string, len(asked))
	for at, one := range asked {
		skus[at] = one.SKU
	}
	rows, err := stock.pool.Query(ctx, `
		select variants.sku, product_id::text, products.name || ', ' || variants.name,
		    (select minor from product.prices where prices.sku = variants.sku and currency = $2)
		from product.variants join product.products on products.id = product_id
		where variants.sku = any ($1) and variants.deleted_at is null
		    and products.deleted_at is null and products.status = 'active'`, skus, currency)
	if err != nil {
		return nil, err
	}
	bySKU := make(map[string]line, len(asked))
	var found line
	var minor *int64
	_, err = pgx.ForEachRow(rows, []any{&found.SKU, &found.ProductID, &found.Name, &minor}, func() error {
		if minor != nil {
			found.UnitMinor = *minor
			bySKU[found.SKU] = found
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	lines := make([]line, 0, len(asked))
	for _, one := range asked {
		quoted, isSold := bySKU[one.SKU]
		if !isSold {
			return nil, nil
		}
		quoted.Quantity = one.Quantity
		quoted.TotalMinor = quoted.UnitMinor * int64(one.Quantity)
		lines = append(lines, quoted)
	}
	return lines, nil
}

// Keeps stock for an order: all of it, or nothing. The same once more has no second effect.
func (stock *stock) reserve(ctx context.Context, order *order) error {
	// Locks are taken in one order.
	sorted := slices.SortedFunc(slices.Values(order.lines), func(one, other line) int { return cmp.Compare(one.SKU, other.SKU) })
	return pgx.BeginFunc(ctx, stock.pool, func(tx pgx.Tx) error {
		var expiresAt time.Time
		err := tx.QueryRow(ctx, `
			insert into product.reservations (id, owner, state, expires_at)
			values ($1, 'order-service', 'active', clock_timestamp() + interval '25 minutes')
			on conflict (id) do nothing returning expires_at`, order.id).Scan(&expiresAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		skus, quantities := make([]string, len(sorted)), make([]int64, len(sorted))
		for at, line := range sorted {
			skus[at], quantities[at] = line.SKU, int64(line.Quantity)
			taken, err := tx.Exec(ctx, `
				update product.stock set reserved = reserved + $2
				where sku = $1 and bucket = 0 and on_hand - reserved >= $2`, line.SKU, quantities[at])
			if err != nil {
				return err
			}
			if taken.RowsAffected() == 0 {
				return fmt.Errorf("there is too little of %s", line.SKU)
			}
		}
		if _, err := tx.Exec(ctx, `
			with line as (
			    insert into product.reservation_lines (reservation_id, sku, bucket, quantity)
			    select $1, sku, 0, quantity from unnest($2::text[], $3::bigint[]) as taken (sku, quantity)
			    returning sku, bucket, quantity
			)
			insert into product.stock_movements (sku, bucket, kind, on_hand_delta, reserved_delta, reservation_id, actor)
			select sku, bucket, 'reserved', 0, quantity, $1, 'order-service' from line`, order.id, skus, quantities); err != nil {
			return err
		}
		return stock.tell(ctx, tx, "created", order, sorted, expiresAt)
	})
}

// Takes what is kept.
func (stock *stock) commit(ctx context.Context, order *order) error {
	return pgx.BeginFunc(ctx, stock.pool, func(tx pgx.Tx) error {
		var state string
		var expiresAt time.Time
		err := tx.QueryRow(ctx, "select state, expires_at from product.reservations where id = $1 for update",
			order.id).Scan(&state, &expiresAt)
		if err != nil {
			return err
		}
		if state == "committed" {
			return nil
		}
		if state != "active" || !expiresAt.After(time.Now()) {
			return errors.New("the reservation has expired")
		}
		for _, statement := range []string{`
			update product.stock set on_hand = on_hand - quantity, reserved = reserved - quantity
			from (select line.sku, line.bucket, line.quantity from product.reservation_lines line
			    join product.stock on stock.sku = line.sku and stock.bucket = line.bucket
			    where reservation_id = $1 order by line.sku, line.bucket for update of stock) line
			where stock.sku = line.sku and stock.bucket = line.bucket`, `
			insert into product.stock_movements (sku, bucket, kind, on_hand_delta, reserved_delta, reservation_id, actor)
			select sku, bucket, 'committed', -quantity, -quantity, reservation_id, 'order-service'
			from product.reservation_lines where reservation_id = $1 order by sku, bucket`, `
			update product.reservations set state = 'committed', settled_at = now() where id = $1`,
		} {
			if _, err := tx.Exec(ctx, statement, order.id); err != nil {
				return err
			}
		}
		return stock.tell(ctx, tx, "committed", order, order.lines, expiresAt)
	})
}

func (stock *stock) tell(ctx context.Context, tx pgx.Tx, what string, order *order, lines []line, expiresAt time.Time) error {
	reserved := make([]wanted, len(lines))
	for at, line := range lines {
		reserved[at] = wanted{SKU: line.SKU, Quantity: line.Quantity}
	}
	data := struct {
		ID        uuid.UUID `json:"reservation_id"`
		ExpiresAt time.Time `json:"expires_at"`
		Lines     []wanted  `json:"lines"`
	}{order.id, expiresAt, reserved}
	return publish(ctx, tx, "/product-service", "shop.stock.reservation."+what+".v1", order.id.String(), order.correlation, nil, data)
}
