package heroku_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"quadrille/test/harness/customers"
	"quadrille/test/harness/long"
)

// The whole life of an app, from the first release to the audit. Dynos reach nothing but
// the add-ons, and customers reach nothing but web. The short form kills two dynos, leaves
// out scaling and packing, and does not limit the connections.
func TestKeepsEveryOrderThroughTheLifeOfAnApp(t *testing.T) {
	m := readManifest(t)
	p := newPlatform(t, m)
	p.config["STATS_URL"] = "redis:" // one service uses the other transport
	c := newCustomers(t, p.router())
	p.release()
	for kind, f := range m.app.Formation {
		p.scale(kind, f.Quantity)
	}
	eventually(t, "the shop answers", answers(c))
	isolated(t, p)
	c.Fill(t)
	wishForLate(t, c)

	ordering, enough := context.WithCancel(t.Context())
	defer enough()
	var shopping sync.WaitGroup
	shopping.Go(func() { c.Run(ordering, 4) })
	awaitAnswers(t, c, 10)
	type stage struct {
		name string
		run  func(*testing.T, *platform, *customers.Customers)
	}
	for _, stage := range long.Pick(
		[]stage{{"two process types are killed", killEach}, {"deployed", deployed}},
		[]stage{{"each process type is killed", killEach}, {"scaled", scaled}, {"deployed", deployed}, {"packed", packed}},
	) {
		if !t.Run(stage.name, func(t *testing.T) { stage.run(t, p, c) }) {
			break
		}
	}
	enough()
	shopping.Wait()
	t.Log(p.once("run.2", audit, 2*waitLimit))
	checkOrders(t, c)
	p.stop(p.all())
	p.checkBudgets(t)
}

// audit is the last command of docs/heroku.md.
const audit = "quadrille audit --wait 60s"

// killEach ends dynos with kill -9 while orders come in: one of each process type, or of
// two in the short form.
func killEach(t *testing.T, p *platform, c *customers.Customers) {
	all := p.all()
	for _, d := range all[:long.Pick(2, len(all))] {
		began := time.Now()
		p.crash(d)
		awaitAnswers(t, c, 5)
		t.Logf("%s killed; orders went on after %s", d.name, time.Since(began).Round(time.Millisecond))
	}
}

// scaled runs three dynos of catalog and two of sales, and kills one of each. The others
// take over its work.
func scaled(t *testing.T, p *platform, c *customers.Customers) {
	p.scale("catalog", 3)
	p.scale("sales", 2)
	awaitAnswers(t, c, 5)
	gone := p.of("catalog")[0]
	p.forget(gone)
	gone.kill()
	for range 20 {
		if err := catalogAnswers(t.Context(), c); err != nil {
			t.Errorf("a request failed after one of three catalog dynos was killed: %v", err)
		}
	}
	lateArrives(t, c)
	p.start(gone.name)
	p.stop(p.of("sales")[:1])
	awaitAnswers(t, c, 5)
	p.start("sales.1")
	p.network.checkCredit(t)
}

// deployed replaces all dynos at once. Old and new dynos overlap.
func deployed(t *testing.T, p *platform, c *customers.Customers) {
	began := time.Now()
	p.deploy(t)
	t.Logf("every old dyno had ended after %s", time.Since(began).Round(time.Millisecond))
	awaitAnswers(t, c, 20)
	t.Logf("orders went on after %s", time.Since(began).Round(time.Millisecond))
	eventually(t, "every service answers", answers(c))
}

// packed moves all services into one dyno, as docs/heroku.md describes.
func packed(t *testing.T, p *platform, c *customers.Customers) {
	p.lines["worker"] = packedLine(t)
	for kind := range p.lines {
		if kind != "web" && kind != "worker" {
			p.scale(kind, 0)
		}
	}
	p.scale("worker", 1)
	awaitAnswers(t, c, 10)
	p.network.checkCredit(t)
	eventually(t, "every service answers", answers(c))
}

// checkOrders compares the answers that customers got with the orders that the shop and
// stats have.
func checkOrders(t *testing.T, c *customers.Customers) {
	t.Helper()
	found := c.Check(t)
	summary, err := c.Stats.Summary(t.Context())
	must(t, err)
	if summary.Orders != int64(found.Orders) {
		t.Errorf("stats counts %d orders of %d", summary.Orders, found.Orders)
	}
}
