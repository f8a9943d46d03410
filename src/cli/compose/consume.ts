import { systemClock } from "../../base/clock.ts";
import type { Context, Invocation } from "../command.ts";
import { Executor, findProgram } from "../exec.ts";
import { EXIT, type ExitCode, UnavailableError, UsageError } from "../exit-codes.ts";
import { numberOption } from "../number-option.ts";
import { type PrintableEvent, printEvent } from "./print-event.ts";

/** How `tail` and `watch` deal with events, and when they have had enough. */
export interface ConsumerOptions {
  /** Batches of changes and resyncs, after which it is over. */
  readonly count: number | undefined;
  /** How long from the start, ms. */
  readonly waitMs: number | undefined;
  readonly exec:
    | {
        readonly program: string;
        readonly args: readonly string[];
        readonly jobs: number;
        readonly timeoutMs: number;
      }
    | undefined;
  readonly json: boolean;
}

/** A timer cannot wait longer. */
const LONGEST_S = 2_000_000;
const MOST_JOBS = 64;
/** For processes that run when we are told to end; what outlives us would be nobody's. */
const GRACE_MS = 3_000;

/** @throws UsageError */
export function consumerOptions(invocation: Invocation, { env }: Pick<Context, "env">): ConsumerOptions {
  const wait = numberOption(invocation, "wait", { min: 0, max: LONGEST_S });
  const jobs = numberOption(invocation, "exec-jobs", { min: 1, max: MOST_JOBS, whole: true });
  const seconds = numberOption(invocation, "exec-timeout", { min: 0.1, max: LONGEST_S });
  const program = invocation.text("exec");
  if (program === undefined) {
    const [orphan] = ["exec-jobs", "exec-timeout"].filter((name) => invocation.flag(name));
    if (orphan !== undefined) throw new UsageError(`--${orphan} says nothing without --exec`);
    if (invocation.rest.length > 0) throw new UsageError("what follows -- is for the program of --exec");
  }
  return {
    count: numberOption(invocation, "count", { min: 1, max: 1e9, whole: true }),
    waitMs: wait === undefined ? undefined : wait * 1_000,
    exec:
      program === undefined
        ? undefined
        : {
            program: findProgram(program, env),
            args: invocation.rest,
            jobs: jobs ?? 1,
            timeoutMs: (seconds ?? 60) * 1_000,
          },
    json: invocation.flag("json"),
  };
}

export interface ConsumeOptions<E> {
  readonly options: ConsumerOptions;
  readonly context: Context;
  /** Aborts when the person at the terminal has had enough. */
  readonly signal: AbortSignal;
  /** Begins; everything it waits for ends with its signal. */
  readonly open: (signal: AbortSignal) => Promise<AsyncIterable<E>>;
  /** For people. */
  readonly shown: (event: E) => PrintableEvent;
  /** For programs. */
  readonly written: (event: E) => unknown;
}

/**
 * Deals with events until there were enough of them, time is up, or somebody says stop.
 * @throws UnavailableError when time was up before the watch was live
 */
export async function consume<E extends { readonly type: string; readonly reason?: string }>({
  options,
  context,
  signal,
  open,
  shown,
  written,
}: ConsumeOptions<E>): Promise<ExitCode> {
  const { out, env } = context;
  const { count = Number.POSITIVE_INFINITY, exec, json, waitMs } = options;
  const executor =
    exec === undefined ? undefined : new Executor({ ...exec, env, onFailure: (line) => out.error(line) });
  const timeUp = new AbortController();
  const cancel = waitMs === undefined ? () => undefined : systemClock.after(waitMs, () => timeUp.abort());
  let live = false;
  let told = 0;
  try {
    for await (const event of await open(AbortSignal.any([signal, timeUp.signal]))) {
      live ||= event.type === "live" || event.type === "snapshot";
      const isNews =
        event.type === "changes" || (event.type === "resync" && !(told === 0 && isBeginning(event)));
      if (executor !== undefined) {
        if (isNews) await executor.run(`${JSON.stringify(written(event))}\n`);
        else printEvent(out, shown(event), { talk: true });
      } else if (json) out.json(written(event));
      else printEvent(out, shown(event));
      if (isNews && ++told >= count) break;
      // A slow program may have left a queue.
      if (timeUp.signal.aborted) break;
    }
  } catch (error) {
    if (signal.aborted || !timeUp.signal.aborted) throw error;
    if (!live) throw new UnavailableError(`not live within ${(waitMs ?? 0) / 1_000} s`, error);
  } finally {
    cancel();
    if (signal.aborted) await executor?.close(GRACE_MS);
    else await executor?.idle();
  }
  if ((executor?.failures ?? 0) > 0) return EXIT.failure;
  return Number.isFinite(count) && told < count ? EXIT.timeout : EXIT.ok;
}

/** How a worker begins a watch that nobody held: whoever lists after `live` has seen all of it. */
function isBeginning({ reason }: { readonly reason?: string }): boolean {
  return reason === "takeover";
}
