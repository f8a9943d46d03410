import { waitFor } from "../base/async.ts";
import { DeadlineError } from "../base/errors.ts";
import type { KvMirror } from "../broker/port.ts";

/**
 * Waits for the first full read of the bucket.
 * @throws BrokerError with the reason, also where the time ran out and there is one; DeadlineError, AbortedError
 */
export async function syncedWithin(
  mirror: KvMirror,
  wait: { readonly signal?: AbortSignal | undefined; readonly deadlineMs: number; readonly what: string },
): Promise<void> {
  try {
    await waitFor(mirror.synced, wait);
  } catch (error) {
    throw error instanceof DeadlineError && mirror.failure !== undefined ? mirror.failure : error;
  }
}
