import { Smb2NatsError } from "../../base/errors.ts";
import type { Context, Invocation } from "../command.ts";
import type { ExitCode } from "../exit-codes.ts";
import type { GatewayProbe } from "./gateway-probe.ts";
import type { Session } from "./interruptible.ts";
import type { NatsOptions } from "./nats-options.ts";

/** One link of the chain. */
export interface Step {
  readonly step: string;
  /** `undefined`: not tried, and why. */
  readonly ok: boolean | undefined;
  readonly detail: string;
  /** What to do about it. */
  readonly fix?: string;
  readonly ms?: number;
}

/** A step that failed ends the chain: what comes after it would only repeat it. */
export class StepError extends Smb2NatsError {
  readonly step: Step;
  readonly exit: ExitCode;
  constructor(step: Step, exit: ExitCode) {
    super("CHECK_STEP", "refused", step.detail);
    this.step = step;
    this.exit = exit;
  }
}

export interface Chain {
  readonly invocation: Invocation;
  readonly context: Context;
  readonly session: Session;
  readonly options: NatsOptions;
  readonly probe: GatewayProbe;
  readonly connection: string;
  readonly path: string;
  readonly tell: (step: Step) => void;
}

/** Milliseconds. */
export function since(started: number): number {
  return Math.round(performance.now() - started);
}
