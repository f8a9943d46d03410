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
    name: "health",
    summary: "Ask the process on this host whether it is ready",
    load: async () => (await import("./commands/health.ts")).health,
  },
];
