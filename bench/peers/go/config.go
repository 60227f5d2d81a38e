package main

import (
	"fmt"
	"os"
	"strconv"
)

const (
	issuer        = "https://shop.example"
	audience      = "shop"
	accessSeconds = 600
)

// What this program is told, by its environment.
type config struct {
	port, users, products, orders string
	pspURL, pspKey, pspSecret     string
	cursorKey                     string
	connections                   int32
}

func readConfig() (config, error) {
	var read config
	for name, into := range map[string]*string{
		"PORT":                  &read.port,
		"USERS_DATABASE_URL":    &read.users,
		"PRODUCTS_DATABASE_URL": &read.products,
		"ORDERS_DATABASE_URL":   &read.orders,
		"PSP_URL":               &read.pspURL,
		"PSP_SECRET_KEY":        &read.pspKey,
		"PSP_WEBHOOK_SECRET":    &read.pspSecret,
		"CURSOR_KEY":            &read.cursorKey,
	} {
		if *into = os.Getenv(name); *into == "" {
			return read, fmt.Errorf("%s is needed", name)
		}
	}
	read.connections = 16
	if text, given := os.LookupEnv("DATABASE_CONNECTIONS"); given {
		number, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return read, fmt.Errorf("DATABASE_CONNECTIONS is no number: %w", err)
		}
		read.connections = int32(number)
	}
	return read, nil
}
