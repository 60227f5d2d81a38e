package main

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

type event struct {
	SpecVersion      string    `json:"specversion"`
	ID               uuid.UUID `json:"id"`
	Source           string    `json:"source"`
	Type             string    `json:"type"`
	Subject          string    `json:"subject"`
	Time             time.Time `json:"time"`
	ContentType      string    `json:"datacontenttype"`
	Schema           string    `json:"dataschema"`
	CorrelationID    *string   `json:"correlationid"`
	PartitionKey     string    `json:"partitionkey"`
	AggregateVersion *int64    `json:"aggregateversion,omitempty"`
	Data             any       `json:"data"`
}

// Writes an event in the transaction of what it tells of. The key is locked, so that numbers are in the order of commits.
func publish(ctx context.Context, tx pgx.Tx, source, kind, key string, correlation *string, version *int64, data any) error {
	id := newID()
	hash := fnv.New32a()
	hash.Write([]byte(key))
	_, err := tx.Exec(ctx, `
		with locked as materialized (select pg_advisory_xact_lock(hashtextextended('flotilla-outbox/' || $2, 0)))
		insert into messaging.outbox (id, key, partition, kind, event) select $1, $2, $3, $4, $5 from locked`,
		id, key, int16(hash.Sum32()%16), kind, event{
			SpecVersion: "1.0", ID: id, Source: source, Type: kind, Subject: key, Time: time.Now().UTC(),
			ContentType: "application/json", Schema: "https://flotilla.dev/events/" + kind + ".json",
			CorrelationID: correlation, PartitionKey: key, AggregateVersion: version, Data: data,
		})
	return err
}
