// Takes files that are ready: one program a file, and as many takers as there is work for. See ../README.md.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// Who says nothing for so long has died: his message goes to somebody else.
	ackWait = 30 * time.Second
	tries   = 5
)

type body struct {
	Connection string           `json:"connection"`
	Path       string           `json:"path"`
	Changes    []map[string]any `json:"changes"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: taker FILTER PROGRAM [ARG...]   (NATS_URL, NATS_STREAM, NATS_DURABLE)")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := follow(ctx, os.Args[1], os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

func follow(ctx context.Context, filter string, command []string) error {
	conn, err := nats.Connect(env("NATS_URL", nats.DefaultURL), nats.Name("taker"), nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	durable := env("NATS_DURABLE", "takers")
	// Found as it is, or made: all takers share it, and with it the work.
	consumer, err := js.CreateOrUpdateConsumer(ctx, env("NATS_STREAM", "SMB"), jetstream.ConsumerConfig{
		Durable:       durable,
		FilterSubject: filter,
		AckPolicy:     jetstream.AckExplicitPolicy,
		DeliverPolicy: jetstream.DeliverNewPolicy,
		AckWait:       ackWait,
		MaxDeliver:    tries,
	})
	if err != nil {
		return err
	}
	// Longer than the stream keeps events: what is told again is known then.
	taken, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: durable + "_taken", TTL: 7 * 24 * time.Hour})
	if err != nil {
		return err
	}
	log.Printf("taking %s", filter)
	for ctx.Err() == nil {
		message, err := consumer.Next(jetstream.FetchMaxWait(time.Second))
		if err != nil {
			if !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, jetstream.ErrNoMessages) {
				log.Printf("next: %v", err)
				time.Sleep(time.Second)
			}
			continue
		}
		if err := deal(message, taken, command); err != nil {
			log.Print(err)
		}
	}
	return nil
}

// Takes the files of one message, and says so, or asks for it once more.
func deal(message jetstream.Msg, taken jetstream.KeyValue, command []string) error {
	// What has been begun is ended, also when we are told to stop.
	ctx, done := context.WithCancel(context.Background())
	defer done()
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(ackWait / 3):
				_ = message.InProgress()
			}
		}
	}()
	meta, err := message.Metadata()
	if err != nil {
		return err
	}
	if err := take(ctx, message, taken, command); err != nil {
		_ = message.NakWithDelay(time.Second << (meta.NumDelivered - 1))
		return fmt.Errorf("failed, %d of %d: %w", meta.NumDelivered, tries, err)
	}
	return message.DoubleAck(ctx)
}

func take(ctx context.Context, message jetstream.Msg, taken jetstream.KeyValue, command []string) error {
	var told body
	if err := json.Unmarshal(message.Data(), &told); err != nil {
		return err
	}
	for _, file := range told.Changes {
		if file["action"] != "ready" {
			continue
		}
		delete(file, "action")
		path := strings.TrimSuffix(told.Path, "/") + "/" + fmt.Sprint(file["name"])
		what, err := json.Marshal([]any{told.Connection, path, file["fileId"], file["size"], file["modified"]})
		if err != nil {
			return err
		}
		key := fmt.Sprintf("%x", sha256.Sum256(what))
		if _, err := taken.Get(ctx, key); err == nil {
			continue
		} else if !errors.Is(err, jetstream.ErrKeyNotFound) {
			return err
		}
		file["type"], file["connection"], file["path"] = "ready", told.Connection, path
		file["share"] = strings.TrimPrefix(message.Headers().Get("ce-source"), "smb:")
		line, err := json.Marshal(file)
		if err != nil {
			return err
		}
		program := exec.Command(command[0], command[1:]...)
		program.Stdin, program.Stdout, program.Stderr = bytes.NewReader(append(line, '\n')), os.Stdout, os.Stderr
		if err := program.Run(); err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		if _, err := taken.PutString(ctx, key, time.Now().UTC().Format(time.RFC3339)); err != nil {
			return err
		}
		fmt.Printf("taken: %q\n", path)
	}
	return nil
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
