package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// A pool for each database.
type databases struct {
	users, products, orders *pgxpool.Pool
}

func openDatabases(ctx context.Context, config config) (databases, error) {
	var opened databases
	for url, into := range map[string]**pgxpool.Pool{
		config.users:    &opened.users,
		config.products: &opened.products,
		config.orders:   &opened.orders,
	} {
		settings, err := pgxpool.ParseConfig(url)
		if err != nil {
			return opened, err
		}
		settings.MaxConns = config.connections
		settings.ConnConfig.RuntimeParams["application_name"] = "shop-peer-go"
		if *into, err = pgxpool.NewWithConfig(ctx, settings); err != nil {
			return opened, err
		}
	}
	return opened, nil
}

func (all databases) close() {
	for _, pool := range []*pgxpool.Pool{all.users, all.products, all.orders} {
		pool.Close()
	}
}
