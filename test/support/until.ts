import { setTimeout as delay } from "node:timers/promises";

/**
 * Waits until `probe` gives something truthy and returns it. @throws Error naming `what` after `timeoutMs`
 * (default 20 s), with the last error of the probe if it threw.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  options: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<NonNullable<T>> {
  const deadline = Date.now() + (options.timeoutMs ?? 20_000);
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`, { cause: last });
    await delay(options.everyMs ?? 25);
  }
}
