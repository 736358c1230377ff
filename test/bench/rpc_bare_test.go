package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/test/harness/parts"
)

// bareRequest and bareReply are a call without JSON-RPC around it.
type bareRequest struct {
	ID     string     `json:"id"`
	Method string     `json:"method"`
	Params [2]float64 `json:"params"`
}

type bareReply struct {
	ID     string  `json:"id"`
	Result float64 `json:"result"`
}

// bareAnswer handles a request. It returns no reply to an invalid one.
func bareAnswer(message []byte) (id string, reply []byte) {
	var r bareRequest
	err := json.Unmarshal(message, &r)
	if err == nil {
		reply, err = json.Marshal(bareReply{r.ID, r.Params[0] + r.Params[1]})
	}
	if err != nil {
		return r.ID, nil
	}
	return r.ID, reply
}

func bareResult(reply []byte, err error) (float64, error) {
	var r bareReply
	if err == nil {
		err = json.Unmarshal(reply, &r)
	}
	return r.Result, err
}

// bareHTTP uses net/http and encoding/json.
func bareHTTP(b *testing.B) adding {
	b.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request bareRequest
		_ = json.NewDecoder(r.Body).Decode(&request)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(bareReply{request.ID, request.Params[0] + request.Params[1]})
	}))
	b.Cleanup(server.Close)
	hc := keepAlive()
	hc.Timeout = 30 * time.Second // as ours: without one a program is not correct
	b.Cleanup(hc.CloseIdleConnections)
	return func(x, y float64) (float64, error) {
		message, err := json.Marshal(bareRequest{uuid.NewString(), "add", [2]float64{x, y}})
		if err != nil {
			return 0, err
		}
		answer, err := hc.Post(server.URL, "application/json", bytes.NewReader(message))
		if err != nil {
			return 0, err
		}
		defer answer.Body.Close()
		var r bareReply
		err = json.NewDecoder(answer.Body).Decode(&r)
		return r.Result, err
	}
}

// bareRedis pops each reply from a list of the call's own, on a connection for each
// call under way; as many loops serve as there are callers. Nothing is taken back.
func bareRedis(b *testing.B) adding {
	b.Helper()
	r, list := openRedis(b)
	serving(b, func(ctx context.Context) error {
		var working sync.WaitGroup
		for range callers {
			working.Go(func() {
				for ctx.Err() == nil {
					popped, err := r.BRPop(ctx, time.Second, list).Result()
					if err == nil {
						id, reply := bareAnswer([]byte(popped[1]))
						r.LPush(ctx, id, reply)
					}
				}
			})
		}
		working.Wait()
		return nil
	})
	return func(x, y float64) (float64, error) {
		id := uuid.NewString()
		message, err := json.Marshal(bareRequest{id, "add", [2]float64{x, y}})
		if err == nil {
			err = r.LPush(b.Context(), list, message).Err()
		}
		if err != nil {
			return 0, err
		}
		popped, err := r.BRPop(b.Context(), 30*time.Second, id).Result()
		if err != nil {
			return 0, err
		}
		return bareResult([]byte(popped[1]), nil)
	}
}

// bareRabbitMQ has one consumer of direct reply-to, and a server that answers, then
// acknowledges, with as many messages ahead as ours.
func bareRabbitMQ(b *testing.B) adding {
	b.Helper()
	queue := "t" + uuid.NewString()
	conn, err := amqp.Dial(parts.RabbitMQ(b))
	check(b, err)
	b.Cleanup(func() { check(b, conn.Close()); deleteQueue(b, queue) })
	bareRabbitMQServer(b, conn, queue)
	ch, err := conn.Channel()
	check(b, err)
	replies, err := ch.Consume("amq.rabbitmq.reply-to", "", true, false, false, false, nil)
	check(b, err)
	var waiting sync.Map
	go func() {
		for d := range replies {
			if arrived, is := waiting.LoadAndDelete(d.CorrelationId); is {
				arrived.(chan []byte) <- d.Body
			}
		}
	}()
	return func(x, y float64) (float64, error) {
		id, arrived := uuid.NewString(), make(chan []byte, 1)
		message, err := json.Marshal(bareRequest{id, "add", [2]float64{x, y}})
		if err != nil {
			return 0, err
		}
		waiting.Store(id, arrived)
		err = ch.PublishWithContext(b.Context(), "", queue, false, false, amqp.Publishing{CorrelationId: id, ReplyTo: "amq.rabbitmq.reply-to", Body: message})
		if err != nil {
			return 0, err
		}
		return bareResult(<-arrived, nil)
	}
}

func bareRabbitMQServer(b *testing.B, conn *amqp.Connection, queue string) {
	b.Helper()
	ch, err := conn.Channel()
	check(b, err)
	_, err = ch.QueueDeclare(queue, true, false, false, false, nil)
	check(b, err)
	check(b, ch.Qos(callers, 0, false))
	requests, err := ch.Consume(queue, "", false, false, false, false, nil)
	check(b, err)
	go func() {
		for d := range requests {
			_, reply := bareAnswer(d.Body)
			_ = ch.PublishWithContext(context.Background(), "", d.ReplyTo, false, false, amqp.Publishing{CorrelationId: d.CorrelationId, Body: reply})
			_ = d.Ack(false)
		}
	}()
}

func deleteQueue(b *testing.B, queue string) {
	b.Helper()
	conn, err := amqp.Dial(parts.RabbitMQ(b))
	check(b, err)
	defer conn.Close()
	ch, err := conn.Channel()
	check(b, err)
	_, err = ch.QueueDelete(queue, false, false, false)
	check(b, err)
}
