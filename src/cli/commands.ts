import type { Command } from "./command.ts";

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Loads the command; `--help` of the program loads none. */
  load(): Promise<Command>;
}

/** In the order of help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "up",
    summary: "Everything in one process, with a private NATS server where none is configured",
    load: async () => (await import("./commands/up.ts")).up,
  },
  {
    name: "worker",
    summary: "Watch shares and publish their changes to NATS",
    load: async () => (await import("./commands/worker.ts")).worker,
  },
  {
    name: "gateway",
    summary: "Relay changes from NATS to browsers over WebSocket",
    load: async () => (await import("./commands/gateway.ts")).gateway,
  },
  {
    name: "tail",
    summary: "Print changes of a share, straight from the server",
    load: async () => (await import("./commands/tail.ts")).tail,
  },
  {
    name: "ready",
    summary: "Hand files of a share over when they are complete",
    load: async () => (await import("./commands/ready.ts")).ready,
  },
  {
    name: "watch",
    summary: "Print changes of a directory, as a NATS consumer",
    load: async () => (await import("./commands/watch.ts")).watch,
  },
  {
    name: "check",
    summary: "Reach each server and say what it can do",
    load: async () => (await import("./commands/check.ts")).check,
  },
  {
    name: "status",
    summary: "Show workers, watches, owners and states of the fleet",
    load: async () => (await import("./commands/status.ts")).status,
  },
  {
    name: "clients",
    summary: "Show the WebSocket clients of all gateways, or end one",
    load: async () => (await import("./commands/clients.ts")).clients,
  },
  {
    name: "streams",
    summary: "Show the streams and buckets in NATS, their sizes, and what they should be",
    load: async () => (await import("./commands/streams.ts")).streams,
  },
  {
    name: "subject",
    summary: "Print the NATS subject of a directory, or the directory of a subject",
    load: async () => (await import("./commands/subject.ts")).subject,
  },
  {
    name: "config",
    summary: "Check, print or describe the configuration",
    load: async () => (await import("./commands/config.ts")).config,
  },
  {
    name: "connections",
    summary: "Take connections over from another application",
    load: async () => (await import("./commands/connections.ts")).connections,
  },
  {
    name: "health",
    summary: "Ask the process on this host whether it is ready",
    load: async () => (await import("./commands/health.ts")).health,
  },
];
