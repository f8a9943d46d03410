import { deferred, ignoreRejection } from "../../base/async.ts";
import { describeError } from "../../base/errors.ts";
import { sourceError } from "../../share/failure.ts";
import type { Share } from "../../share/share.ts";
import { SmbProtocolError, SmbStatusError } from "../../smb/errors.ts";
import { poolFacts } from "../../smb/facts.ts";
import { SourceError } from "../../watch/source.ts";
import { RefusedError, UnavailableError } from "../exit-codes.ts";
import { hintFor } from "./remedy.ts";

export interface FirstContactOptions {
  /** Label of the share's facts: the connection's name. */
  readonly connection: string;
  /** For people: `//nas/media`. */
  readonly where: string;
  readonly username: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits for the first login and no longer than its first failure: a person at a terminal wants to know.
 * One attempt is made, never a second with refused credentials.
 * @throws RefusedError, UnavailableError, AbortedError
 */
export async function firstContact(share: Share, options: FirstContactOptions): Promise<void> {
  const { connection, where, username, signal } = options;
  const failed = deferred<never>();
  ignoreRejection(failed.promise);
  const unsubscribe = poolFacts.subscribe((fact) => {
    if (fact.connection === connection && fact.type === "dial-failed") failed.reject(fact.error);
  });
  const ready = share.ready({ signal });
  ignoreRejection(ready);
  try {
    await Promise.race([ready, failed.promise]);
  } catch (error) {
    throw explain(sourceError(error), where, username);
  } finally {
    unsubscribe();
  }
}

function explain(error: Error, where: string, username: string | undefined): Error {
  if (!(error instanceof SourceError)) return error;
  const why = describeError(error.cause ?? error);
  if (error.failure === "credentials") {
    return new RefusedError(
      `${where} refused the login of ${username ?? "the configured account"} (${why}); not tried again, because repeated failures lock accounts`,
    );
  }
  if (error.cause instanceof SmbStatusError && error.cause.statusName === "STATUS_BAD_NETWORK_NAME") {
    return new SourceError("gone", `${where}: the server has no such share`);
  }
  if (error.failure === "unreachable") {
    const what = hasAnswered(error) ? "answers, but not so that it can be used" : "cannot be reached";
    return new UnavailableError(`${where} ${what}: ${why}`);
  }
  const hint = hintFor(error);
  const verdict = error.failure === "policy" ? "cannot be used" : "refused us";
  return new RefusedError(`${where} ${verdict}: ${why}${hint}`);
}

/** Whether something was there that said something, if nothing of use. */
function hasAnswered(error: unknown): boolean {
  let current = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    if (current instanceof SmbStatusError || current instanceof SmbProtocolError) return true;
    current = current.cause;
  }
  return false;
}
