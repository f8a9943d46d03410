import { type Command, JSON_OPTION, NATS_OPTIONS } from "../command.ts";

export const clients: Command = {
  spec: {
    name: "clients",
    summary: "Show the WebSocket clients of all gateways, or end one.",
    usage: "smb2nats clients [close ID] [--connection NAME] [--config FILE] [--server URL] [--json]",
    examples: [
      ["smb2nats clients --config smb2nats.yaml", "who is connected, from where, watching how much"],
      ["smb2nats clients --connection nas1 --json", "those that watch something of one connection"],
      [
        'smb2nats clients close 5fTzqk0mVh3a --reason "moving to another gateway"',
        "end one; its library comes back",
      ],
      ["smb2nats clients close 5fTzqk0mVh3a --for-good", "end one that shall not come back"],
    ],
    options: {
      connection: {
        type: "string",
        value: "NAME",
        doc: "only clients that watch something of this connection",
      },
      reason: { type: "string", value: "TEXT", doc: "what the client is told; 120 bytes at most" },
      "for-good": {
        type: "boolean",
        doc: "close with 4500 instead of 4400: client libraries do not come back",
      },
      ...NATS_OPTIONS,
      json: JSON_OPTION,
    },
    operands: { min: 0, max: 2 },
    notes:
      "It needs the rights of `operator` (docs/nats.md): names and addresses of people are shown. Exit status 77: no\ngateway has this client; 69: a gateway did not answer.",
  },
  run: async (invocation, context) => (await import("../compose/clients.ts")).runClients(invocation, context),
};
