import { commandName } from "../codec/header.ts";
import {
  type ConnectionState,
  connectionFacts,
  creditFacts,
  type DeadLetterFact,
  deadLetterFacts,
  echoFacts,
  type NotifyFact,
  notifyFacts,
  overflowFacts,
  requestFacts,
} from "./facts.ts";

let connectionCount = 0;

/** Publishes the facts of one connection under its label. */
export class Telemetry {
  readonly connection: string;
  /** Unique in this process. */
  readonly id: number = ++connectionCount;

  constructor(label: string) {
    this.connection = label;
  }

  state(from: ConnectionState, to: ConnectionState, error: Error | undefined): void {
    connectionFacts.publish({ ...this.#who(), from, to, error });
  }

  request(command: number, outcome: string, ms: number): void {
    requestFacts.publish({ ...this.#who(), command: commandName(command), outcome, ms });
  }

  credits(available: number, waiting: number): void {
    creditFacts.publish({ ...this.#who(), available, waiting });
  }

  echo(ms: number): void {
    echoFacts.publish({ ...this.#who(), ms });
  }

  notify(outcome: NotifyFact["outcome"], records: number): void {
    notifyFacts.publish({ ...this.#who(), outcome, records });
    if (outcome === "overflow") overflowFacts.publish(this.#who());
  }

  deadLetter(command: number, reason: DeadLetterFact["reason"]): void {
    deadLetterFacts.publish({ ...this.#who(), command: commandName(command), reason });
  }

  #who(): { readonly connection: string; readonly id: number } {
    return { connection: this.connection, id: this.id };
  }
}
