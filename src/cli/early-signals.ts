import { EXIT } from "./exit-codes.ts";

/**
 * SIGTERM while a role is still being loaded ends it as a success, for there is nothing to drain yet. Without a handler
 * Node dies of the signal, and as process 1 of a container never hears of it: the kernel drops what that process does
 * not handle, and it would be killed at the end of its grace period. Returns what takes the handler away.
 */
export function leaveOnSignal(): () => void {
  const leave = (): void => process.exit(EXIT.ok);
  process.on("SIGTERM", leave);
  return () => process.off("SIGTERM", leave);
}
