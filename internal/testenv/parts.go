package testenv

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/internal/app"
	"quadrille/internal/testparts"
)

// Embedded is a configuration on files of the test's own.
func Embedded(t testing.TB) app.Config {
	t.Helper()
	return app.Config{Data: t.TempDir()}
}

// Real is a configuration on PostgreSQL and RabbitMQ, with schemas and exchanges
// of the test's own, which are removed with it.
func Real(t testing.TB) app.Config {
	t.Helper()
	own := "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	cfg := app.Config{
		Data: t.TempDir(), DatabaseURL: testparts.Postgres(t), AMQPURL: testparts.RabbitMQ(t),
		SchemaPrefix: own + "_", BusPrefix: own + ".", DatabasePool: 8,
	}
	t.Cleanup(func() {
		dropSchemas(t, cfg)
		deleteStreams(t, cfg)
	})
	return cfg
}

func dropSchemas(t testing.TB, cfg app.Config) {
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, cfg.DatabaseURL)
	if err != nil {
		t.Errorf("clean up: %v", err)
		return
	}
	defer conn.Close(ctx)
	for _, name := range app.Names() {
		schema := pgx.Identifier{cfg.SchemaPrefix + name}.Sanitize()
		if _, err := conn.Exec(ctx, fmt.Sprintf("DROP SCHEMA IF EXISTS %s CASCADE", schema)); err != nil {
			t.Errorf("clean up: %v", err)
		}
	}
}

func deleteStreams(t testing.TB, cfg app.Config) {
	conn, err := amqp.Dial(cfg.AMQPURL)
	if err != nil {
		t.Errorf("clean up: %v", err)
		return
	}
	defer conn.Close()
	for _, name := range app.Names() {
		ch, err := conn.Channel()
		if err != nil {
			t.Errorf("clean up: %v", err)
			return
		}
		_, queueErr := ch.QueueDelete(cfg.BusPrefix+name+".history", false, false, false)
		exchangeErr := ch.ExchangeDelete(cfg.BusPrefix+name, false, false)
		if queueErr != nil || exchangeErr != nil {
			t.Errorf("clean up: %v %v", queueErr, exchangeErr)
		}
		_ = ch.Close()
	}
}
