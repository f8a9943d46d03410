import { type Clock, systemClock } from "../base/clock.ts";

export interface StallMonitorOptions {
  /** How often to look, ms. Default 500. */
  readonly intervalMs?: number;
  /** Standing still that long is a stall, ms. Default 1,000. */
  readonly thresholdMs?: number;
  readonly onStall: (stallMs: number) => void;
  readonly clock?: Clock;
}

/** Notices when this process did not run: a blocked loop, a stopped container, a sleeping machine. Returns its end. */
export function monitorEventLoop(options: StallMonitorOptions): () => void {
  const { intervalMs = 500, thresholdMs = 1_000, onStall, clock = systemClock } = options;
  let cancel: () => void;
  const look = (): void => {
    const due = clock.monotonic() + intervalMs;
    cancel = clock.after(
      intervalMs,
      () => {
        const late = clock.monotonic() - due;
        if (late >= thresholdMs) onStall(late);
        look();
      },
      { unref: true },
    );
  };
  look();
  return () => cancel();
}
