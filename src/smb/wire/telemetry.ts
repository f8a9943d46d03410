import { commandName } from "../../codec/header.ts";
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
  type SessionFact,
  sessionFacts,
} from "../facts.ts";

/** Member by member: `Omit` alone would keep only what all members of a union share. */
type Unlabelled<T> = T extends unknown ? Omit<T, "connection" | "id"> : never;

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
    connectionFacts.publish({ connection: this.connection, id: this.id, from, to, error });
  }

  session(fact: Unlabelled<SessionFact>): void {
    sessionFacts.publish({ connection: this.connection, id: this.id, ...fact });
  }

  request(command: number, outcome: string, ms: number): void {
    requestFacts.publish({
      connection: this.connection,
      id: this.id,
      command: commandName(command),
      outcome,
      ms,
    });
  }

  credits(available: number, waiting: number): void {
    creditFacts.publish({ connection: this.connection, id: this.id, available, waiting });
  }

  echo(ms: number): void {
    echoFacts.publish({ connection: this.connection, id: this.id, ms });
  }

  notify(outcome: NotifyFact["outcome"], records: number): void {
    notifyFacts.publish({ connection: this.connection, id: this.id, outcome, records });
    if (outcome === "overflow") overflowFacts.publish({ connection: this.connection, id: this.id });
  }

  deadLetter(command: number, reason: DeadLetterFact["reason"]): void {
    deadLetterFacts.publish({
      connection: this.connection,
      id: this.id,
      command: commandName(command),
      reason,
    });
  }
}
