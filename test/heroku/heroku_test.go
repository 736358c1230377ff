package heroku_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	salesclient "quadrille/services/sales/client"
)

// From the first release to the audit, everything happens on dynos that see nothing
// but the add-ons, and everything is asked through web.
func TestShop(t *testing.T) {
	m := readManifest(t)
	p := newPlatform(t, m)
	c := newCustomers(t, p.router())
	p.once("release.1", p.lines[release], patience)
	for kind, f := range m.app.Formation {
		p.scale(kind, f.Quantity)
	}
	eventually(t, "the shop answers", func(ctx context.Context) error { return p.answers(ctx, c) })
	c.fill(t)
	eventually(t, "sales takes an order", func(ctx context.Context) error { return nil })

	ordering, enough := context.WithCancel(t.Context())
	defer enough()
	var customers sync.WaitGroup
	customers.Go(func() { c.orderAll(ordering, 4) })
	c.goOn(t, 10)
	t.Run("each process type is killed", func(t *testing.T) { killEach(t, p, c) })
	t.Run("scaled", func(t *testing.T) { scaled(t, p, c) })
	t.Run("deployed", func(t *testing.T) { deployed(t, p, c) })
	enough()
	customers.Wait()
	t.Log(p.once("run.1", "quadrille audit --wait 60s", 2*patience))
	c.check(t)
	p.stop(p.all())
}

// killEach kills a dyno of each process type with kill -9 while orders come in.
func killEach(t *testing.T, p *platform, c *customers) {
	for _, d := range p.all() {
		began := time.Now()
		p.crash(d)
		c.goOn(t, 5)
		t.Logf("%s killed; orders went on after %s", d.name, time.Since(began).Round(time.Millisecond))
	}
}

func scaled(t *testing.T, p *platform, c *customers) {
	p.scale("catalog", 3)
	p.scale("sales", 2)
	c.goOn(t, 10)
}

func deployed(t *testing.T, p *platform, c *customers) {
	began := time.Now()
	p.deploy()
	t.Logf("every old dyno has ended after %s", time.Since(began).Round(time.Millisecond))
	c.goOn(t, 20)
	t.Logf("orders went on after %s", time.Since(began).Round(time.Millisecond))
}

// check compares what customers were told with what the shop has.
func (c *customers) check(t *testing.T) {
	t.Helper()
	orders := map[string]salesclient.Order{}
	for o, err := range c.sales.AllOrders(t.Context()) {
		must(t, err)
		orders[o.Id] = o
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, id := range c.accepted {
		if o, there := orders[id]; !there {
			t.Errorf("order %s, accepted under key %s, is not there", id, key)
		} else if o.Status == salesclient.Placed {
			t.Errorf("order %s is not final", id)
		}
	}
	if len(orders) != len(c.accepted) {
		t.Errorf("there are %d orders, %d were accepted", len(orders), len(c.accepted))
	}
	for _, err := range c.refused {
		t.Errorf("an order was refused: %v", err)
	}
	summary, err := c.stats.Summary(t.Context())
	must(t, err)
	if fmt.Sprint(summary.Orders) != fmt.Sprint(len(orders)) {
		t.Errorf("stats has %d orders of %d", summary.Orders, len(orders))
	}
	t.Logf("%d orders", len(orders))
}
