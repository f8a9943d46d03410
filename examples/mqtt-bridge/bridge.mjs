// node bridge.mjs [nats://host:4222]: tells MQTT clients of nats-server's own MQTT listener what the stream tells.
// nats-server 2.9 keeps from them whatever a stream republishes, so each message is published once more, as a client's.
// From 2.10 on they hear smb/# directly, and need no bridge.
import { connect } from "@nats-io/transport-node";

const connection = await connect({
  servers: process.argv[2] ?? "nats://127.0.0.1:4222",
  maxReconnectAttempts: -1,
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void connection.drain());
for await (const { subject, data } of connection.subscribe("smb.>"))
  connection.publish(`mqtt.${subject}`, data);
