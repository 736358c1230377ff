package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/internal/platform/app"
	"quadrille/services"
	"quadrille/test/harness/parts"
)

// The defaults of ORDER_TIMEOUT and ORDER_SHIP_REMINDER.
const (
	orderTimeout = app.Period(24 * time.Hour)
	shipReminder = app.Period(72 * time.Hour)
)

// Embedded returns a configuration on files of the test's own.
func Embedded(t testing.TB) app.Config {
	t.Helper()
	return app.Config{Services: services.Names(), Data: t.TempDir(), OrderTimeout: orderTimeout, ShipReminder: shipReminder}
}

// Real returns a configuration on PostgreSQL and RabbitMQ, with schemas and exchanges of
// the test's own. It removes them after the test.
func Real(t testing.TB) app.Config {
	t.Helper()
	prefix := own()
	cfg := app.Config{
		Services: services.Names(), Data: t.TempDir(), DatabaseURL: parts.Postgres(t), AMQPURL: parts.RabbitMQ(t),
		SchemaPrefix: strings.TrimSuffix(prefix, ".") + "_", BusPrefix: prefix, DatabasePool: 8,
		OrderTimeout: orderTimeout, ShipReminder: shipReminder,
	}
	t.Cleanup(func() {
		dropSchemas(t, cfg)
		deleteStreams(t, cfg)
	})
	return cfg
}

// overAMQP returns Real with services that call each other through RabbitMQ.
func overAMQP(t testing.TB) app.Config {
	t.Helper()
	return Over(Real(t), "amqp:")
}

// overRedis returns Embedded with services that call each other through Redis.
func overRedis(t testing.TB) app.Config {
	t.Helper()
	cfg := Embedded(t)
	cfg.RedisURL, cfg.BusPrefix = parts.Redis(t), own()
	return Over(cfg, "redis:")
}

// Over returns cfg with url as the address of every service.
func Over(cfg app.Config, url string) app.Config {
	cfg.ServiceURLs = map[string]string{}
	for _, name := range services.Names() {
		cfg.ServiceURLs[name] = url
	}
	return cfg
}

// own returns a unique prefix.
func own() string { return "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12] + "." }

func dropSchemas(t testing.TB, cfg app.Config) {
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, cfg.DatabaseURL)
	if err != nil {
		t.Errorf("clean up: %v", err)
		return
	}
	defer conn.Close(ctx)
	for _, name := range append([]string{app.Gateway}, services.Names()...) {
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
	for _, name := range services.Names() {
		ch, err := conn.Channel()
		if err != nil {
			t.Errorf("clean up: %v", err)
			return
		}
		_, queueErr := ch.QueueDelete(cfg.BusPrefix+name+".history", false, false, false)
		exchangeErr := ch.ExchangeDelete(cfg.BusPrefix+name, false, false)
		_, rpcErr := ch.QueueDelete(cfg.BusPrefix+"rpc."+name, false, false, false)
		if err := errors.Join(queueErr, exchangeErr, rpcErr); err != nil {
			t.Errorf("clean up: %v", err)
		}
		_ = ch.Close()
	}
}
