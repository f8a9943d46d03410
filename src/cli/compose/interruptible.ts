import { Scope } from "../../base/scope.ts";
import { Lifecycle } from "../../ops/lifecycle.ts";
import type { Context } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";

export interface Session {
  /** Closed in reverse order at the end. */
  readonly scope: Scope;
  /** Aborts at the first Ctrl-C, or when the reader of stdout has gone. */
  readonly signal: AbortSignal;
}

const CLOSE_MS = 5_000;

/**
 * Runs a command that talks to servers: the first Ctrl-C says goodbye to them, the second ends at once.
 * Being interrupted is how commands without an end are ended, so it is no failure.
 */
export async function interruptible(
  context: Context,
  run: (session: Session) => Promise<ExitCode>,
): Promise<ExitCode> {
  const scope = new Scope();
  const lifecycle = new Lifecycle({
    process,
    close: () => scope.close(),
    deadlineMs: CLOSE_MS,
    report: (event) => {
      if (event.type === "fatal") context.out.error(String(event.error));
    },
  });
  const signal = AbortSignal.any([lifecycle.stopping, context.out.gone]);
  try {
    return await run({ scope, signal });
  } catch (error) {
    if (signal.aborted) return EXIT.ok;
    throw error;
  } finally {
    await lifecycle.stop("done");
  }
}
