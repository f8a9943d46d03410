import { waitFor } from "../base/async.ts";
import { DeadlineError } from "../base/errors.ts";

/** What of `process` the lifecycle needs, so that tests can be the process. */
export interface ProcessPort extends Pick<NodeJS.EventEmitter, "on" | "off"> {
  exit(code: number): void;
}

export type LifecycleEvent =
  | { readonly type: "stopping"; readonly cause: string; readonly deadlineMs: number }
  | { readonly type: "stopped"; readonly seconds: number }
  | { readonly type: "stop-timeout"; readonly deadlineMs: number }
  | { readonly type: "stop-failed"; readonly error: unknown }
  | { readonly type: "forced"; readonly cause: string }
  | { readonly type: "fatal"; readonly origin: string; readonly error: unknown };

export interface LifecycleOptions {
  readonly process: ProcessPort;
  /** Releases everything in reverse order; called once. */
  readonly close: () => Promise<void>;
  /** Longest drain, ms. */
  readonly deadlineMs: number;
  /** Told before anything is done about it; on `fatal` and `forced` the process ends right after. */
  readonly report: (event: LifecycleEvent) => void;
  /** SIGHUP: read the configuration again. Without it, SIGHUP stops. */
  readonly onReload?: () => void;
}

/**
 * Carries a role from start to exit. The first SIGTERM or SIGINT drains with a deadline, the second ends
 * at once; an exception nobody caught is told and ends the process, because its state is not known.
 */
export class Lifecycle {
  readonly #options: LifecycleOptions;
  readonly #stopping = new AbortController();
  readonly #handlers: [event: string, listener: (...args: unknown[]) => void][] = [];
  #drain: Promise<number> | undefined;

  constructor(options: LifecycleOptions) {
    this.#options = options;
    for (const signal of ["SIGTERM", "SIGINT"]) this.#on(signal, () => this.#signal(signal));
    this.#on("SIGHUP", () => {
      if (options.onReload === undefined) this.#signal("SIGHUP");
      else options.onReload();
    });
    this.#on("uncaughtException", (error) => this.#fatal("uncaughtException", error));
    this.#on("unhandledRejection", (error) => this.#fatal("unhandledRejection", error));
  }

  /** Aborts when the drain begins. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Drains; resolves with the exit code: 0, or 1 when something did not close in time. Idempotent. */
  stop(cause: string): Promise<number> {
    this.#drain ??= this.#run(cause);
    return this.#drain;
  }

  /** Resolves with the exit code once stopped, by a signal or by `stop`. */
  async stopped(): Promise<number> {
    if (!this.stopping.aborted) {
      await new Promise<void>((resolve) => {
        this.stopping.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    return this.stop("signal");
  }

  #signal(signal: string): void {
    if (this.#drain === undefined) {
      void this.stop(signal);
      return;
    }
    this.#options.report({ type: "forced", cause: signal });
    this.#options.process.exit(signal === "SIGTERM" ? 143 : 130);
  }

  #fatal(origin: string, error: unknown): void {
    this.#options.report({ type: "fatal", origin, error });
    this.#options.process.exit(1);
  }

  async #run(cause: string): Promise<number> {
    const { close, deadlineMs, report } = this.#options;
    const started = performance.now();
    report({ type: "stopping", cause, deadlineMs });
    this.#stopping.abort(cause);
    let code = 0;
    try {
      await waitFor(close(), { deadlineMs, what: "drain" });
      report({ type: "stopped", seconds: (performance.now() - started) / 1_000 });
    } catch (error) {
      code = 1;
      if (error instanceof DeadlineError && error.after === deadlineMs)
        report({ type: "stop-timeout", deadlineMs });
      else report({ type: "stop-failed", error });
    }
    for (const [event, listener] of this.#handlers.splice(0)) this.#options.process.off(event, listener);
    return code;
  }

  #on(event: string, listener: (...args: unknown[]) => void): void {
    this.#handlers.push([event, listener]);
    this.#options.process.on(event, listener);
  }
}
