package heroku_test

import (
	"context"
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
	p.config["STATS_URL"] = "redis:" // one service the other way
	c := newCustomers(t, p.router())
	p.release()
	for kind, f := range m.app.Formation {
		p.scale(kind, f.Quantity)
	}
	eventually(t, "the shop answers", c.isAnswered)
	isolated(t, p)
	c.fill(t)
	c.wishForLate(t)

	ordering, enough := context.WithCancel(t.Context())
	defer enough()
	var shopping sync.WaitGroup
	shopping.Go(func() { c.orderAll(ordering, 4) })
	c.goOn(t, 10)
	for _, stage := range []struct {
		name string
		run  func(*testing.T, *platform, *customers)
	}{{"each process type is killed", killEach}, {"scaled", scaled}, {"deployed", deployed}, {"packed", packed}} {
		if !t.Run(stage.name, func(t *testing.T) { stage.run(t, p, c) }) {
			break
		}
	}
	enough()
	shopping.Wait()
	t.Log(p.once("run.2", audit, 2*patience))
	c.check(t)
	p.stop(p.all())
	p.checkBudgets(t)
}

// audit is what docs/heroku.md has one do after all.
const audit = "quadrille audit --wait 60s"

// killEach kills a dyno of each process type with kill -9 while orders come in.
func killEach(t *testing.T, p *platform, c *customers) {
	for _, d := range p.all() {
		began := time.Now()
		p.crash(d)
		c.goOn(t, 5)
		t.Logf("%s killed; orders went on after %s", d.name, time.Since(began).Round(time.Millisecond))
	}
}

// scaled has three catalogs and two of sales. What one of them does, the others do
// when it is gone.
func scaled(t *testing.T, p *platform, c *customers) {
	p.scale("catalog", 3)
	p.scale("sales", 2)
	c.goOn(t, 5)
	gone := p.of("catalog")[0]
	p.forget(gone)
	gone.kill()
	for range 20 {
		if err := c.asksCatalog(t.Context()); err != nil {
			t.Errorf("one of three catalogs is gone, and a customer notices: %v", err)
		}
	}
	c.lateArrives(t)
	p.start(gone.name)
	p.stop(p.of("sales")[:1])
	c.goOn(t, 5)
	p.start("sales.1")
	p.network.checkCredit(t)
}

// deployed replaces all dynos at once, old and new ones overlapping.
func deployed(t *testing.T, p *platform, c *customers) {
	began := time.Now()
	p.deploy(t)
	t.Logf("every old dyno had ended after %s", time.Since(began).Round(time.Millisecond))
	c.goOn(t, 20)
	t.Logf("orders went on after %s", time.Since(began).Round(time.Millisecond))
	eventually(t, "every service answers", c.isAnswered)
}

// packed has all services move into one dyno, as docs/heroku.md has it, after an
// audit of how it was before.
func packed(t *testing.T, p *platform, c *customers) {
	p.lines["worker"] = packedLine(t)
	for kind := range p.lines {
		if kind != "web" && kind != "worker" {
			p.scale(kind, 0)
		}
	}
	p.scale("worker", 1)
	c.goOn(t, 10)
	p.network.checkCredit(t)
	eventually(t, "every service answers", c.isAnswered)
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
	if summary.Orders != int64(len(orders)) {
		t.Errorf("stats has %d orders of %d", summary.Orders, len(orders))
	}
}
