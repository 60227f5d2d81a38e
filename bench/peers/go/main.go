// Command shop-peer is the shop's endpoints as users of Go write them, for `cargo xtask bench shop`: net/http and pgx.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/google/uuid"
)

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("it ended", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config, err := readConfig()
	if err != nil {
		return err
	}
	databases, err := openDatabases(ctx, config)
	if err != nil {
		return err
	}
	defer databases.close()
	auth, err := newAuth(databases.users)
	if err != nil {
		return err
	}
	stock := &stock{pool: databases.products}
	saga := &saga{pool: databases.orders, stock: stock, psp: newPSP(config), owner: newID()}
	products := &products{pool: databases.products, cursors: cursors{key: []byte(config.cursorKey)}}
	orders := &orders{pool: databases.orders, auth: auth, stock: stock, saga: saga}

	mux := http.NewServeMux()
	mux.Handle("GET /v1/products/{id}", handler(products.read))
	mux.Handle("GET /v1/products", handler(products.list))
	mux.Handle("POST /v1/auth/login", handler(auth.login))
	mux.Handle("GET /v1/users/me", handler(auth.me))
	mux.Handle("POST /v1/orders", handler(orders.place))
	mux.Handle("POST /v1/webhooks/psp/paysim", handler(saga.webhook))
	server := &http.Server{
		Addr:              "127.0.0.1:" + config.port,
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
	}
	go saga.poll(ctx)
	go func() {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ending); err != nil {
			slog.Warn("requests are broken off", "error", err)
		}
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Of version 7: in the order of time.
func newID() uuid.UUID {
	return uuid.Must(uuid.NewV7())
}
