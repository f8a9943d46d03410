import { pathKey } from "../../base/path.ts";
import type { PinnedWatch } from "../../ops/config/index.ts";
import type { WatchOverrides } from "../../watch/api.ts";
import type { ConnectionRuntime } from "../../worker/runtime.ts";
import { filterBits } from "./share-options.ts";

/** The entries of `watches` for one connection that have options of their own. */
export function pinsOf(name: string, watches: readonly PinnedWatch[]): PinnedWatch[] {
  return watches.filter((pin) => pin.connection === name && Object.keys(overridesOf(pin)).length > 0);
}

/** How the watch of a directory differs from its connection. Of several entries for it, the first of its kind holds. */
export function pinnedOptions(
  pins: readonly PinnedWatch[],
  caseSensitive: boolean,
): NonNullable<ConnectionRuntime["overrides"]> {
  return ({ path, recursive }) => {
    const key = pathKey(path, caseSensitive);
    const same = pins.filter((pin) => pathKey(pin.path, caseSensitive) === key);
    const pin = same.find((each) => each.recursive === recursive) ?? same[0];
    return pin === undefined ? undefined : overridesOf(pin);
  };
}

function overridesOf({ notify, stat, settleMs, ready, rescanMinutes }: PinnedWatch): WatchOverrides {
  return {
    ...(notify === undefined ? {} : { filter: filterBits(notify) }),
    ...(stat === undefined ? {} : { stat }),
    ...(settleMs === undefined ? {} : { settleMs }),
    ...(ready === undefined ? {} : { ready }),
    ...(rescanMinutes === undefined ? {} : { rescanMinutes }),
  };
}
