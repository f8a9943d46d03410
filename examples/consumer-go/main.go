// Follows a directory, or a tree, by CloudEvents' SDK for Go and a durable JetStream consumer: it goes on where it
// stopped, whatever ended it. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"syscall"

	cejsm "github.com/cloudevents/sdk-go/protocol/nats_jetstream/v2"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/nats-io/nats.go"
)

// What stands in the body; docs/nats.md has all of it.
type body struct {
	Connection string   `json:"connection"`
	Path       string   `json:"path"` // the directory; the attribute `subject` has it percent-encoded
	Changes    []change `json:"changes"`
	Scope      string   `json:"scope"`
	Reason     string   `json:"reason"`
	State      string   `json:"state"`
}

type change struct {
	Action  string `json:"action"`
	Name    string `json:"name"`
	OldName string `json:"oldName"`
}

func main() {
	server := flag.String("server", nats.DefaultURL, "NATS server")
	stream := flag.String("stream", "SMB", "stream of events")
	durable := flag.String("durable", "consumer-go", "name under which NATS remembers where we are")
	filter := flag.String("filter", "smbin.>", "what workers publish, for the directories of interest")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	conn, err := nats.Connect(*server, nats.Name("consumer-go"), nats.MaxReconnects(-1))
	if err != nil {
		log.Fatalf("connect: %v", err)
	}
	defer conn.Close()
	if err := ensure(conn, *stream, *durable, *filter); err != nil {
		log.Fatalf("consumer %s: %v", *durable, err)
	}
	consumer, err := cejsm.NewConsumerFromConn(conn, *stream, *filter, nil,
		// Acknowledged when the event is dealt with, not when it arrives.
		[]nats.SubOpt{nats.Bind(*stream, *durable), nats.ManualAck()})
	if err != nil {
		log.Fatalf("consumer: %v", err)
	}
	client, err := cloudevents.NewClient(consumer)
	if err != nil {
		log.Fatalf("client: %v", err)
	}
	log.Printf("following %s of stream %s", *filter, *stream)
	if err := client.StartReceiver(ctx, take); err != nil {
		log.Fatalf("receive: %v", err)
	}
}

// Makes the durable consumer, once. The SDK would make it, too, and forget it at each orderly end: what nats.go's
// Subscribe has made, its Drain deletes. What it finds, it leaves.
func ensure(conn *nats.Conn, stream, durable, filter string) error {
	js, err := conn.JetStream()
	if err != nil {
		return err
	}
	_, err = js.ConsumerInfo(stream, durable)
	if !errors.Is(err, nats.ErrConsumerNotFound) {
		return err
	}
	_, err = js.AddConsumer(stream, &nats.ConsumerConfig{
		Durable:        durable,
		DeliverSubject: nats.NewInbox(),
		DeliverPolicy:  nats.DeliverNewPolicy,
		AckPolicy:      nats.AckExplicitPolicy,
		FilterSubject:  filter,
	})
	return err
}

// An error here has the message delivered again.
func take(event cloudevents.Event) error {
	var told body
	if err := event.DataAs(&told); err != nil {
		// It will not become readable: said once, and acknowledged.
		log.Printf("%s: %v", event.ID(), err)
		return nil
	}
	switch event.Type() {
	case "smb2nats.changes":
		for _, one := range told.Changes {
			fmt.Printf("%s\t%s\t%s\t%s\n", one.Action, told.Path, one.Name, one.OldName)
		}
	case "smb2nats.resync":
		fmt.Printf("list again\t%s\t%s\t%s\n", told.Path, told.Scope, told.Reason)
	case "smb2nats.state":
		fmt.Printf("state\t%s\t%s\n", told.Path, told.State)
	}
	return nil
}
